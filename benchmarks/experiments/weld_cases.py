"""The experiments of the weld task: what is trained with which seeds. Trains and reads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.experiments.runs import Experiment

STUCK, WARMUP = "weld/stuck", "weld/warmup"
PLAIN = ("model.layer_norm=false", "model.l2_normalize=false")

FLOOR = (
    Experiment("stuck", STUCK),
    Experiment("stuck-32", STUCK, ("train.batch_size=32",)),
    Experiment("stuck-32-stratified", STUCK, ("train.batch_size=32", "data.sampler=stratified")),
    Experiment("stuck-32-lr-1e-4", STUCK, ("train.batch_size=32", "optimizer.lr=1e-4")),
    Experiment("stuck-32-lr-1e-6", STUCK, ("train.batch_size=32", "optimizer.lr=1e-6")),
    Experiment("stuck-32-lr-1e-10", STUCK, ("train.batch_size=32", "optimizer.lr=1e-10")),
)
"""One class in the training split: nothing the documents changed can help."""

CHANGES = (
    Experiment("classes", STUCK, ("data.variant=balanced",)),
    Experiment("classes-stratified", STUCK, ("data.variant=balanced", "data.sampler=stratified")),
    Experiment("batch-32", "weld/batch-32"),
    Experiment("warmup-no-norm", WARMUP, PLAIN),
    Experiment("warmup-l2", WARMUP, ("model.layer_norm=false",)),
    Experiment("warmup-layer-norm", WARMUP, ("model.l2_normalize=false",)),
    Experiment("warmup", WARMUP),
    Experiment("repaired", "weld/repaired"),
)
"""One change after the other, beginning with the classes."""


PLANTED = str(Path(__file__).with_name("look_alikes.py"))
LOOK_ALIKES = (
    Experiment("one-class-batches", "weld/batch-32", task=f"{PLANTED}:SingleClassSampler"),
    Experiment("collapsed", "weld/batch-32", task=f"{PLANTED}:CollapsedEmbedding"),
    Experiment("few-positives", STUCK, ("data.variant=balanced", "train.batch_size=4")),
)
"""Planted faults that a flat loss could be taken for; `look_alikes` has them."""


def _candidate(
    name: str, temperature: float, noise: float, drop: float, *, warmup: int = 2, batch_size: int = 32
) -> Experiment:
    """All that `weld/repaired` decides is written out, so that the choice does not move when the preset does."""
    overrides = (
        f"train.batch_size={batch_size}",
        "optimizer.lr=1e-3",
        "optimizer.weight_decay=1e-2",
        "schedule.interval=step",
        f"schedule.warmup_epochs={warmup}",
        "schedule.warmup_start_lr=1e-5",
        f"loss.temperature={temperature}",
        "model.dropout=0.1",
        f"augment.noise={noise}",
        f"augment.drop_modality={drop}",
    )
    return Experiment(f"candidate-{name}", WARMUP, overrides)


CANDIDATES = (
    _candidate("t07", 0.07, 0.3, 0.1),
    _candidate("t10", 0.1, 0.3, 0.1),
    _candidate("t20", 0.2, 0.3, 0.1),
    _candidate("t50", 0.5, 0.3, 0.1),
    _candidate("t20-plain", 0.2, 0.0, 0.0),
    _candidate("t20-strong", 0.2, 0.6, 0.2),
    _candidate("t10-strong", 0.1, 0.6, 0.2),
    _candidate("t20-warmup6", 0.2, 0.3, 0.1, warmup=6),
    _candidate("t07-batch16", 0.07, 0.3, 0.1, batch_size=16),
    _candidate("t20-batch16", 0.2, 0.3, 0.1, batch_size=16),
)
"""Tried for `weld/repaired`, on seeds that are not reported."""
SELECTION_SEEDS = (101, 102)


def jobs(seeds: Sequence[int]) -> list[tuple[Experiment, int]]:
    """Everything the report reads, the selection with its own seeds."""
    reported = [(experiment, seed) for experiment in (*FLOOR, *CHANGES, *LOOK_ALIKES) for seed in seeds]
    return [*reported, *((experiment, seed) for experiment in CANDIDATES for seed in SELECTION_SEEDS)]
