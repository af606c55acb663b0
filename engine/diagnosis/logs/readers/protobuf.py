"""Takes messages of protocol buffers apart into numbered fields, without their schema. Knows no message.

Protocol Buffers, "Encoding": a message is a row of fields, each a number and a wire type, then its value.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types. What else there is (groups) has been out of use for long."""
Field = tuple[int, int | bytes]
"""Number of a field and its value: a whole number of a varint, else the bytes as they stand."""


def fields(data: bytes) -> Iterator[Field]:
    """The fields of a message in their order.

    Raises:
        ValueError: it is none.
    """
    at, size = 0, len(data)
    while at < size:
        key, at = varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == BYTES:
            length, at = varint(data, at)
            end = at + length
            if end > size:
                raise ValueError("a field reaches beyond its message")
            yield number, data[at:end]
            at = end
        elif wire == VARINT:
            value, at = varint(data, at)
            yield number, value
        elif wire in (FIXED32, FIXED64):
            end = at + (4 if wire == FIXED32 else 8)
            if end > size:
                raise ValueError("a field reaches beyond its message")
            yield number, data[at:end]
            at = end
        else:
            raise ValueError(f"a field of wire type {wire}")


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A whole number of seven bits a byte, the lowest first, and where the next thing begins.

    Raises:
        ValueError: it does not end.
    """
    if at >= len(data):
        raise ValueError("a number does not end")
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    value, shift = byte & 0x7F, 7
    for place in range(at + 1, min(at + 10, len(data))):
        byte = data[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, place + 1
        shift += 7
    raise ValueError("a number does not end")


def signed(value: int | bytes) -> int:
    """The number that a varint stands for where it may be negative; 0 for what is none."""
    if not isinstance(value, int):
        return 0
    return value - (1 << 64) if value >= 1 << 63 else value


def double(value: int | bytes) -> float:
    """A double; NaN for what is none."""
    return float(struct.unpack("<d", value)[0]) if isinstance(value, bytes) and len(value) == 8 else float("nan")


def single(value: int | bytes) -> float:
    """A float; NaN for what is none."""
    return float(struct.unpack("<f", value)[0]) if isinstance(value, bytes) and len(value) == 4 else float("nan")


def text(value: int | bytes) -> str:
    """A text; empty for what is none."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""
