"""Pictures of the cockpit that must not change unnoticed. After a wanted change: pytest --snapshot-update.

The run is the same in every picture: name, times and numbers are fixed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pilots import LARGE, MEDIUM, SMALL, cockpit, session_of, shows, until
from synthetic_run import SyntheticRun
from textual.pilot import Pilot

from trainctl.engine.diagnosis.finding import Confidence, Finding, Fix, NotChecked, Severity
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.app import CockpitApp
from trainctl.tui.charts.chart import Chart
from trainctl.tui.health.health import Health
from trainctl.tui.health.monitor import Monitor
from trainctl.tui.memory import Memory, memory_path
from trainctl.tui.messages import HealthChanged
from trainctl.tui.widgets.class_scores import ClassScorePanel
from trainctl.tui.widgets.clusters import ClusterPanel
from trainctl.tui.widgets.figures import FiguresPanel
from trainctl.tui.widgets.gates import GatePanel

NOON = 1_772_452_800.0
"""2026-03-02 12:00:00 UTC."""
THEMES = ["trainctl-dark", "trainctl-light", "trainctl-colour-blind", "no-colour"]


@pytest.fixture
def fixed_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunPaths:
    """Step 150 of 200, three validations, the learning rate halved on the way."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(time, "time", lambda: NOON)
    run = SyntheticRun(tmp_path / "runs", name="20260302-120000-eyes-balanced-0a1b").begin()
    for epoch, (loss, f1) in enumerate([(0.5, 0.8), (0.4, 0.9), (0.42, 0.88)], start=1):
        run.train(50, time=NOON - 300 + epoch * 50 + np.arange(50))
        run.validate(epoch, loss, f1)
        if epoch == 2:
            arguments = {"name": "lr", "op": "mul", "value": 0.5}
            run.events.append(EventKind.COMMAND, 100, id="a", verb="set", args=arguments, effect="lr 1e-4 -> 5e-5")
    run.say("loading 1,000 images")
    return run.paths


@pytest.fixture
def mixture_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunPaths:
    """Two epochs of a mixture of eight with one component empty, refitted after the first."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(time, "time", lambda: NOON)
    scalars = ("max_posterior", "posterior_entropy", *(f"cluster.{k}" for k in range(8)))
    name = "20260302-120000-quality-with-refit-0a1b"
    run = SyntheticRun(tmp_path / "runs", "quality/with-refit", name=name, scalars=scalars).begin()
    sizes = {f"scalar__cluster.{k}": size for k, size in enumerate((20, 12, 10, 8, 6, 5, 3, 0))}
    for epoch, srcc in enumerate([0.7, 0.8], start=1):
        sure = np.linspace(0.4, 0.7, 50) + 0.15 * (epoch - 1)
        measured = {"scalar__max_posterior": sure, "scalar__posterior_entropy": 2 * (1 - sure)}
        run.train(50, time=NOON - 300 + epoch * 50 + np.arange(50), **sizes, **measured)
        run.validate(epoch, 0.5, 0.8, srcc=srcc)
        if epoch == 1:
            refit = {"mode": "sklearn", "epoch": 1, "agreement": 0.1, "matched_agreement": 0.9}
            run.events.append(EventKind.REFIT, 50, **refit, text="fitted anew")
            run.events.append(EventKind.VALIDATION, 50, epoch=1, after="refit", raw={"srcc": 0.012})
    return run.paths


@pytest.fixture
def gated_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunPaths:
    """Three epochs of a network with four gates and six classes, which the batches do not count."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(time, "time", lambda: NOON)
    gates = {"utterance": (0.5, 0.02), "forget": (0.35, 0.2), "input": (0.45, 0.1), "temporal": (0.6, 0.05)}
    scalars = tuple(f"gate.{side}.{name}" for name in gates for side in ("closed", "open"))
    name = "20260302-120000-emotion-original-0a1b"
    run = SyntheticRun(tmp_path / "runs", "emotion/original", name=name, scalars=scalars, classes=()).begin()
    emotions = {"happy": 0.3, "sad": 0.5, "neutral": 0.4, "angry": 0.2, "excited": 0.0, "frustrated": 0.6}
    for epoch, gain in enumerate([0.0, 0.25, 0.2], start=1):
        course = np.linspace(0, 1, 50) + epoch - 1
        shares = {f"scalar__gate.closed.{gate}": closed - 0.1 * course for gate, (closed, _) in gates.items()}
        shares |= {f"scalar__gate.open.{gate}": opened + 0.02 * course for gate, (_, opened) in gates.items()}
        run.train(50, time=NOON - 300 + epoch * 50 + np.arange(50), **shares)
        run.validate(epoch, 0.5, 0.8, **{f"f1.{emotion}": start + gain for emotion, start in emotions.items()})
    return run.paths


FINDING = Finding(
    code="D101",
    name="single-class batches",
    section="sampler",
    severity=Severity.ERROR,
    confidence=Confidence.PROVEN,
    summary="97 of 100 batches hold one class",
    where="data.split=train",
    why="no batch can teach what tells the classes apart",
    fix=Fix("split by class"),
    figures={},
    ruled_out=(),
    primary=True,
)


HEALTH = Health(findings=(FINDING,), checked=("D101", "D102"), not_checked=(NotChecked("D103", "no data"),), step=150)


@pytest.fixture(autouse=True)
def same_health(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody judges but `judged`: a new rule must not change the pictures, nor how busy the machine is."""
    monkeypatch.setattr(Monitor, "start", lambda self: None)


async def judged(pilot: Pilot[None]) -> None:
    """Show one judgement, the same in all pictures, without what pops up for a while."""
    # The header knows the step before anything is read: what happened must stand in the log before what is found.
    await until(pilot, lambda: len(list(cockpit(pilot).log_panel.entries)) > 3)
    cockpit(pilot).post_message(HealthChanged(HEALTH))
    await until(pilot, lambda: session_of(pilot).health is not None)
    pilot.app.clear_notifications()
    await pilot.pause(0.1)


def choose_theme(theme: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As the user would have it: remembered, or no colours by the environment."""
    if theme == "no-colour":
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setattr(Chart, "plain_ink", True)
    else:
        Memory(theme=theme).save(memory_path())


@pytest.mark.few(5)
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", [SMALL, MEDIUM, LARGE], ids=lambda size: f"{size[0]}x{size[1]}")
def test_cockpit(
    fixed_run: RunPaths,
    snap_compare: Callable[..., bool],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    size: tuple[int, int],
    theme: str,
):
    choose_theme(theme, monkeypatch, tmp_path)

    async def settled(pilot: Pilot[None]) -> None:
        await shows(pilot, "step 150/200")
        await judged(pilot)
        await pilot.pause(0.3)

    assert snap_compare(CockpitApp(fixed_run), terminal_size=size, run_before=settled)


@pytest.mark.few(2)
@pytest.mark.parametrize("theme", ["trainctl-dark", "no-colour"])
@pytest.mark.parametrize("zoomed", [False, True], ids=["in-place", "zoomed"])
def test_clusters(
    mixture_run: RunPaths,
    snap_compare: Callable[..., bool],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    zoomed: bool,
    theme: str,
):
    choose_theme(theme, monkeypatch, tmp_path)

    async def settled(pilot: Pilot[None]) -> None:
        await shows(pilot, "RUNNING")
        await judged(pilot)
        pilot.app.screen.query_one(ClusterPanel).focus(scroll_visible=False)
        if zoomed:
            await pilot.press("m")
        else:
            pilot.app.screen.query_one(ClusterPanel).scroll_visible(animate=False)
        await shows(pilot, "1 of 8 empty: 7")
        await pilot.pause(0.3)

    assert snap_compare(CockpitApp(mixture_run), terminal_size=SMALL, run_before=settled)


@pytest.mark.few(3)
@pytest.mark.parametrize("theme", ["trainctl-dark", "no-colour"])
@pytest.mark.parametrize("zoomed", [False, True], ids=["in-place", "zoomed"])
@pytest.mark.parametrize(
    ("panel", "text"), [(GatePanel, "at 0 or 1: 32.8%"), (ClassScorePanel, "weakest excited")], ids=["gates", "f1"]
)
def test_gates_and_class_scores(
    gated_run: RunPaths,
    snap_compare: Callable[..., bool],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    panel: type[FiguresPanel],
    text: str,
    zoomed: bool,
    theme: str,
):
    choose_theme(theme, monkeypatch, tmp_path)

    async def settled(pilot: Pilot[None]) -> None:
        await shows(pilot, "RUNNING")
        await judged(pilot)
        shown = pilot.app.screen.query_one(panel)
        await until(pilot, lambda: bool(shown.display))
        shown.focus(scroll_visible=False)
        if zoomed:
            await pilot.press("m")
        else:
            shown.scroll_visible(animate=False)
        await shows(pilot, text)
        await pilot.pause(0.3)

    assert snap_compare(CockpitApp(gated_run), terminal_size=SMALL, run_before=settled)
