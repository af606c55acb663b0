"""Evidence from a run directory: the records, the configuration and what the run wrote at its start.

Reads files only; knows no model and no torch. What only data or network could tell is left out, with the reason.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from trainctl.engine.config.resolve import load_resolved
from trainctl.engine.diagnosis.evidence import (
    EnvironmentFacts,
    Evidence,
    LabelFacts,
    NonfiniteStep,
    PlanFacts,
    RecordFacts,
    SamplerFacts,
    SplitLabels,
)
from trainctl.engine.diagnosis.plan import plan_facts
from trainctl.engine.errors import UserError
from trainctl.engine.runs.events import Event, EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.reader import RunReader
from trainctl.engine.runs.record import RecordLayout

Records = np.ndarray[Any, np.dtype[Any]]

NEEDS_DATA = "needs the data, not only the records of the run"
NEEDS_NETWORK = "needs a batch through the network, not only the records of the run"
WINDOW = 50


def read_evidence(paths: RunPaths) -> Evidence:
    """What a running, finished or crashed run says of itself.

    Raises:
        UserError: a newer version wrote it, or it has no records.
    """
    reader = RunReader(paths)
    reader.poll()
    layout = reader.steps.layout
    if layout is None:
        raise UserError(f"{paths.root} has no step records yet", "wait for its first step, or name another run")
    records = reader.steps.all()
    meta = reader.meta or {}
    labels, plan = _labels(meta), _plan(paths)
    missing = {"data": NEEDS_DATA, "batch": NEEDS_NETWORK}
    sampler = _sampler(records, layout, reader.current_events(), plan)
    missing |= {"labels": "the run recorded no class counts"} if labels is None else {}
    missing |= {"sampler": "the run recorded no classes of its batches"} if sampler is None else {}
    missing |= {"plan": "the run's configuration cannot be read"} if plan is None else {}
    return Evidence(
        labels=labels,
        sampler=sampler,
        plan=plan,
        records=record_facts(records, layout, str(reader.state)),
        environment=_environment(meta),
        missing=missing,
    )


def record_facts(records: Records, layout: RecordLayout, state: str) -> RecordFacts:
    """What the records say as a whole, shape (n,)."""
    is_bad, is_skip = _bad_steps(records)
    norms = records["grad_norm"]
    finite = norms[np.isfinite(norms)]
    return RecordFacts(
        num_steps=len(records),
        last_epoch=int(records["epoch"][-1]) if len(records) else 0,
        state=state,
        first_nonfinite=_first_nonfinite(records, layout, is_bad) if is_bad.any() else None,
        num_scaler_skips=int(is_skip.sum()),
        groups=layout.groups,
        frozen=layout.frozen,
        max_grad_norm=float(finite.max()) if len(finite) else float("nan"),
        first_loss=float(records["loss"][0]) if len(records) else float("nan"),
        last_loss=float(records["loss"][-1]) if len(records) else float("nan"),
    )


def _bad_steps(records: Records) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Steps that were not finite, and steps that a gradient scaler skipped by design."""
    loss_bad = ~np.isfinite(records["loss"])
    gradient_bad = records["nonfinite"] > 0
    has_scaler = np.isfinite(records["amp_scale"])
    return loss_bad | (gradient_bad & ~has_scaler), gradient_bad & has_scaler & ~loss_bad


def _first_nonfinite(records: Records, layout: RecordLayout, is_bad: np.ndarray[Any, Any]) -> NonfiniteStep:
    index = int(is_bad.argmax())
    row = records[index]
    window = records[max(0, index - WINDOW) : index]
    before, ratios = window["grad_norm"], window["update_ratio"]
    ratios = ratios[~np.isnan(ratios)]
    return NonfiniteStep(
        step=int(row["step"]),
        epoch=int(row["epoch"]),
        loss=float(row["loss"]),
        terms=_not_finite(row, "term", layout.terms),
        groups=_not_finite(row, "grad_norm", layout.groups),
        num_parameters=int(row["nonfinite"]),
        lr=float(row["lr"][0]),
        norm_before=float(np.median(before)) if len(before) else float("nan"),
        norm_last=float(before[-1]) if len(before) else float("nan"),
        num_before=len(window),
        update_ratio=float(ratios.max()) if len(ratios) else float("nan"),
        num_steps=int(is_bad.sum()),
    )


def _not_finite(row: Any, prefix: str, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in names if not np.isfinite(row[f"{prefix}.{name}"]))


def _sampler(
    records: Records, layout: RecordLayout, events: Sequence[Event], plan: PlanFacts | None
) -> SamplerFacts | None:
    """The batches as they were recorded. An accumulated step counts as one batch."""
    if "classes" not in (records.dtype.names or ()) or not len(records):
        return None
    steps = next((e.data.get("steps_per_epoch") for e in events if e.kind == EventKind.PLAN), None)
    is_exact = isinstance(steps, int) and plan is not None and plan.accumulation == 1
    return SamplerFacts(
        source="records",
        sizes=tuple(int(size) for size in records["batch_size"]),
        counts=records["classes"].astype(np.int64),
        batches_per_epoch=steps if is_exact else None,
        last_size=None,
        repeats=None,
        classes=layout.classes,
    )


def _labels(meta: dict[str, Any]) -> LabelFacts | None:
    classes, counts = meta.get("classes"), meta.get("class_counts")
    if not classes or not isinstance(counts, dict) or "train" not in counts:
        return None
    splits = {name: _split_labels(str(name), values) for name, values in counts.items()}
    return LabelFacts(tuple(map(str, classes)), splits["train"], splits.get("val"))


def _split_labels(name: str, counts: Sequence[int]) -> SplitLabels:
    present = [index for index, count in enumerate(counts) if count]
    return SplitLabels(name, tuple(counts), min(present, default=0), max(present, default=0))


def _plan(paths: RunPaths) -> PlanFacts | None:
    with contextlib.suppress(UserError):  # the run's own task file may be gone; its records still speak
        return plan_facts(load_resolved(paths.config).config)
    return None


def _environment(meta: dict[str, Any]) -> EnvironmentFacts | None:
    if not meta:
        return None
    versions: dict[str, Any] = meta.get("versions") or {}
    return EnvironmentFacts(
        python=str(meta.get("python", "?")),
        torch=str(meta.get("torch") or versions.get("torch", "?")),
        device=str(meta.get("device", "?")),
    )
