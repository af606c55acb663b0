"""What a fault of ours, or of the user's task, looks like on standard error. Imports nothing that takes time."""

from __future__ import annotations

import sys
import traceback

from trainctl.tui.plain import printable


def print_traceback(err: BaseException) -> None:
    """The exception with its traceback, line by line printable: its message may quote anybody's data."""
    lines = "".join(traceback.format_exception(err)).split("\n")
    sys.stderr.write("\n".join(_indented(line) for line in lines))


def _indented(line: str) -> str:
    text = line.lstrip(" ")
    return " " * (len(line) - len(text)) + printable(text)
