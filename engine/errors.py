"""What goes wrong because of what the user gave us, and the exit code of every ending.

Every other exception is our own fault and may show a traceback.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How the process ended, for scripts and schedulers."""

    OK = 0
    RUN_FAILED = 1
    USAGE = 2
    FINDINGS = 3
    """`diagnose` found errors."""
    STOPPED = 75
    """Stopped early on request and resumable (EX_TEMPFAIL of sysexits.h)."""
    INTERRUPTED = 130
    """SIGINT (128 + 2)."""
    TERMINATED = 143
    """SIGTERM (128 + 15)."""


class UserError(Exception):
    """A mistake in the input: one line that says what, where and what to do.

    Args:
        message: what is wrong, and where (file, line, key).
        hint: what to do about it; printed on the same line.
        code: with which it ends the process.
    """

    def __init__(self, message: str, hint: str = "", *, code: ExitCode = ExitCode.USAGE) -> None:
        super().__init__(message)
        self.code = code
        # What is quoted can be anything: a name of a file, a cell of a table.
        self.message = " ".join(message.splitlines())
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


def first_line(err: BaseException) -> str:
    """What an exception of somebody else's says, in its first line; its kind where it says nothing."""
    return next(iter(_said(err).strip().splitlines()), "") or type(err).__name__


def kind_and_words(err: BaseException) -> str:
    """An exception of somebody else's as Python writes it, in one line; its own `__str__` may fail."""
    return f"{type(err).__name__}: {' '.join(_said(err).split())}".removesuffix(": ")


def _said(err: BaseException) -> str:
    try:
        return str(err).encode("utf-8", "replace").decode()  # halves of surrogate pairs fit into no file
    except Exception:
        return ""
