"""Every message of the cockpit, each documented in a line. Carries data; does nothing."""

from __future__ import annotations

from dataclasses import dataclass

from textual.message import Message

from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.launch import LaunchRequest
from trainctl.tui.view import RunUpdate


@dataclass
class RunChanged(Message):
    """What is new in the run directory since the last one of these; at most one is under way at a time."""

    run: RunPaths
    update: RunUpdate


@dataclass
class FeedFailed(Message):
    """The run directory cannot be read, and why."""

    run: RunPaths
    reason: str


@dataclass
class AttachRequested(Message):
    """The user wants to look at another run."""

    run: RunPaths


@dataclass
class LaunchRequested(Message):
    """The user wants a new run, already checked."""

    request: LaunchRequest
