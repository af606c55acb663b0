"""Reads a pickle without running it: a machine of its own for the instructions that plain data need.

A pickle is a program, and Python's unpickler calls what it names. This one calls nothing: containers, numbers, text and
bytes are made here, the few names that arrays need are those of `stored`, every other is refused as it is met. Nothing
recurses, nothing is copied more often than the file is long, and nothing is compared. Knows no data set.
"""

from __future__ import annotations

import codecs
import re
import struct
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from trainctl.engine.data.emotion.stored import (
    ADMITTED,
    Bag,
    MalformedError,
    Name,
    StoredArray,
    StoredType,
    require_key,
)

MOST_STEPS = 3_000_000
"""Instructions of a pickle; ten thousand utterances of three arrays each take less than a million."""
MOST_PROTOCOL = 5
MOST_DIGITS = 24
LINE_BYTES = 1 << 26
NAME_CHARACTERS = 60
FLOATS = re.compile(rb"(?:G.{8}){4,2000}", re.DOTALL)
"""Numbers that follow each other, as a list of them has: taken at once."""
FLOAT = np.dtype([("code", "u1"), ("value", ">f8")])
REFUSED = {
    b"o": "a call that makes an object (OBJ)",
    b"\x81": "a call that makes an object (NEWOBJ)",
    b"\x92": "a call that makes an object (NEWOBJ_EX)",
    b"\x82": "a registered extension (EXT1)",
    b"\x83": "a registered extension (EXT2)",
    b"\x84": "a registered extension (EXT4)",
    b"P": "an object kept elsewhere (PERSID)",
    b"Q": "an object kept elsewhere (BINPERSID)",
    b"\x97": "a buffer kept elsewhere (NEXT_BUFFER)",
    b"\x98": "a buffer kept elsewhere (READONLY_BUFFER)",
}
"""Instructions that plain data never need."""


class RefusedError(ValueError):
    """It names or does something that is not admitted; the text says what."""


class Machine:
    """One pickle. `load` gives what it holds: plain containers, and `StoredArray` where it has arrays.

    Args:
        content: the whole file.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._copied = 0
        self._table = [self._unknown] * 256
        for code, step in self._steps().items():
            self._table[code[0]] = step
        for code in REFUSED:
            self._table[code[0]] = self._refused

    def load(self) -> Any:
        """Follow the instructions to the last.

        Raises:
            MalformedError: they make no sense, or never end.
            RefusedError: one of them is not admitted.
        """
        content, table = self._content, self._table
        stop = ord(".")
        try:
            for _ in range(MOST_STEPS):
                code = content[self._at]
                self._at += 1
                if code == stop:
                    return self._end()
                table[code]()
        except (IndexError, struct.error):
            raise MalformedError("it ends too early") from None
        raise MalformedError(f"it has more than {MOST_STEPS:,} instructions: save arrays, not lists of numbers")

    def _end(self) -> Any:
        found = self._pop()
        rest = len(self._content) - self._at
        if rest:
            raise MalformedError(f"{rest:,} bytes follow its end")
        return found

    def _steps(self) -> dict[bytes, Callable[[], None]]:
        """What each instruction does."""
        push, number, text = self._stack.append, self._number, self._text
        return {
            b"\x80": self._protocol,
            b"\x95": lambda: self._skip(8),
            b"(": lambda: self._marks.append(len(self._stack)),
            b"0": self._pop_or_mark,
            b"1": lambda: self._drop(self._from_mark()),
            b"2": lambda: push(self._top()),
            b"N": lambda: push(None),
            b"\x88": lambda: push(True),
            b"\x89": lambda: push(False),
            b"G": self._floats,
            b"F": lambda: push(self._decimal(float)),
            b"I": self._int_line,
            b"L": lambda: push(self._decimal(lambda line: int(line.removesuffix(b"L")))),
            b"J": lambda: push(number("<i", 4)),
            b"K": lambda: push(number("<B", 1)),
            b"M": lambda: push(number("<H", 2)),
            b"\x8a": lambda: push(self._long(number("<B", 1))),
            b"\x8b": lambda: push(self._long(number("<i", 4))),
            b"S": self._quoted,
            b"V": lambda: push(self._escaped(self._line(LINE_BYTES))),
            b"T": lambda: push(self._take(number("<i", 4)).decode("latin-1")),
            b"U": lambda: push(self._take(number("<B", 1)).decode("latin-1")),
            b"X": lambda: text("<I", 4),
            b"\x8c": lambda: text("<B", 1),
            b"\x8d": lambda: text("<Q", 8),
            b"B": lambda: push(self._take(number("<I", 4))),
            b"C": lambda: push(self._take(number("<B", 1))),
            b"\x8e": lambda: push(self._take(number("<Q", 8))),
            b"\x96": lambda: push(self._take(number("<Q", 8))),
            **self._container_steps(),
            **self._name_steps(),
        }

    def _container_steps(self) -> dict[bytes, Callable[[], None]]:
        push, items = self._stack.append, self._from_mark
        return {
            b"]": lambda: push([]),
            b"}": lambda: push({}),
            b")": lambda: push(()),
            b"\x8f": lambda: push(Bag()),
            b"a": lambda: self._extend([self._pop()]),
            b"e": lambda: self._extend(items()),
            b"\x90": lambda: self._extend(items()),
            b"s": lambda: self._set_items([self._pop(), self._pop()][::-1]),
            b"u": lambda: self._set_items(items()),
            b"l": lambda: push(items()),
            b"d": self._dict,
            b"\x91": lambda: push(Bag(items())),
            b"t": lambda: push(tuple(items())),
            b"\x85": lambda: self._tuple(1),
            b"\x86": lambda: self._tuple(2),
            b"\x87": lambda: self._tuple(3),
        }

    def _name_steps(self) -> dict[bytes, Callable[[], None]]:
        push, number, place = self._stack.append, self._number, self._decimal
        return {
            b"g": lambda: push(self._kept(place(int))),
            b"h": lambda: push(self._kept(number("<B", 1))),
            b"j": lambda: push(self._kept(number("<I", 4))),
            b"p": lambda: self._keep(place(int)),
            b"q": lambda: self._keep(number("<B", 1)),
            b"r": lambda: self._keep(number("<I", 4)),
            b"\x94": lambda: self._keep(len(self._memo)),
            b"c": lambda: push(self._name_of_lines()),
            b"i": self._name_of_lines_called,
            b"\x93": self._name_of_stack,
            b"R": self._call,
            b"b": self._build,
        }

    # The file

    def _take(self, count: int) -> bytes:
        end = self._at + count
        if count < 0 or end > len(self._content):
            raise MalformedError("it ends too early")
        self._at, start = end, self._at
        return self._content[start:end]

    def _skip(self, count: int) -> None:
        self._take(count)

    def _number(self, form: str, count: int) -> int:
        (value,) = struct.unpack_from(form, self._content, self._at)
        self._at += count
        return value

    def _line(self, most: int) -> bytes:
        end = self._content.find(b"\n", self._at, self._at + most + 1)
        if end < 0:
            raise MalformedError("a line that does not end")
        line = self._content[self._at : end]
        self._at = end + 1
        return line

    # Values

    def _protocol(self) -> None:
        number = self._number("<B", 1)
        if number > MOST_PROTOCOL:
            raise MalformedError(f"protocol {number} is not known")

    def _floats(self) -> None:
        run = FLOATS.match(self._content, self._at - 1)
        if run is None:
            self._stack.append(struct.unpack(">d", self._take(8))[0])
            return
        self._stack += np.frombuffer(run[0], FLOAT)["value"].tolist()
        self._at = run.end()

    def _decimal(self, convert: Callable[[bytes], Any]) -> Any:
        line = self._line(2 * MOST_DIGITS)
        try:
            return convert(line)
        except ValueError:
            raise MalformedError("a number that is none") from None

    def _int_line(self) -> None:
        value = self._decimal(lambda line: {b"00": False, b"01": True}[line] if line in (b"00", b"01") else int(line))
        self._stack.append(value)

    def _long(self, count: int) -> int:
        if not 0 <= count <= 16:
            raise MalformedError("a number that is too long")
        return int.from_bytes(self._take(count), "little", signed=True)

    def _quoted(self) -> None:
        line = self._line(LINE_BYTES)
        if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
            raise MalformedError("text without quotes")
        try:
            self._stack.append(codecs.escape_decode(line[1:-1])[0].decode("latin-1"))  # type: ignore[attr-defined]
        except ValueError:
            raise MalformedError("text with an escape that is none") from None

    def _escaped(self, line: bytes) -> str:
        try:
            return line.decode("raw-unicode-escape")
        except UnicodeDecodeError:
            raise MalformedError("text with an escape that is none") from None

    def _text(self, form: str, count: int) -> None:
        try:
            self._stack.append(self._take(self._number(form, count)).decode("utf-8", "surrogatepass"))
        except UnicodeDecodeError:
            raise MalformedError("text that is not UTF-8") from None

    # The stack

    def _floor(self) -> int:
        return self._marks[-1] if self._marks else 0

    def _top(self) -> Any:
        if len(self._stack) <= self._floor():
            raise MalformedError("a value is missing")
        return self._stack[-1]

    def _pop(self) -> Any:
        if len(self._stack) <= self._floor():
            raise MalformedError("a value is missing")
        return self._stack.pop()

    def _pop_or_mark(self) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._pop()

    def _drop(self, _: list[Any]) -> None:
        """What was taken from the stack is not needed."""

    def _from_mark(self) -> list[Any]:
        if not self._marks:
            raise MalformedError("a mark is missing")
        start = self._marks.pop()
        found = self._stack[start:]
        del self._stack[start:]
        return found

    def _tuple(self, count: int) -> None:
        self._stack.append(tuple([self._pop() for _ in range(count)][::-1]))

    def _extend(self, found: list[Any]) -> None:
        target = self._top()
        if not isinstance(target, list):
            raise MalformedError("something else than a list is extended")
        cast("list[Any]", target).extend(found)

    def _set_items(self, found: list[Any]) -> None:
        target = self._top()
        if not isinstance(target, dict) or len(found) % 2:
            raise MalformedError("something else than a dictionary is filled")
        for key, value in zip(found[::2], found[1::2], strict=True):
            target[require_key(key)] = value

    def _dict(self) -> None:
        found = self._from_mark()
        self._stack.append({})
        self._set_items(found)

    def _kept(self, place: int) -> Any:
        if place not in self._memo:
            raise MalformedError("it refers to what is not there")
        return self._memo[place]

    def _keep(self, place: int) -> None:
        self._memo[place] = self._top()

    # Names and calls

    def _name_of_lines(self) -> Name:
        module, name = (self._line(1 << 16).decode("utf-8", "replace") for _ in range(2))
        return _admitted(module, name)

    def _name_of_lines_called(self) -> None:
        self._name_of_lines()
        raise RefusedError("a call that makes an object (INST)")

    def _name_of_stack(self) -> None:
        name, module = self._pop(), self._pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise MalformedError("a name that is no text")
        self._stack.append(_admitted(module, name))

    def _call(self) -> None:
        args, name = self._pop(), self._pop()
        if not isinstance(name, Name) or not isinstance(args, tuple):
            raise MalformedError("a call of something that is no name")
        known = cast("tuple[Any, ...]", args)
        self._charge(sum(len(value) for value in known if isinstance(value, (str, bytes, list, tuple))))
        self._stack.append(name.call(known))

    def _build(self) -> None:
        state, target = self._pop(), self._top()
        if not isinstance(target, (StoredArray, StoredType)):
            raise MalformedError("a state of something that has none")
        if isinstance(state, tuple):
            self._charge(sum(len(value) for value in cast("tuple[Any, ...]", state) if isinstance(value, str)))
        target.build(state)

    def _charge(self, amount: int) -> None:
        """Note what a call may copy: in a pickle of data all that is copied stands in the file, once or twice."""
        self._copied += amount
        if self._copied > 4 * len(self._content) + (1 << 16):
            raise MalformedError("it copies the same values again and again")

    def _refused(self) -> None:
        raise RefusedError(REFUSED[self._content[self._at - 1 : self._at]])

    def _unknown(self) -> None:
        raise MalformedError(f"0x{self._content[self._at - 1]:02x} at byte {self._at - 1:,} is no instruction")


def _admitted(module: str, name: str) -> Name:
    full = f"{module}.{name}"
    if full not in ADMITTED:
        shown = ascii(full)[1:-1]
        raise RefusedError(shown if len(shown) <= NAME_CHARACTERS else f"{shown[:NAME_CHARACTERS]}…")
    return Name(full)


def unpickled(content: bytes) -> Any:
    """What a pickle holds, read without running it.

    Raises:
        MalformedError: it makes no sense.
        RefusedError: it names, or does, something that plain data do not need.
    """
    return Machine(content).load()
