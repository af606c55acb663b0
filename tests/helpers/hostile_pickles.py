"""Pickles of dialogues as somebody hostile, or a broken disk, would leave them, made from a seed."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import random
import subprocess
from typing import Any, cast

import numpy as np
from emotion_files import field_parts

CANARY = "trainctl-canary"
COMMAND = f"touch {CANARY}"
BANNED = [
    ("os", "system", COMMAND),
    ("posix", "system", COMMAND),
    ("builtins", "eval", f"open('{CANARY}', 'w')"),
    ("builtins", "exec", f"open('{CANARY}', 'w')"),
    ("__builtin__", "eval", f"open('{CANARY}', 'w')"),
    ("__builtin__", "file", CANARY, "w"),
    ("builtins", "open", CANARY, "w"),
    ("builtins", "getattr", "os", "system"),
    ("builtins", "__import__", "os"),
    ("subprocess", "Popen", ["touch", CANARY]),
    ("subprocess", "check_output", ["touch", CANARY]),
    ("numpy", "load", CANARY),
    ("numpy", "fromfile", CANARY),
    ("numpy", "memmap", CANARY),
    ("numpy.lib.npyio", "save", CANARY),
    ("numpy.testing", "rundocs", CANARY),
    ("numpy.f2py.crackfortran", "myeval", COMMAND),
    ("functools", "partial", "x"),
    ("operator", "attrgetter", "system"),
    ("operator", "methodcaller", "system", COMMAND),
    ("copyreg", "_reconstructor", "x"),
    ("copyreg", "add_extension", "os", "system", 1),
    ("codecs", "open", CANARY, "w"),
    ("_codecs", "decode", b"x", "unicode_escape"),
    ("_codecs", "lookup", "x"),
    ("pickle", "loads", b"cos\nsystem\n."),
    ("_pickle", "loads", b"cos\nsystem\n."),
    ("marshal", "loads", b"x"),
    ("types", "CodeType"),
    ("importlib", "import_module", "os"),
    ("runpy", "_run_code", COMMAND),
    ("timeit", "timeit", COMMAND),
    ("pydoc", "pipepager", "x", COMMAND),
    ("webbrowser", "open", "x"),
    ("torch", "load", CANARY),
    ("torch.storage", "_load_from_bytes", b"x"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("numpy", "vectorize"),
    ("numpy.core.multiarray", "fromfile", CANARY),
    ("numpy.core.multiarray", "_reconstruct.__globals__", "x"),
    ("collections", "namedtuple", "x", "y"),
    ("collections.OrderedDict", "fromkeys", [1]),
    ("builtins", "bytes.fromhex", "00"),
    ("os\x1b[2J", "system", COMMAND),
    ("n" * 9000, "x"),
]


class Calls:
    """An object whose pickle calls something."""

    def __init__(self, function: Any, *args: Any) -> None:
        self._made = (function, args)

    def __reduce__(self) -> Any:
        return self._made


def named(module: str, name: str, *args: Any, protocol: int = 2) -> bytes:
    """A pickle that calls what may not be there."""
    body = pickle.dumps(args, protocol)
    body = body[2:-1] if protocol >= 2 else body[:-1]
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + body + b"R."


def hostile(chance: random.Random) -> bytes:
    """A pickle of the field, changed; or one that attacks; or both."""
    parts = field_parts()
    name = chance.choice(list(parts))
    _change(parts, name, _attack(chance), chance)
    stream = io.BytesIO()
    pickle.Pickler(stream, chance.randrange(6)).dump(chance.choice([tuple, list])(parts.values()))
    return _spoilt(stream.getvalue(), chance)


def _attack(chance: random.Random) -> Calls:
    calls = [
        (os.system, COMMAND),  # pyright: ignore[reportDeprecated]
        (builtins.eval, f"open('{CANARY}','w')"),
        (subprocess.Popen, ["touch", CANARY]),
        (np.load, CANARY),
        (builtins.exec, "1"),
    ]
    return Calls(*chance.choice(calls))


def _change(parts: dict[str, Any], name: str, attack: Calls, chance: random.Random) -> None:
    """Put what does not belong there into a part of the pickle."""
    of_a_dialogue = [attack, None, [], 3, [[[]]], np.array([{}], object), [np.zeros((2, 2, 2))], ["\ud800"], {1: 2}]
    of_a_list = [attack, [attack], {"d0"}, "d0", b"d0", [None], [[]], np.array(["d0"]), np.zeros(3), ["d0"] * 5]
    of_anything = [np.array([1, {}], object), np.zeros(2, [("a", "f4")]), 10**400, 1j, object, ..., {(1, 2): 3}]
    match chance.randrange(9):
        case 0:
            parts[name] = attack
        case 1 if isinstance(parts[name], dict):
            parts[name]["d0"] = chance.choice([*of_a_dialogue, float("nan")])
        case 2:
            parts["train"] = chance.choice(of_a_list)
        case 3:
            parts[name] = chance.choice(of_anything)
        case _:
            pass


def _spoilt(content: bytes, chance: random.Random) -> bytes:
    """Bytes flipped, cut off, put in or put in twice; or nothing of the kind."""
    match chance.randrange(6):
        case 0:
            data = bytearray(content)
            for _ in range(1 + chance.randrange(12)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            content = bytes(data)
        case 1:
            content = content[: chance.randrange(len(content))]
        case 2:
            for _ in range(1 + chance.randrange(4)):
                content = inserted(content, chance)
        case 3:
            content = content[:2] + named(*cast("tuple[str, str]", chance.choice(BANNED)))[2:-1] + b"0" + content[2:]
        case 4:
            at, other = chance.randrange(len(content)), chance.randrange(len(content))
            content = content[:at] + content[other : other + 200] + content[at:]
        case _:
            pass
    return content


def inserted(content: bytes, chance: random.Random) -> bytes:
    """Any instructions, put in where something may begin."""
    at = chance.randrange(2, len(content))
    pieces = (
        b"(",
        b"]",
        b"}",
        b")",
        b"R",
        b"b",
        b"\x81",
        b"o",
        b"t",
        b"0",
        b"2",
        b"e",
        b"u",
        b"\x93",
        b"\x94",
        b"N",
        b"q\0",
        b"h\0",
        b"cos\nsystem\n",
        b"(X\x10\0\0\0touch trainctl-cX",
        b"\x97",
        b"\x82\x01",
        b"Px\n",
        b"J\xff\xff\xff\x7f",
        b"\x8a\xff",
        b"\x8e" + b"\xff" * 8,
    )
    return content[:at] + b"".join(chance.choice(pieces) for _ in range(chance.randrange(1, 6))) + content[at:]
