"""`trainctl send`: asks a running training for something, and waits until it has taken effect."""

from __future__ import annotations

import difflib
import time
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from trainctl.engine.errors import ExitCode, UserError
from trainctl.engine.runs.commands import Verb, parse_command, send_command
from trainctl.engine.runs.events import Event, EventKind
from trainctl.engine.runs.index import find_run
from trainctl.engine.runs.reader import RunReader
from trainctl.engine.runs.status import Liveness
from trainctl.tui.cli.options import DEFAULT_RUNS_DIR, Json, RunsDir
from trainctl.tui.cli.output import SCHEMA, print_json, say

POLL_S = 0.05
REFUSED = "refused"
"""How the effect of a command begins that does not fit the run."""


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Name or part of it, path, or `latest`.")],
    words: Annotated[
        list[str],
        typer.Argument(metavar="COMMAND", help="pause, resume, stop, checkpoint, validate, or set NAME VALUE."),
    ],
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it has taken effect.")] = True,
    timeout: Annotated[float, typer.Option("--timeout", min=0, metavar="SECONDS", help="How long to wait.")] = 30.0,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
    json: Json = False,
) -> None:
    """Ask a running training to pause, stop, save or change a value.

    `trainctl send latest set lr x0.5`, `set lr 3e-4`, `set weight.TERM 0.5`, `set clip 1.0`, `set clip off`,
    `set epochs 30`. Takes effect at the next step.
    """
    verb, args = parse_command(words)
    sent = ask(RunReader(find_run(runs_dir, run)), verb, args, timeout if wait else None)
    if wait and sent.event is None:
        say(f"sent, but the run has not answered within {timeout:g} s; it will at its next step", err=True)
        raise typer.Exit(ExitCode.RUN_FAILED)
    if json:
        print_json({"schema": SCHEMA, **sent.as_json()})
    elif sent.event is None:
        say(f"sent: {' '.join(words)}")
    else:
        say(f"{sent.verb}: {sent.effect} (step {sent.event.step})")


@dataclass(frozen=True)
class Sent:
    """A command that was sent, and what the run answered."""

    id: str
    verb: Verb
    args: dict[str, Any]
    event: Event | None
    """The acknowledgement; None: not waited for, or not in time."""

    @property
    def effect(self) -> str:
        """What it did, in words; empty where there is no answer."""
        return "" if self.event is None else str(self.event.data.get("effect", ""))

    def as_json(self) -> dict[str, Any]:
        """Plain data, with step and effect where there is an answer."""
        answer = {} if self.event is None else {"step": self.event.step, "effect": self.effect}
        return {"id": self.id, "verb": str(self.verb), "args": self.args, **answer}


def ask(reader: RunReader, verb: Verb, args: dict[str, Any], wait_s: float | None, sender: str = "cli") -> Sent:
    """Send a command to a run, and wait for its effect.

    Args:
        reader: of the run.
        verb, args: the command, as `parse_command` gives it.
        wait_s: how long to wait at most; None: not at all.
        sender: who asks.

    Raises:
        UserError: the run is over, has no such term, refuses, or ended before it answered.
    """
    reader.poll()
    refuse_ended(reader)
    refuse_unknown_term(reader, args)
    identity = send_command(reader.paths, verb, args, sender)
    sent = Sent(identity, verb, args, None if wait_s is None else wait_for_effect(reader, identity, wait_s))
    if sent.effect.startswith(REFUSED):
        raise UserError(f"{reader.paths.root.name} {sent.effect}")
    return sent


def refuse_ended(reader: RunReader) -> None:
    """Refuse to send to a run that will not read it.

    Raises:
        UserError: the run is over or has crashed.
    """
    alive, _ = reader.liveness()
    name, again = reader.paths.root.name, f"go on with: trainctl run --resume {reader.paths.root}"
    if alive is Liveness.OVER:
        over = f"{name} is over ({reader.state})"
        raise UserError(over, again if reader.state != "finished" else "start a new one")
    if alive is Liveness.CRASHED and reader.status is not None:
        raise UserError(f"{name} is presumed crashed: process {reader.status.pid} is gone", again)


def refuse_unknown_term(reader: RunReader, args: dict[str, Any]) -> None:
    """Refuse a weight for a loss term that the run does not have.

    Raises:
        UserError: names the nearest and all terms.
    """
    layout = reader.steps.layout
    term = args.get("term")
    if layout is None or term is None or term in layout.terms:
        return
    near = difflib.get_close_matches(term, layout.terms, n=1)
    guess = f"did you mean {near[0]}? " if near else ""
    raise UserError(f"no loss term {term!r} in this run", f"{guess}it has {', '.join(layout.terms)}")


def wait_for_effect(reader: RunReader, identity: str, timeout_s: float) -> Event | None:
    """The event that acknowledges command `identity`; None when it did not come in time.

    Raises:
        UserError: the run ended before it answered.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        alive, _ = reader.liveness()  # before reading: an answer given before the end is then found
        reader.poll()
        event = _answer(reader, identity)
        if event is not None:
            return event
        if alive in (Liveness.OVER, Liveness.CRASHED):
            raise UserError(f"{reader.paths.root.name} ended ({reader.state}) before it answered", "see trainctl tail")
        if time.monotonic() >= deadline:
            return None
        time.sleep(POLL_S)


def _answer(reader: RunReader, identity: str) -> Event | None:
    for event in reversed(reader.events):
        if event.kind is EventKind.COMMAND and event.data.get("id") == identity:
            return event
    return None
