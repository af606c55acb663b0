"""The one tool that changes anything: asks a running training as `trainctl send` does, and waits for its answer."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trainctl.engine.runs.commands import parse_command
from trainctl.engine.runs.reader import RunReader
from trainctl.tui.cli.commands.send import ask
from trainctl.tui.cli.mcp.bounds import Answer
from trainctl.tui.cli.mcp.grounds import Grounds

MOST_WAIT_S = 120.0


def send_command(
    grounds: Grounds,
    run: Annotated[str, Field(description="Name of a run, a part of it that no other has, or `latest`.")],
    command: Annotated[
        str,
        Field(
            description="pause, resume, stop, checkpoint, validate, set lr 3e-4, set lr x0.5, set weight.TERM 0.5, "
            "set clip 1.0, set clip off, set epochs 30"
        ),
    ],
    wait_s: Annotated[float, Field(ge=0, le=MOST_WAIT_S, description="How long to wait for the run's answer.")] = 30.0,
) -> Answer:
    """Ask a running training for something. It takes effect at the run's next step; the answer says at which.

    `stop` ends it with a checkpoint, so that it can be resumed. Without an answer in time it will still be obeyed.
    """
    reader = RunReader(grounds.run(run))
    sent = ask(reader, *parse_command(command.split()), wait_s, sender="mcp")
    return Answer({"run": reader.paths.root.name, "has_answered": sent.event is not None, **sent.as_json()})
