"""`trainctl run` in one of several processes that does not lead: it trains along and says nothing.

Knows how an order becomes an exit code without a screen; what goes wrong here the process that leads says.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from trainctl.engine.errors import ExitCode, UserError
from trainctl.engine.launched import launched
from trainctl.tui.cli.crash import print_traceback
from trainctl.tui.cli.live.streams import ending_at_once
from trainctl.tui.plain import printable

if TYPE_CHECKING:
    from trainctl.engine.training.session import Order

TELL_S = 10.0
"""How long a process that cannot start waits for the one that says so."""


def keep_quiet() -> None:
    """Before torch is imported: what its libraries note when a process is gone is said better by the run."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


def train_along(make_order: Callable[[], Order], environ: Mapping[str, str]) -> int:
    """Train what `make_order` gives, printing nothing but tracebacks of the task's code; the exit code.

    Where the process that leads is gone the next one says so.

    Raises:
        UserError: what is wrong could not be told to the process that leads.
    """
    keep_quiet()
    with ending_at_once():
        err = sys.stderr
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            try:
                order = make_order()
            except UserError as refusal:
                return _told(refusal, environ)
            found = launched(environ)
            return _trained(order, err, is_next=found is not None and found.rank == 1)


def _trained(order: Order, err: TextIO, *, is_next: bool) -> int:
    """The exit code; `is_next`: this process says what the one that leads cannot say, because it is gone."""
    from dataclasses import replace

    from trainctl.engine.training.ranks.team import MissingRankError
    from trainctl.engine.training.session import train

    def say(words: str) -> None:
        if is_next:
            err.write(f"trainctl: error: {printable(words)}\n")

    def crash(error: BaseException) -> None:
        with redirect_stderr(err):
            print_traceback(error)

    try:
        ending = train(replace(order, on_crash=crash))
        if ending.reason.startswith("rank 0 is gone"):
            say(ending.reason)
        return int(ending.code)
    except UserError as refusal:  # the process that leads has said it, if it could
        if isinstance(refusal, MissingRankError) and refusal.is_lead:
            say(str(refusal))
        return refusal.code
    except Exception as error:
        crash(error)
        return ExitCode.RUN_FAILED


def _told(refusal: UserError, environ: Mapping[str, str]) -> int:
    """Let the process that leads say what is wrong here."""
    from trainctl.engine.training.ranks.agreeing import all_or_none
    from trainctl.engine.training.ranks.meeting import meet, part

    found = launched(environ)
    assert found is not None

    def refuse() -> None:
        raise refusal

    try:
        team = meet(found, TELL_S, "cpu")
    except UserError:
        raise UserError(f"rank {found.rank}: {refusal.message}", refusal.hint) from refusal
    try:
        all_or_none(team, refuse)
    except UserError:
        pass
    finally:
        part(team, is_well=True)
    return ExitCode.USAGE
