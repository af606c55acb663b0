"""Every message of the cockpit, each documented in a line. Carries data; does nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from trainctl.engine.runs.layout import RunPaths
    from trainctl.tui.health.health import Health
    from trainctl.tui.processes.launch import LaunchRequest
    from trainctl.tui.run.session import Session
    from trainctl.tui.run.view import RunUpdate


@dataclass
class RunChanged(Message):
    """What is new in the run directory since the last one of these; at most one is under way at a time."""

    session: Session
    """Which look at which run it belongs to."""
    update: RunUpdate


@dataclass
class FeedFailed(Message):
    """The run directory cannot be read, and why."""

    run: RunPaths
    reason: str


@dataclass
class HealthChanged(Message):
    """The monitor has judged the run anew. Goes to the screen of that run."""

    health: Health


@dataclass
class AlertDue(Message):
    """The run has ended, or an error was found in it: worth a bell where the user wants one."""

    words: str


@dataclass
class AttachRequested(Message):
    """The user wants to look at another run."""

    run: RunPaths


@dataclass
class ReplayRequested(Message):
    """The user wants to see the present run again from its records."""


@dataclass
class LaunchRequested(Message):
    """The user wants a new run, already checked, and `beside` laid over it so that both are seen."""

    request: LaunchRequest
    beside: RunPaths | None = None


@dataclass
class OverlayChanged(Message):
    """What is new of a run that is laid over."""

    run: RunPaths
    update: RunUpdate


@dataclass
class OverlayFailed(Message):
    """A run that should be laid over cannot be read, and why."""

    run: RunPaths
    reason: str


@dataclass
class RunDeleted(Message):
    """The user has deleted a run."""

    run: RunPaths


@dataclass
class RunRenamed(Message):
    """The user has given a run another name: where it was, where it is."""

    before: RunPaths
    now: RunPaths


@dataclass
class NewestFound(Message):
    """A run has begun that is newer than all others, while the newest one is followed."""

    run: RunPaths
