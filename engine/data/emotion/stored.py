"""What a pickle may name besides plain containers: NumPy's arrays, scalars and types, built here from checked values.

NumPy's own unpickling is never called: it believes what the state says of itself. A name stands for one of the
functions below, whatever module of that name may be installed. Knows no pickle format.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

TYPE = re.compile(r"([biufcSU])(\d{1,7})")
"""Numbers, truth values, text: no Python objects, no records, no dates."""
MOST_DIMENSIONS = 8
ORDERS = frozenset("<>|=")


class MalformedError(ValueError):
    """It does not fit together; the text says what, in a few words."""


class Bag(list[Any]):
    """A set, in the order of the file: no element is compared or hashed."""


@dataclass
class StoredType:
    """`numpy.dtype`, and what its state adds: the order of the bytes."""

    code: str
    order: str = "="

    def build(self, state: object) -> None:
        """Take the state that NumPy writes: version, order, and no part that only records and objects have."""
        if not isinstance(state, tuple) or not 5 <= len(cast("tuple[Any, ...]", state)) <= 9:
            raise MalformedError("a type without a state")
        parts = cast("tuple[Any, ...]", state)
        if any(part is not None for part in parts[2:5]):
            raise MalformedError("a type of records")
        if not isinstance(parts[1], str) or parts[1] not in ORDERS:
            raise MalformedError("a type with an unknown order of bytes")
        self.order = parts[1]

    def dtype(self) -> np.dtype[Any]:
        """The type."""
        kind = self.code[0]
        letter = {"U": f"U{int(self.code[1:]) // 4}"}.get(kind, self.code)
        return np.dtype(self.order.replace("|", "=") + letter)


@dataclass
class StoredArray:
    """An array; empty until its state is known."""

    values: NDArray[Any]

    def build(self, state: object) -> None:
        """Take the state that NumPy writes: version, shape, type, whether columns come first, bytes."""
        parts = cast("tuple[Any, ...]", state) if isinstance(state, tuple) else ()
        if len(parts) == 5:
            parts = parts[1:]
        if len(parts) != 4:
            raise MalformedError("an array without a state")
        shape, kind, is_fortran, content = parts
        if isinstance(content, list):
            raise MalformedError("an array of Python objects")
        self.values = array_of(content, kind, shape, "F" if is_fortran else "C")


def array_of(content: object, kind: object, shape: object, order: object) -> NDArray[Any]:
    """An array over the bytes, which are not copied.

    Raises:
        MalformedError: type, shape and bytes do not fit each other.
    """
    if isinstance(content, str):  # bytes of Python 2
        content = latin1(content)
    if not isinstance(kind, StoredType):
        raise MalformedError("an array without a type")
    if not isinstance(content, bytes):
        raise MalformedError("an array without its bytes")
    dtype, extents = kind.dtype(), _extents(shape)
    num_bytes = math.prod(extents) * dtype.itemsize
    if num_bytes != len(content):
        raise MalformedError(f"an array whose shape says {num_bytes:,} bytes and that has {len(content):,}")
    if order not in ("C", "F"):
        raise MalformedError("an array whose axes are in another order")
    if not num_bytes:
        return np.empty(0, dtype)
    flat = np.frombuffer(content, dtype)
    return flat.reshape(extents) if order == "C" else flat.reshape(extents[::-1]).T


def _extents(shape: object) -> tuple[int, ...]:
    parts = cast("tuple[Any, ...]", shape) if isinstance(shape, tuple) else None
    if parts is None or len(parts) > MOST_DIMENSIONS:
        raise MalformedError("an array without a shape")
    if any(type(part) is not int or not 0 <= part < 2**40 for part in parts):
        raise MalformedError("an array with an impossible shape")
    return parts


def latin1(text: str) -> bytes:
    """Text whose characters are bytes, as bytes.

    Raises:
        MalformedError: a character is none.
    """
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise MalformedError("bytes with a character that is none") from None


@dataclass(frozen=True)
class Name:
    """A name of the list below: called by a pickle, or handed to what it calls."""

    text: str

    def call(self, args: tuple[Any, ...]) -> Any:
        """What the call of this name means.

        Raises:
            MalformedError: it means nothing with these arguments.
        """
        made = CALLS.get(self.text)
        if made is None:
            raise MalformedError(f"a call of {self.text}")
        try:
            return made(*args)
        except TypeError:
            raise MalformedError(f"a call of {self.text} with {len(args)} arguments") from None


def _array(kind: Any, _shape: Any, _code: Any) -> StoredArray:
    if kind != Name("numpy.ndarray"):
        raise MalformedError("an array of another kind")
    return StoredArray(np.empty(0))


def _type(code: Any, _align: Any = False, _copy: Any = True) -> StoredType:
    if code == "O8" or code == "O":
        raise MalformedError("an array of Python objects")
    found = TYPE.fullmatch(code) if isinstance(code, str) else None
    if found is None:
        raise MalformedError("a type that is neither a number nor text")
    kind, size = found[1], int(found[2])
    # Of text the code counts characters, of everything else bytes.
    if not (size in (1, 2, 4, 8, 16) if kind not in "SU" else 1 <= size <= 1 << 20):
        raise MalformedError("a type of an impossible size")
    try:
        np.dtype(code)
    except TypeError:
        raise MalformedError("a type that does not exist") from None
    return StoredType(f"U{4 * size}" if kind == "U" else code)


def _scalar(kind: Any, content: Any = b"") -> Any:
    return array_of(content, kind, (1,), "C").tolist()[0]


def _from_buffer(content: Any, kind: Any, shape: Any, order: Any, axes: Any = None) -> StoredArray:
    if axes is not None:
        raise MalformedError("an array whose axes are in another order")
    return StoredArray(array_of(content, kind, shape, order))


def _encode(text: Any, encoding: Any = "utf-8") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise MalformedError("text encoded as something else than bytes")
    return latin1(text)


def _bytes(content: Any = b"", encoding: Any = "latin-1") -> bytes:
    return _encode(content, encoding) if isinstance(content, str) else _only(content, bytes)


def _bag(items: Any = ()) -> Bag:
    return Bag(_only(items, (list, tuple)))


def _list(items: Any = ()) -> list[Any]:
    return list(_only(items, (list, tuple)))


def _dict(pairs: Any = ()) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    for pair in _only(pairs, (list, tuple)):
        if not isinstance(pair, (list, tuple)) or len(cast("list[Any]", pair)) != 2:
            raise MalformedError("a dictionary of something else than pairs")
        key, value = cast("list[Any]", pair)
        made[require_key(key)] = value
    return made


def _default_dict(factory: Any = None) -> dict[Any, Any]:
    if factory is not None and not isinstance(factory, Name):
        raise MalformedError("a dictionary with something to call")
    return {}


def _only(value: Any, kinds: type | tuple[type, ...]) -> Any:
    if not isinstance(value, kinds):
        raise MalformedError("a container made of something else")
    return value


def require_key(key: Any) -> Any:
    """The key: text, bytes or a whole number. Others can be made to collide, or be compared forever.

    Raises:
        MalformedError: it is something else.
    """
    if type(key) not in (str, int, bytes, bool):
        raise MalformedError(f"a dictionary whose keys are no ids ({type(key).__name__})")
    return key


_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")
_BUILTINS = ("builtins", "__builtin__")
CALLS: dict[str, Callable[..., Any]] = {
    **{f"{module}._reconstruct": _array for module in _MULTIARRAY},
    **{f"{module}.scalar": _scalar for module in _MULTIARRAY},
    **{f"{module}._frombuffer": _from_buffer for module in _NUMERIC},
    "numpy.dtype": _type,
    "_codecs.encode": _encode,
    "collections.OrderedDict": _dict,
    "collections.defaultdict": _default_dict,
    **{f"{module}.bytes": _bytes for module in _BUILTINS},
    **{f"{module}.bytearray": _bytes for module in _BUILTINS},
    **{f"{module}.set": _bag for module in _BUILTINS},
    **{f"{module}.frozenset": _bag for module in _BUILTINS},
    **{f"{module}.list": _list for module in _BUILTINS},
    **{f"{module}.dict": _dict for module in _BUILTINS},
}
"""What each name makes; nothing else can be called."""
ADMITTED = frozenset({*CALLS, "numpy.ndarray"})
"""Names that a pickle may hold."""
