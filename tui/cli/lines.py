"""Records and events of a run as lines of plain text, the same words wherever they are printed. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from trainctl.engine.runs.events import Event, EventKind
from trainctl.engine.runs.record import RecordLayout

Record = np.void

HIDDEN_METRICS = ("loss",)


def number(value: float | None) -> str:
    """Four significant digits, at most nine characters."""
    if value is None or math.isnan(value):
        return "n/a"
    if value != 0 and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.2e}"
    return f"{value:.4g}"


def duration(seconds: float | None) -> str:
    """1:02:03 or 2:03."""
    if seconds is None or not math.isfinite(seconds):
        return "-"
    hours, rest = divmod(int(seconds), 3600)
    minutes, s = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{s:02}" if hours else f"{minutes}:{s:02}"


def figures(values: Mapping[str, Any]) -> str:
    """`name value` pairs in their order."""
    return "  ".join(f"{name} {number(value)}" for name, value in values.items())


def term_figures(record: Record, layout: RecordLayout) -> dict[str, float]:
    """Loss and each raw term of a step."""
    return {"loss": float(record["loss"])} | {name: float(record[f"term.{name}"]) for name in layout.terms}


def class_line(record: Record, layout: RecordLayout, most: int = 8) -> str:
    """Classes in the step's batch with their counts, the most frequent first; empty without classes."""
    if "classes" not in (record.dtype.names or ()):
        count = float(record["num_classes"])
        return "" if math.isnan(count) else f"{int(count)} classes"
    counts = record["classes"]
    order = np.argsort(counts)[::-1]
    shown = [f"{layout.classes[k]} {counts[k]}" for k in order[:most] if counts[k]]
    missing = int((counts == 0).sum())
    more = int((counts > 0).sum()) - len(shown)
    tail = [f"+{more} more"] * (more > 0) + [f"{missing} missing"] * (missing > 0)
    return "  ".join([*shown, *tail])


def step_line(record: Record, layout: RecordLayout) -> str:
    """One step."""
    head = f"step {int(record['step'])}  epoch {int(record['epoch'])}"
    rest = {"lr": float(record["lr"][0]), "grad norm": float(record["grad_norm"])}
    return f"{head}  {figures(term_figures(record, layout) | rest)}  {class_line(record, layout)}".rstrip()


def event_line(event: Event) -> str | None:
    """An event in words; none for those that only machines read."""
    data = event.data
    match event.kind:
        case EventKind.START:
            return _start_line(data)
        case EventKind.EPOCH:
            speed = f"{number(data.get('samples_per_s'))} samples/s"
            return f"epoch {data['epoch']}  train  {figures(data['train'])}  {speed}"
        case EventKind.VALIDATION:
            return _validation_line(data)
        case EventKind.LR:
            return f"learning rate cut {number(data['from'])} -> {number(data['to'])} (plateau)"
        case EventKind.COMMAND:
            return f"{data['verb']}: {data['effect']} (step {event.step})"
        case EventKind.WARNING | EventKind.NONFINITE:
            return f"! {data['text']}"
        case EventKind.NOTE:
            return f"note: {data['text']}"
        case EventKind.FINDING:
            return f"! {data.get('code', '')} {data.get('title', data.get('name', ''))}"
        case EventKind.RESUME:
            return f"resumed after step {data['from_step']}"
        case EventKind.END:
            return f"{data['state']}: {data['exit_reason']}"
        case EventKind.PLAN | EventKind.CHECKPOINT:
            return None


def _start_line(data: Mapping[str, Any]) -> str:
    return (
        f"{data.get('preset')} ({data.get('scale')} scale)  on {data.get('device')}  "
        f"{data.get('num_parameters', 0):,} parameters  "
        f"{data.get('num_train', 0):,} training and {data.get('num_val', 0):,} validation samples"
    )


def _validation_line(data: Mapping[str, Any]) -> str:
    line = f"epoch {data['epoch']}  val    {figures(data['raw'])}"
    if "ema" in data:
        shown = {name: value for name, value in data["ema"].items() if name in ("loss", "f1", "accuracy")}
        line += f"  | ema {figures(shown or data['ema'])}"
    return line + ("  * best" if data.get("best") else "")
