"""What a run says of itself: what it is, where it starts; what it came to, where it ends. Knows no file and no loop."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from trainctl.engine.config.resolve import Resolved
from trainctl.engine.config.schema import RunConfig
from trainctl.engine.data.batch import Splits
from trainctl.engine.data.fingerprint import fingerprints
from trainctl.engine.data.overlap import overlap_about
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.summary import Best, Summary
from trainctl.engine.training.desk.run_writer import Ending
from trainctl.engine.training.device import describe_device
from trainctl.engine.training.loop.referee import monitor_of
from trainctl.engine.training.setup import Assembly


def about_run(assembly: Assembly, resolved: Resolved, data_path: Path | None) -> dict[str, Any]:
    """What the run is, for the event that starts it and for `meta.json`."""
    a = assembly
    return {
        "preset": resolved.preset,
        "task": resolved.config.task,
        "scale": resolved.scale,
        "data": None if data_path is None else str(data_path.resolve()),
        "data_id": fingerprints(a.splits),
        "device": describe_device(a.device),
        "torch": torch.__version__,
        "num_parameters": a.num_parameters,
        "num_trainable": a.num_trainable,
        "num_train": len(a.splits.train),
        "num_val": len(a.splits.val),
        "more_val": {name: len(split) for name, split in a.splits.more_val.items()},
        "classes": list(a.splits.classes),
        "class_counts": _class_counts(a.splits),
        "overlap": overlap_about(a.splits),
        "constant": dict(a.task.constant_metrics(a.splits.val)),
        "useful_weights": {name: list(ends) for name, ends in a.task.useful_weights.items()},
        "expected": resolved.about.expected,
    }


def summarize(assembly: Assembly, config: RunConfig, paths: RunPaths, ending: Ending) -> Summary:
    """What `summary.json` says. Metrics of averaged weights carry the prefix `ema.`."""
    progress, best = assembly.state.progress, assembly.state.best
    metrics = {
        name if weights == "raw" else f"{weights}.{name}": value
        for weights, values in assembly.state.last_metrics.items()
        for name, value in values.items()
    }
    checkpoint = next((path.name for path in (paths.best, paths.latest) if path.exists()), None)
    monitored = monitor_of(assembly.task, config).metric
    return Summary(
        state=ending.state,
        steps=progress.step,
        epochs=progress.epoch,
        seconds=progress.train_s,
        samples_per_s=progress.samples / progress.train_s if progress.train_s else math.nan,
        metrics=metrics,
        best=None if best.value is None else Best(monitored, best.value, best.epoch),
        checkpoint=checkpoint,
        exit_reason=ending.reason,
    )


def _class_counts(splits: Splits) -> dict[str, list[int]]:
    if not splits.classes:
        return {}
    return {
        name: torch.bincount(split.counted, minlength=len(splits.classes)).tolist()
        for name, split in (("train", splits.train), ("val", splits.val))
        if split.counted is not None
    }
