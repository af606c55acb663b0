"""Every page and dialog of the cockpit, one after another, with prepared words in place of the commands behind them."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from job_pages import jobs_say
from pilots import cockpit, cockpit_app, session_of, until
from synthetic_run import SyntheticRun
from textual.pilot import Pilot

from trainctl.engine.diagnosis.finding import Confidence, Finding, Fix, NotChecked, Report, Severity
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.meta import write_meta
from trainctl.engine.runs.validated.samples import WorstSamples, write_samples
from trainctl.engine.tasks.configured import resolve
from trainctl.tui.screens.jobs.page import JobPage
from trainctl.tui.screens.runs import RunsScreen

KEYS = ("question_mark", "r", "p", "h", "t", "d", "e", "slash", "q", "s", "l", "w", "ctrl+p")
"""What opens a dialog or a list."""
LEAK = Finding(
    "D104", "training samples in validation", "data", Severity.ERROR, Confidence.PROVEN,
    "12 of 90 validation samples are also in training (13%)", "", "",
    Fix("remove the copies: keep each sample once", {"train.drop_last": False}),
    {"shared": 12}, (), primary=True,
)  # fmt: skip
REPORT = Report((LEAK,), (NotChecked("D105", "the data names no groups"),), ("D104", "D111"), 1.5)
DIAGNOSED = ({"event": "report", "report": REPORT.to_plain(), "title": "eyes/balanced"},)
SWEPT: dict[str, Any] = {
    "configured": 2e-4,
    "start": 1e-7,
    "end": 10.0,
    "total": 100,
    "device": "cpu",
    "steepest": 1e-3,
    "bottom": 1e-2,
    "suggestion": 3.16e-3,
    "diverged_at": 1.2,
    "lrs": np.logspace(-7, 1, 90).tolist(),
    **{name: np.linspace(0.7, 0.2, 90).tolist() for name in ("losses", "smoothed")},
}
PICTURE = {"height": 4, "width": 4, "data": base64.b64encode(bytes(range(48))).decode()}
SPLIT = {"num_samples": 100, "counts": [8, 92], "shares": [0.08, 0.92], "outside": 0}
CLASSES: dict[str, Any] = {
    "names": ["closed", "open"],
    "per_batch": [1, 2.0, 2],
    "expected": 1.74,
    "observed": 1.67,
    "one_class": 2,
    "drawn_shares": [0.08, 0.92],
    "data_shares": [0.08, 0.92],
    "first": [{"counts": [0, 16], "distinct": 1, "expected": 1.74}] * 2,
}
TENSOR: dict[str, Any] = {
    "split": "train",
    "name": "images",
    "shape": [100, 3, 12, 24],
    "dtype": "uint8",
    "looked_at": 100,
    "mean": 115.0,
    "std": 51.0,
    "min": 0.0,
    "max": 255.0,
    "nonfinite": 3,
}
AUDITED: dict[str, Any] = {
    "balance": {
        "classes": ["closed", "open"],
        "splits": [{"name": name, **SPLIT} for name in ("train", "val")],
        "groups": {"train": 10, "val": 5, "shared": 2, "fix": {"data.split": "group"}},
        "notes": [],
    },
    "sampler": {
        "kind": "RandomSampler",
        "num_samples": 100,
        "num_batches": 6,
        "sizes": [16, 16],
        "drawn": 96,
        "distinct": 96,
        "repeated": 0,
        "left_out": 4,
        "classes": CLASSES,
    },
    "tensors": {
        "tensors": [TENSOR],
        "copies": {
            "val_in_train": 3,
            "num_val": 20,
            "repeated_in_train": 0.1,
            "example": None,
            "contradicted": 0,
            "labelled": 0,
            "contradiction": None,
        },
    },
    "samples": {
        "classes": ["closed", "open"],
        "samples": [{"index": 0, "name": "a/1.png", "class": 0, "image": PICTURE, "augmented": PICTURE}],
        "no_pictures": "",
    },
}


def tell(run: SyntheticRun) -> SyntheticRun:
    """A run of which there is much to say: validations, pictures, a command, a checkpoint, a configuration."""
    for epoch in (1, 2):
        run.train(50)
        run.validate(epoch, 0.5 / epoch, 0.7 + 0.1 * epoch, accuracy=0.9)
    arguments = {"name": "lr", "op": "mul", "value": 0.5}
    run.events.append(EventKind.COMMAND, 60, id="a", verb="set", args=arguments, effect="lr 1e-4 -> 5e-5")
    run.events.append(EventKind.CHECKPOINT, 100, which="latest")
    run.events.append(EventKind.EPOCH, 100, epoch=2, train={"loss": 0.3, "bce": 0.3}, samples_per_s=900.0, seconds=20)
    images = np.random.default_rng(0).integers(0, 255, (3, 8, 12, 3), dtype=np.uint8)
    words = (("closed",) * 3, ("open 93%",) * 3, ("s/0001.png",) * 3)
    write_samples(run.paths, WorstSamples(run.step, 2, 100, np.ones(3, np.float32), *words, images))
    run.paths.config.write_text(resolve(run.preset).to_yaml())
    write_meta(run.paths, {"schema": 1, "preset": run.preset, "scale": "full", "data": None})
    return run


async def every_page(
    pilot: Pilot[None], monkeypatch: pytest.MonkeyPatch, other: SyntheticRun | None = None
) -> AsyncIterator[str]:
    """Opens one after another and gives its name while it is in front; `other` is a run to compare with."""
    await until(pilot, lambda: session_of(pilot).health is not None and session_of(pilot).view.step > 0)
    pilot.app.clear_notifications()
    await pilot.pause()
    yield "the cockpit"
    for key in KEYS:
        await pilot.press(key)
        await until(pilot, lambda: _is_settled(pilot))
        yield f"key {key}"
        if key == "r":
            await pilot.press("question_mark")
            await until(pilot, lambda: not isinstance(pilot.app.screen, RunsScreen))
            yield "help of the list of runs"
        await _back(pilot)
    async for name in _job_pages(pilot, monkeypatch):
        yield name
    async for name in _told(pilot):
        yield name
    for entry in cockpit(pilot).own_panels:
        cockpit(pilot).zoom_to(entry.id)
        await pilot.pause()
        yield f"panel {entry.id}"
    cockpit(pilot).zoom_to(None)
    if other is not None:
        async for name in _compared(pilot, other):
            yield name


def _is_settled(pilot: Pilot[None]) -> bool:
    """Whether what was opened is there, and not only what holds its place."""
    screen = pilot.app.screen
    if isinstance(screen, RunsScreen):
        return screen.rows.num_rows > 0
    return screen is not cockpit(pilot) and type(screen).__name__ != "WaitingScreen" and bool(screen.children)


async def _back(pilot: Pilot[None]) -> None:
    while pilot.app.screen is not cockpit(pilot):
        before = pilot.app.screen
        await pilot.press("escape")
        await until(pilot, lambda before=before: pilot.app.screen is not before)
    pilot.app.clear_notifications()


async def _job_pages(pilot: Pilot[None], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    audited = [json.dumps({"section": name, "found": found}) for name, found in AUDITED.items()]
    for keys, lines in (
        (("i",), [*audited, "end:0"]),
        (("n",), [f"out:{json.dumps(SWEPT)}", "end:0"]),
        (("d", "enter"), [*map(json.dumps, DIAGNOSED), "end:3"]),
        (("d", "enter"), ["trainctl: error: no such run directory: x"]),
    ):
        jobs_say(monkeypatch, lines)
        await pilot.press(*keys)
        await until(pilot, lambda: _is_over(pilot))
        yield f"page {type(pilot.app.screen).__name__}"
        await _back(pilot)


def _is_over(pilot: Pilot[None]) -> bool:
    screen = pilot.app.screen
    return isinstance(screen, JobPage) and screen._took_s is not None


async def _told(pilot: Pilot[None]) -> AsyncIterator[str]:
    """A finding explained, and what holds the place of a dialog."""
    cockpit(pilot).explain(LEAK, (LEAK,))
    await until(pilot, lambda: pilot.app.screen is not cockpit(pilot))
    yield "explanation"
    await _back(pilot)
    go_on = threading.Event()
    cockpit(pilot).wait_for("reading the presets", lambda: (go_on.wait(30) and (lambda: None)) or (lambda: None))
    await until(pilot, lambda: pilot.app.screen is not cockpit(pilot))
    yield "waiting"
    go_on.set()
    await until(pilot, lambda: pilot.app.screen is cockpit(pilot))


async def _compared(pilot: Pilot[None], other: SyntheticRun) -> AsyncIterator[str]:
    cockpit_app(pilot).overlays.add(other.paths)
    cockpit(pilot).show_overlays()
    await until(pilot, lambda: bool(cockpit(pilot).scene.overlays[0].view.step))
    await pilot.press("k")
    await until(pilot, lambda: pilot.app.screen is not cockpit(pilot))
    for page in "1234":
        await pilot.press(page)
        await pilot.pause(0.1)
        yield f"compare, page {page}"
    await _back(pilot)
