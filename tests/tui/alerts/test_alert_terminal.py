"""The bell and the notification: as the terminal takes them, through tmux too, and quiet unless they are wished."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pilots import MEDIUM, until
from synthetic_run import NewRun, SyntheticRun

from trainctl.engine.runs.states import RunState
from trainctl.tui import app as app_module
from trainctl.tui.alerts.terminal import sequences
from trainctl.tui.alerts.wishes import Wishes
from trainctl.tui.app import CockpitApp


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"TERM": "xterm-256color"}, "\x1b]9;trainctl: mine finished\x1b\\"),
        ({"TERM": "foot"}, "\x1b]777;notify;trainctl;mine finished\x1b\\"),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7600"}, "\x1b]777;notify;trainctl;mine finished\x1b\\"),
        ({"TERM": "tmux-256color", "TMUX": "/tmp/x"}, "\x1bPtmux;\x1b\x1b]9;trainctl: mine finished\x1b\x1b\\\x1b\\"),
    ],
)
def test_a_notification_is_what_the_terminal_takes(environ: dict[str, str], expected: str):
    assert sequences("mine finished", environ, bell=False, notify=True) == expected


def test_the_bell_is_a_bell():
    assert sequences("mine", {}, bell=True, notify=False) == "\a"
    assert sequences("mine", {}, bell=False, notify=False) == ""


def test_a_hostile_name_commands_nothing():
    sent = sequences("a\x1b]0;title\x07b\n;c\x9c" * 50, {"TERM": "foot"}, bell=False, notify=True)
    body = sent.removeprefix("\x1b]777;notify;trainctl;").removesuffix("\x1b\\")
    assert body.isprintable()
    assert ";" not in body
    assert len(body) <= 200


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would go to the terminal."""
    found: list[str] = []
    monkeypatch.setattr(app_module, "send_to_terminal", lambda app, sequence: found.append(sequence))
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    return found


def app_of(run: SyntheticRun, **wishes: Any) -> CockpitApp:
    return CockpitApp(run.paths, wishes=Wishes(**wishes))


async def test_the_end_of_a_run_rings_and_notifies_once(live_run: SyntheticRun, sent: list[str]):
    app = app_of(live_run, bell=True, notify=True)
    async with app.run_test(size=MEDIUM) as pilot:
        await until(pilot, lambda: app.session is not None and app.session.view.step == 100)
        assert sent == []
        live_run.status(RunState.FINISHED)
        await until(pilot, lambda: bool(sent))
        await pilot.pause(0.6)
    assert sent == [f"\a\x1b]9;trainctl: {live_run.paths.root.name} finished\x1b\\"]


async def test_it_is_quiet_by_default_and_where_the_run_was_over_before(
    live_run: SyntheticRun, new_run: NewRun, sent: list[str]
):
    quiet = app_of(live_run)
    async with quiet.run_test(size=MEDIUM) as pilot:
        await until(pilot, lambda: quiet.session is not None and quiet.session.view.step == 100)
        live_run.status(RunState.FINISHED)
        await until(pilot, lambda: quiet.session is not None and quiet.session.view.is_over)
    over = app_of(live_run, bell=True)
    async with over.run_test(size=MEDIUM) as pilot:
        await until(pilot, lambda: over.session is not None and over.session.view.step == 100)
    assert sent == []


async def test_an_error_that_is_found_notifies(live_run: SyntheticRun, sent: list[str]):
    live_run.train(5, loss=np.nan, term__bce=np.nan)
    app = app_of(live_run, notify=True)
    async with app.run_test(size=MEDIUM) as pilot:
        await until(pilot, lambda: any("N901" in sequence for sequence in sent))
