"""Files of JSON lines that several processes append to and others follow. Knows no kind of line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, cast

from trainctl.engine.runs.atomic import disk_errors, to_json, write_all


def append_line(path: Path, value: dict[str, Any]) -> None:
    """Append `value` as one line with one write, so that lines of several processes never mix.

    A torn line that a killed process left behind is ended first, so that it takes no other line with it.

    Raises:
        UserError: the disk is full, read-only or not ours.
    """
    line = to_json(value).encode() + b"\n"
    with disk_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            write_all(descriptor, b"\n" + line if torn else line)
        finally:
            os.close(descriptor)


class LineReader:
    """Follows a file of JSON lines.

    Attributes:
        skipped: lines that were not a JSON object.
        generation: how often the file shrank; reading then starts over.
        has_more: whether the last reading stopped at its limit.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.skipped = 0
        self.generation = 0
        self.has_more = False
        self._offset = 0

    def read_new(self, max_bytes: int | None = None) -> list[dict[str, Any]]:
        """The objects of the lines completed since the last call; a torn last line waits for its end.

        Args:
            max_bytes: about how much to read at most; a longer line is read whole.
        """
        lines = self._complete_lines(max_bytes)
        parsed = [_parse(line) for line in lines if line.strip()]
        self.skipped += parsed.count(None)
        return [value for value in parsed if value is not None]

    def skip_existing(self) -> None:
        """Pass over every line that is complete now."""
        self._complete_lines()

    def _complete_lines(self, max_bytes: int | None = None) -> list[bytes]:
        try:
            with self.path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size < self._offset:
                    self.generation += 1
                    self._offset = 0
                file.seek(self._offset)
                data = file.read(size - self._offset if max_bytes is None else min(size - self._offset, max_bytes))
                if b"\n" not in data:
                    data += file.readline(size - self._offset - len(data))
        except FileNotFoundError:
            return []
        end = data.rfind(b"\n") + 1
        self.has_more = self._offset + len(data) < size
        self._offset += end
        return data[:end].splitlines()


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        value: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None
