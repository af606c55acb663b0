"""Runs whose course is given as curves, written as the engine writes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from trainctl.engine.runs.events import EventKind, EventWriter
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.store import StepWriter

LAYOUT = RecordLayout(terms=("ce",), groups=("body",))
PER_EPOCH = 20
Curve = Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]


def records(count: int, loss: Curve, layout: RecordLayout = LAYOUT, noise: float = 0.01) -> np.ndarray[Any, Any]:
    rng, out, step = np.random.default_rng(0), np.zeros(count, layout.dtype), np.arange(count)
    out["step"], out["epoch"], out["time"] = step + 1, step // PER_EPOCH + 1, 1e9 + step
    out["lr"], out["batch_size"], out["amp_scale"], out["update_ratio"] = 1e-3, 16, np.nan, np.nan
    out["loss"] = out["term.ce"] = loss(step) * (1 + rng.normal(0, noise, count))
    out["weight.ce"] = 1.0
    out["grad_norm"] = out["grad_norm.body"] = rng.uniform(0.9, 1.1, count)
    return out


def write(folder: Path, rows: np.ndarray[Any, Any], layout: RecordLayout = LAYOUT) -> RunPaths:
    folder.mkdir(parents=True, exist_ok=True)
    paths = RunPaths(folder)
    writer = StepWriter(paths, layout)
    writer.append(rows)
    writer.close()
    EventWriter(paths).append(EventKind.PLAN, 0, steps_per_epoch=PER_EPOCH, warmup_steps=10, points=[])
    return paths


def validate(paths: RunPaths, losses: list[float], metric: list[Any], **more: Any) -> None:
    writer = EventWriter(paths)
    for k, (loss, value) in enumerate(zip(losses, metric, strict=True)):
        raw = {"loss": loss, "f1": value}
        writer.append(
            EventKind.VALIDATION, (k + 1) * PER_EPOCH, epoch=k + 1, raw=raw, monitor="f1", monitor_mode="max", **more
        )
