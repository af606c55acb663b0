"""The desk: what connects the loop to the outside. Holds the parts together; does nothing itself."""

from __future__ import annotations

from dataclasses import dataclass

from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.training.desk.control import Inbox, Signals
from trainctl.engine.training.desk.meeting import Meeting, SharedInbox, SharedSignals
from trainctl.engine.training.desk.meter import HardwareMeter
from trainctl.engine.training.desk.phases import Phases
from trainctl.engine.training.desk.pulse import Pulse
from trainctl.engine.training.desk.run_writer import RunWriter, SilentWriter
from trainctl.engine.training.desk.scribe import Scribe
from trainctl.engine.training.ranks.team import ALONE_TEAM, Team


@dataclass(frozen=True)
class Desk:
    """Files, background threads, commands, signals."""

    writer: RunWriter
    """With the thread that waits for the disk."""
    scribe: Scribe
    """The thread that reads what comes from the device; waits for no disk."""
    pulse: Pulse
    inbox: Inbox
    signals: Signals
    phases: Phases
    """Where the time goes."""
    meter: HardwareMeter
    is_resumed: bool = False
    """Whether records of an earlier sitting are in the run directory."""
    team: Team = ALONE_TEAM
    """The ranks that train the run together."""
    meeting: Meeting | None = None
    """Where they agree between two steps; none: there is nobody to agree with."""


def desk_of(
    writer: RunWriter,
    preset: str,
    device: str,
    signals: Signals,
    *,
    is_resumed: bool = False,
    team: Team = ALONE_TEAM,
) -> Desk:
    """The desk of a run that is written by `writer`.

    Args:
        writer: of the run directory.
        preset: name, for the status.
        device: in words, for the status.
        signals: those of the process.
        is_resumed: see `Desk`; commands of an earlier sitting are then not obeyed again.
        team: who trains along.
    """
    pulse = Pulse(writer, preset, device)

    def complain(text: str) -> None:
        writer.event(EventKind.WARNING, pulse.step, text=text)

    inbox = (Inbox if team.is_alone else SharedInbox)(writer.paths, skip_existing=is_resumed, complain=complain)
    meeting = None
    if isinstance(inbox, SharedInbox) and isinstance(signals, SharedSignals):
        meeting = Meeting(team, signals, inbox)
    phases = Phases()
    meter = HardwareMeter(writer, pulse, phases)
    return Desk(writer, Scribe(), pulse, inbox, signals, phases, meter, is_resumed, team, meeting)


def silent_desk(paths: RunPaths, signals: Signals, *, is_resumed: bool = False, team: Team = ALONE_TEAM) -> Desk:
    """A desk that writes nothing, for a process that trains along; see `desk_of`."""
    return desk_of(SilentWriter(paths), "", "", signals, is_resumed=is_resumed, team=team)
