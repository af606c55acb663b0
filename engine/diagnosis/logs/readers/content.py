"""The text of a log from its bytes: compression, encoding, lines. Knows no format of a table."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from trainctl.engine.errors import UserError

UNDERSTOOD = "understood: CSV with a header, JSON lines, trainer_state.json, TensorBoard events, printed text"
MOST_BYTES = 512 << 20
BEGINNING = 4096
"""Bytes by which a file is recognised."""
BLOCK = 1 << 21
"""Characters of the lines that are held at once."""
_GZIP = b"\x1f\x8b"
_MARKS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))


def text_of(data: bytes, source: str) -> str:
    """The text that some bytes are, unpacked where they are gzip.

    Raises:
        UserError: damaged or too large compressed data, or a binary file.
    """
    if data.startswith(_GZIP):
        data = _unpacked(data, source)
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    if b"\0" in data[:BEGINNING]:
        raise UserError(f"{source} is a binary file", UNDERSTOOD)
    return data.decode("utf-8", errors="replace")


def line_blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    """The lines of a text in blocks, each with the number of its first line, from 1."""
    start, number = 0, 1
    while start < len(text):
        end = len(text) if len(text) - start <= BLOCK else text.find("\n", start + BLOCK) + 1 or len(text)
        lines = text[start:end].removesuffix("\n").split("\n")
        yield number, lines
        start, number = end, number + len(lines)


def first_lines(text: str, most: int) -> list[str]:
    """The first lines that are not empty, of a beginning of bounded length."""
    _, lines = next(line_blocks(text), (1, []))
    return [line for line in lines[: 10 * most] if line.strip()][:most]


def _unpacked(data: bytes, source: str) -> bytes:
    """The content of gzip data; of a file that is still written to, as much as there is."""
    parts: list[bytes] = []
    room = MOST_BYTES
    while data.startswith(_GZIP):
        unpacker = zlib.decompressobj(wbits=31)
        try:
            parts.append(unpacker.decompress(data, room))
        except zlib.error as err:
            raise UserError(f"{source} cannot be unpacked: {err}", "is the gzip file whole?") from err
        room -= len(parts[-1])
        if unpacker.unconsumed_tail or room <= 0:
            raise UserError(f"{source} is larger than {MOST_BYTES >> 20} MiB unpacked", "give a part of it")
        data = unpacker.unused_data
    return b"".join(parts)
