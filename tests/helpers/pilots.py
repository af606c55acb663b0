"""What every test of the cockpit needs: sizes, the text of the screen, waiting for it, and what reached the run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from present import present
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widget import Widget

from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.app import CockpitApp
from trainctl.tui.run.session import Session
from trainctl.tui.screens.cockpit import CockpitScreen

SMALL, MEDIUM, LARGE = (80, 24), (120, 40), (200, 60)
ScreenT = TypeVar("ScreenT", bound=Screen[Any])


class RunOnDisk(Protocol):
    """Anything that lies in a run directory."""

    @property
    def paths(self) -> RunPaths: ...


def screen_text(pilot: Pilot[None]) -> str:
    """The characters on the screen."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def until(pilot: Pilot[None], holds: Callable[[], bool], limit_s: float = 30.0) -> None:
    """Let the app work until something holds."""
    end = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < end, "did not happen\n" + screen_text(pilot)
        await pilot.pause(0.02)


async def until_in_view(pilot: Pilot[None], widget: Widget, holds: Callable[[], bool]) -> None:
    """Let the app work until something holds, with a widget scrolled to: panels that come or go later move it away."""
    widget.focus()

    def holds_in_view() -> bool:
        widget.scroll_visible(animate=False)
        return holds()

    await until(pilot, holds_in_view)


async def shows(pilot: Pilot[None], text: str) -> None:
    """Let the app work until this text is on the screen."""
    await until(pilot, lambda: text in screen_text(pilot))


def commands(run: RunOnDisk) -> list[dict[str, Any]]:
    """What was asked of the run."""
    path = run.paths.commands
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def toasts(pilot: Pilot[None]) -> list[str]:
    """What popped up."""
    return [note.message for note in pilot.app._notifications]


def cockpit_app(pilot: Pilot[None]) -> CockpitApp:
    """The app as what it is: a pilot only knows that it flies some app."""
    assert isinstance(pilot.app, CockpitApp)
    return pilot.app


def session_of(pilot: Pilot[None]) -> Session:
    """The run that is looked at, live or replayed."""
    return present(cockpit_app(pilot).session)


def screen_as(pilot: Pilot[None], kind: type[ScreenT]) -> ScreenT:
    """The screen in front, which is one of this kind."""
    assert isinstance(pilot.app.screen, kind)
    return pilot.app.screen


def cockpit(pilot: Pilot[None]) -> CockpitScreen:
    """The main screen."""
    return next(screen for screen in pilot.app.screen_stack if isinstance(screen, CockpitScreen))
