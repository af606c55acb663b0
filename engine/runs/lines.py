"""Files of JSON lines that several processes append to and others follow. Knows no kind of line."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

from trainctl.engine.files import parse_json
from trainctl.engine.runs.atomic import disk_errors, open_own, to_json

MAX_LINE = 4 << 20
"""Bytes of a line; a longer one is none of ours and is passed over."""
CHUNK = 1 << 20


def append_line(path: Path, value: dict[str, Any], mode: int = 0o666) -> None:
    """Append `value` as one line, see `append_lines`."""
    append_lines(path, [to_json(value)], mode)


def append_lines(path: Path, lines: Sequence[str], mode: int = 0o666) -> None:
    """Append lines with one write, so that those of several processes never mix.

    A torn line that a killed process or a full disk left behind is ended first, so that it takes no other line with it.

    Args:
        path: the file.
        lines: without their ends.
        mode: of a file that is not there yet, less what the umask takes away.

    Raises:
        DiskError: the disk is full, read-only, not ours, or fails.
    """
    text = "".join(f"{line}\n" for line in lines).encode()
    with disk_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, mode)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            _write_or_take_back(descriptor, b"\n" + text if torn else text, size)
        finally:
            os.close(descriptor)


def _write_or_take_back(descriptor: int, text: bytes, size: int) -> None:
    """Write all of `text` behind `size` bytes; where a part is refused, take the rest back, as far as that can be."""
    written = 0
    try:
        while written < len(text):
            written += os.write(descriptor, text[written:])
    except OSError:
        with contextlib.suppress(OSError):
            if os.fstat(descriptor).st_size == size + written:  # else somebody else has written behind it
                os.ftruncate(descriptor, size)
        raise


class LineReader:
    """Follows a file of JSON lines.

    Attributes:
        skipped: lines that were not a JSON object, or too long for one.
        generation: how often the file shrank, or was another one or one anew; reading then starts over.
        has_more: whether the last reading stopped at its limit.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.skipped = 0
        self.generation = 0
        self.has_more = False
        self._offset = self._size = 0
        """Where the reading stopped, and how long the file was then."""
        self._identity = (0, 0)
        """Device and number of the file that was read last; zeros where there was none at the last look."""

    def read_new(self, max_bytes: int | None = None) -> list[dict[str, Any]]:
        """The objects of the lines completed since the last call; a torn last line waits for its end.

        Args:
            max_bytes: about how much to read at most; a longer line is read whole, up to `MAX_LINE`.

        Raises:
            DamagedFileError: what is there is no file.
        """
        lines = self._complete_lines(max_bytes)
        parsed = [_parse(line) for line in lines if line.strip()]
        self.skipped += parsed.count(None)
        return [value for value in parsed if value is not None]

    def read_thinned(self, dense_bytes: int, dense_lines: int) -> list[dict[str, Any]]:
        """As `read_new`, all of it; where that is more than `dense_bytes`, every so manieth line, and all of the last.

        Args:
            dense_bytes: about how much is taken apart.
            dense_lines: lines before the end that are not thinned.

        Raises:
            DamagedFileError: what is there is no file.
        """
        kept: list[tuple[int, bytes]] = []
        last: deque[tuple[int, bytes]] = deque(maxlen=dense_lines)
        num_lines, every, before = 0, 0, -1
        while before < self._offset:
            before = self._offset
            lines = list(enumerate(self._complete_lines(min(CHUNK, dense_bytes)), num_lines))
            every = every or max(-(-(self._size - before) // dense_bytes), 1)
            kept += lines[-num_lines % every :: every]
            last.extend(lines)
            num_lines += len(lines)
        first_dense = num_lines - len(last)
        thinned = [line for at, line in kept if at < first_dense]
        wanted = [line for line in (*thinned, *(line for _, line in last)) if line.strip()]
        parsed = [_parse(line) for line in wanted]
        self.skipped += parsed.count(None)
        return [value for value in parsed if value is not None]

    def skip_existing(self) -> None:
        """Pass over every line that is complete now."""
        self._complete_lines()

    def _complete_lines(self, max_bytes: int | None = None) -> list[bytes]:
        try:
            with open_own(self.path) as file:
                found = os.fstat(file.fileno())
                size, identity = found.st_size, (found.st_dev, found.st_ino)
                if self._offset and (size < self._offset or identity != self._identity):
                    self.generation += 1
                    self._offset = 0
                self._identity, self._size = identity, size
                file.seek(self._offset)
                data = file.read(size - self._offset if max_bytes is None else min(size - self._offset, max_bytes))
                if b"\n" not in data:
                    data += file.readline(min(size - self._offset, MAX_LINE) - len(data))
                if b"\n" not in data and len(data) >= MAX_LINE:
                    data = self._pass_over(file, size)
        except FileNotFoundError:
            self._identity = (0, 0)
            return []
        end = data.rfind(b"\n") + 1
        self.has_more = self._offset + len(data) < size
        self._offset += end
        return data[:end].splitlines()

    def _pass_over(self, file: BinaryIO, size: int) -> bytes:
        """Go on behind a line that is too long; what was read of the next ones is nothing yet."""
        self.skipped += 1
        while self._offset < size:
            file.seek(self._offset)
            chunk = file.read(min(CHUNK, size - self._offset))
            end = chunk.find(b"\n") + 1
            self._offset += end or len(chunk)
            if end:
                break
        return b""


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        value: Any = parse_json(line)
    except ValueError:
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None
