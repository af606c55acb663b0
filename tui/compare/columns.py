"""Runs under several seeds as columns of a comparison, and one figure of each run. Pure.

What a figure means is decided here, for the tables, for the promises and for JSON alike; `docs/compare.md` says it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trainctl.engine.runs.meta import same_samples
from trainctl.tui.compare.comparison import (
    OTHER_LOSSES,
    OTHER_TRAINING,
    OTHER_VALIDATION,
    has_one_loss,
    lower_is_better,
    monitored_metrics,
)
from trainctl.tui.compare.facts import RunFacts

SAME_RUN = ("seed", "runtime.threads", "preset")
"""Options in which two runs of one column may differ."""
NO_SEED = -1
OF_A_CURVE = ("epochs_to_reference_loss", "fluctuation", "largest_rise")
"""Figures of the training loss by epoch, or of the loss term that is named."""
LOSSES = (*OF_A_CURVE, "final_loss", "epoch_loss")
"""Figures of the training loss, where no term is named."""
VALIDATION_LOSSES = ("final_validation_loss", "epoch_validation_loss")
METRICS = ("best_metric", "final_metric", "epoch_metric")
TERMS = ("final_term", "epoch_term")


@dataclass(frozen=True)
class Column:
    """Runs of one configuration, one for each seed.

    Args:
        name: at the head of its column.
        preset: its preset, or what it was called by.
        runs: by seed, in the order of the seeds.
        about: what its preset says of itself.
        wanted: seeds that were asked for, whether or not there is a run; empty: those there are.
    """

    name: str
    preset: str
    runs: Mapping[int, RunFacts]
    about: Mapping[str, Any] = field(default_factory=dict[str, Any])
    wanted: tuple[int, ...] = ()

    @property
    def facts(self) -> list[RunFacts]:
        """Its runs."""
        return list(self.runs.values())


@dataclass(frozen=True)
class Asked:
    """Which figure of a run: one of `engine.config.presets.Figure`, of which metric or term, at which epoch."""

    figure: str
    name: str = ""
    at: int | None = None


def grouped(facts: Sequence[RunFacts], names: Sequence[str]) -> list[Column]:
    """Columns of runs that differ in nothing but their seed. Forks and runs that were changed by hand stand alone."""
    groups: list[tuple[object, dict[int, RunFacts], str]] = []
    for run, name in zip(facts, names, strict=True):
        key, seed = _key(run), NO_SEED if run.seed is None else run.seed
        found = next((runs for other, runs, _ in groups if other == key and seed not in runs), None)
        if found is None:
            groups.append((key, {seed: run}, name))
        else:
            found[seed] = run
    heads = [name if len(runs) == 1 else next(iter(runs.values())).preset or name for _, runs, name in groups]
    return [
        Column(_told_apart(heads, k), _first(runs).preset, dict(sorted(runs.items())), _first(runs).about)
        for k, (_, runs, _) in enumerate(groups)
    ]


def figure_of(run: RunFacts, asked: Asked, reference: RunFacts | None = None) -> float:
    """The figure of a run; NaN where it has none.

    Args:
        run: whose.
        asked: which.
        reference: the reference's run of the same seed, for `epochs_to_reference_loss`.
    """
    match asked.figure:
        case "epochs_to_reference_loss":
            goal = math.nan if reference is None else reference.last_of(asked.name)
            return run.epochs_to(goal, asked.name)
        case "fluctuation":
            return run.fluctuation(asked.name)
        case "largest_rise":
            return run.largest_rise(asked.name)
        case "gradient_fluctuation":
            return run.gradient_fluctuation
        case "seconds":
            return run.seconds
        case "final_loss" | "epoch_loss":
            return _at(dict(run.epoch_losses), asked.at)
        case "final_term" | "epoch_term":
            return _at(dict(run.curve(asked.name)), asked.at)
        case "best_metric":
            metric = asked.name or _monitored(run)
            best = run.best(metric, lower=bool(lower_is_better([run], metric)))
            return best.value if best else math.nan
        case _:
            metric = "loss" if asked.figure in VALIDATION_LOSSES else asked.name or _monitored(run)
            return _at(by_epoch(run, metric), asked.at)


def by_epoch(run: RunFacts, metric: str) -> dict[int, float]:
    """A validation metric by epoch: the last validation of an epoch, and of two sets of weights the better one."""
    last = {(epoch, weights): values[metric] for epoch, _, weights, values in run.validations if metric in values}
    better = min if lower_is_better([run], metric) else max
    found: dict[int, float] = {}
    for (epoch, _), value in last.items():
        known = [one for one in (found.get(epoch, math.nan), value) if math.isfinite(one)]
        found[epoch] = better(known) if known else math.nan
    return found


def values_of(column: Column, asked: Asked, reference: Column) -> dict[int, float]:
    """The figure of each run of a column by seed."""
    return {seed: figure_of(run, asked, reference.runs.get(seed)) for seed, run in column.runs.items()}


def missed(column: Column, asked: Asked, reference: Column, values: Mapping[int, float]) -> int:
    """Runs that have the loss (or term) but did not reach that of the reference's run of their seed."""
    known = (seed for seed, run in reference.runs.items() if math.isfinite(run.last_of(asked.name)))
    runs = {seed: column.runs[seed] for seed in known if seed in column.runs}
    return sum(1 for seed, run in runs.items() if run.curve(asked.name) and not math.isfinite(values[seed]))


def less_is_better(column: Column, asked: Asked) -> bool | None:
    """Whether less of a figure is better; None where nothing tells."""
    if asked.figure not in METRICS:
        return True
    metric = asked.name or next(iter(monitored_metrics(column.facts)), "")
    return lower_is_better(column.facts, metric)


def why_not_comparable(column: Column, reference: Column, asked: Asked) -> str:
    """Why a figure of two columns says nothing about the two; empty where it does."""
    is_validated = asked.figure in METRICS or asked.figure in VALIDATION_LOSSES
    if is_validated and not have_same_samples(column, reference, "val"):
        return OTHER_VALIDATION
    is_loss = (asked.figure in LOSSES and not asked.name) or asked.figure in VALIDATION_LOSSES
    is_loss |= asked.figure in METRICS and "loss" in asked.name.lower()
    if is_loss and not has_one_loss([*column.facts, *reference.facts]):
        return OTHER_LOSSES
    is_trained = asked.figure in LOSSES or asked.figure in TERMS or asked.figure == "gradient_fluctuation"
    if is_trained and not have_same_samples(column, reference, "train"):
        return OTHER_TRAINING
    return ""


def have_same_samples(column: Column, other: Column, split: str) -> bool:
    """Whether nothing says that the runs of any seed had different samples in a split."""
    pairs = [(run.data_id.get(split), other.runs[seed].data_id.get(split)) for seed, run in column.runs.items()
             if seed in other.runs]  # fmt: skip
    return all(same_samples(a, b) is not False for a, b in pairs)


def _at(curve: Mapping[int, float], epoch: int | None) -> float:
    if not curve:
        return math.nan
    return curve.get(max(curve) if epoch is None else epoch, math.nan)


def _monitored(run: RunFacts) -> str:
    return next(iter(monitored_metrics([run])), "")


def _key(run: RunFacts) -> object:
    if run.config is None or run.is_fork or run.is_set:
        return run.name
    return ({name: value for name, value in run.config.items() if name not in SAME_RUN}, run.data)


def _first(runs: Mapping[int, RunFacts]) -> RunFacts:
    return next(iter(runs.values()))


def _told_apart(names: Sequence[str], k: int) -> str:
    before = sum(name == names[k] for name in names[:k])
    return f"{names[k]} ({before + 1})" if before else names[k]
