"""Runs side by side: final figures and difference of configuration, a line each with a cell for each run. Pure.

What the lines mean is decided here, for the screen and for the command line alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainctl.tui.charts.axis import duration, short
from trainctl.tui.compare.facts import RunFacts
from trainctl.tui.compare.samples import SPLITS, are_same, differ, sample_words
from trainctl.tui.run.results import WEIGHTS

BEST_MARK = "*"
"""Stands behind the best value of a row."""
LOWER_IS_BETTER = ("loss", "error", "mae", "mse", "rmse", "nll", "ece", "brier", "fpr", "fnr")
HIGHER_IS_BETTER = ("f1", "accuracy", "precision", "recall", "auroc", "auc", "map", "srcc", "plcc", "kappa", "iou")
NO_VALUE = "-"


@dataclass(frozen=True)
class CompareRow:
    """One line of a table: a cell for each run."""

    label: str
    values: tuple[Any, ...]
    """Plain data; None where a run has none."""
    cells: tuple[str, ...]
    best: frozenset[int] = frozenset()
    """Which cells are the best of the line; empty where there is nothing to choose."""

    def shown(self) -> list[str]:
        """The cells, the best ones marked."""
        return [f"{cell} {BEST_MARK}" if k in self.best else cell for k, cell in enumerate(self.cells)]


def config_rows(runs: Sequence[RunFacts]) -> list[CompareRow]:
    """A line for each value in which the runs that have a configuration differ."""
    rows = _data_rows(runs)
    known = [run.config for run in runs if run.config is not None]
    names = list(dict.fromkeys(name for config in known for name in config))
    for name in names:
        if all(config.get(name) == known[0].get(name) and name in config for config in known):
            continue
        values = tuple(None if run.config is None else run.config.get(name) for run in runs)
        cells = tuple("?" if run.config is None else _plain(run.config.get(name)) for run in runs)
        rows.append(CompareRow(name, values, cells))
    return rows


def _data_rows(runs: Sequence[RunFacts]) -> list[CompareRow]:
    """Where the data came from, and which samples they are, where the runs differ in that."""
    rows: list[CompareRow] = []
    # A folder that was moved is no other data.
    if len({run.data for run in runs if run.data}) > 1 and not all(are_same(runs, split) for split in SPLITS):
        rows.append(_words("data", [run.data for run in runs]))
    return rows + [_words(f"{split} samples", sample_words(runs, split)) for split in SPLITS if differ(runs, split)]


def has_one_validation(runs: Sequence[RunFacts]) -> bool:
    """Whether nothing says that the runs were validated on different samples."""
    return not differ(runs, "val")


def has_one_training(runs: Sequence[RunFacts]) -> bool:
    """Whether nothing says that the runs were trained on different samples."""
    return not differ(runs, "train")


OTHER_LOSSES = "losses of different kinds"
OTHER_TRAINING = "trained on different samples"
OTHER_VALIDATION = "validated on different samples"
NOT_RANKED = {
    OTHER_LOSSES: "the losses are of different kinds and are not ranked",
    OTHER_TRAINING: "the runs were trained on different samples, so their training losses are not ranked",
    OTHER_VALIDATION: "the runs were validated on different samples, so what they reached is not ranked",
}
"""Why figures are not compared, and what is said of it below a table."""


def not_ranked(runs: Sequence[RunFacts]) -> list[str]:
    """What has to be said below a table of these runs."""
    is_so = {
        OTHER_LOSSES: not has_one_loss(runs),
        OTHER_TRAINING: not has_one_training(runs),
        OTHER_VALIDATION: not has_one_validation(runs),
    }
    return [NOT_RANKED[why] for why, holds in is_so.items() if holds]


def figure_rows(runs: Sequence[RunFacts], metric: str = "") -> list[CompareRow]:
    """Final figures; `metric` alone instead of every metric that a run monitors."""
    monitored = [metric] if metric else monitored_metrics(runs)
    rows = [_words("state", [run.state for run in runs])]
    for name in monitored:
        rows += _best_rows(runs, name)
    rows += _last_rows(runs, metric)
    # The losses of two kinds of loss, or of other samples, say nothing about each other.
    lower = True if has_one_loss(runs) and has_one_training(runs) else None
    rows.append(figures_row("training loss", [run.last_loss for run in runs], lower))
    rows.append(figures_row("loss fluctuation", [run.fluctuation() for run in runs], lower))
    if lower and runs and math.isfinite(runs[0].last_loss):
        reach = [run.epochs_to(runs[0].last_loss) for run in runs]
        rows.append(figures_row(f"epochs to loss {short(runs[0].last_loss)}", reach, True))
    rows += [
        figures_row("steps", [float(run.steps) for run in runs], None, _whole),
        figures_row("epochs", [float(run.epochs) for run in runs], None),
        figures_row("time", [run.seconds for run in runs], None, duration),
        figures_row("samples/s", [run.samples_per_s for run in runs], False),
        _words("not finite from", [f"step {run.first_nonfinite}" if run.first_nonfinite else "" for run in runs]),
        _words("findings", [run.judged for run in runs]),
        _words("changed by hand", [_times(len(run.interventions)) for run in runs]),
    ]
    return [row for row in rows if any(cell != NO_VALUE for cell in row.cells)]


def monitored_metrics(runs: Sequence[RunFacts]) -> list[str]:
    """What decides which checkpoints are best; where no run says, the first metric that is no loss."""
    found = list(dict.fromkeys(run.monitor for run in runs if run.monitor))
    others = (name for run in runs for name in run.metrics() if "loss" not in name.lower())
    return found or [name for name in [next(others, "")] if name]


def has_one_loss(runs: Sequence[RunFacts]) -> bool:
    """Whether the configurations say that all runs minimise the same thing; so does a lack of them."""
    losses = [
        {name: value for name, value in run.config.items() if _shapes_loss(name, run.config)}
        for run in runs
        if run.config is not None
    ]
    return all(loss == losses[0] for loss in losses)


def _shapes_loss(name: str, config: Mapping[str, Any]) -> bool:
    """Whether a setting decides what is minimised; those of the weighting do where weights change at all."""
    section = name.partition(".")[0]
    is_scheduled = name.startswith(("weighting.ramp.", "weighting.delay."))
    adapts = section == "weighting" and bool(config.get("weighting.adaptive"))
    return section in ("task", "loss", "loss_weights") or is_scheduled or adapts


def lower_is_better(runs: Sequence[RunFacts], metric: str) -> bool | None:
    """Whether less of a metric is better; None where nothing tells."""
    modes = {run.monitor_mode for run in runs if run.monitor == metric and run.monitor_mode}
    if len(modes) == 1:
        return modes == {"min"}
    words = metric.lower().replace("-", "_").replace(".", "_").split("_")
    if any(word in LOWER_IS_BETTER for word in words):
        return True
    return False if any(word in HIGHER_IS_BETTER for word in words) else None


def _best_rows(runs: Sequence[RunFacts], metric: str) -> list[CompareRow]:
    lower = lower_is_better(runs, metric)
    reached = [run.best(metric, lower=bool(lower)) for run in runs]
    values = [one.value if one else math.nan for one in reached]
    is_loss = "loss" in metric.lower() and not has_one_loss(runs)
    cannot_rank = is_loss or not has_one_validation(runs)
    return [
        figures_row(f"best {metric}", values, None if cannot_rank else lower),
        _words("  at epoch", [str(one.epoch) if one and one.epoch else "" for one in reached]),
        _words("  weights", [one.weights if one else "" for one in reached]),
    ]


def _last_rows(runs: Sequence[RunFacts], metric: str) -> Iterable[CompareRow]:
    """The last validation of each metric, raw and averaged weights."""
    names = [metric] if metric else list(dict.fromkeys(name for run in runs for name in run.metrics()))
    for name in names:
        lower = lower_is_better(runs, name)
        if not has_one_validation(runs) or ("loss" in name.lower() and not has_one_loss(runs)):
            lower = None
        for weights in WEIGHTS:
            values = [_last(run, name, weights) for run in runs]
            if any(math.isfinite(value) for value in values):
                yield figures_row(f"last val {name}{' ema' if weights == 'ema' else ''}", values, lower)


def _last(run: RunFacts, metric: str, weights: str) -> float:
    found = (values for _, _, which, values in reversed(run.validations) if which == weights)
    return next(found, {}).get(metric, math.nan)


def _words(label: str, cells: Sequence[str]) -> CompareRow:
    return CompareRow(label, tuple(cell or None for cell in cells), tuple(cell or NO_VALUE for cell in cells))


def figures_row(
    label: str, values: Sequence[float], lower: bool | None, words: Callable[[float], str] | None = None
) -> CompareRow:
    """A line of figures; `lower`: whether less is better, None where nothing is."""
    known = {k: value for k, value in enumerate(values) if math.isfinite(value)}
    best: frozenset[int] = frozenset()
    if lower is not None and len(known) > 1 and len(set(known.values())) > 1:
        top = min(known.values()) if lower else max(known.values())
        best = frozenset(k for k, value in known.items() if value == top)
    cells = tuple((words or _four)(value) if math.isfinite(value) else NO_VALUE for value in values)
    return CompareRow(label, tuple(known.get(k) for k in range(len(values))), cells, best)


def _four(value: float) -> str:
    return short(value, 4)


def _whole(value: float) -> str:
    return f"{value:.0f}"


def _times(number: int) -> str:
    return "" if not number else "once" if number == 1 else f"{number} times"


def _plain(value: Any) -> str:
    if value is None:
        return NO_VALUE
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def epoch_rows(facts: Sequence[RunFacts], metric: str) -> list[CompareRow]:
    """A line for each epoch; of two sets of weights the better one, as `best` is over both."""
    lower = lower_is_better(facts, metric)
    better = min if lower else max
    rank = lower if has_one_validation(facts) else None
    table: list[dict[int, float]] = []
    for run in facts:
        column: dict[int, float] = {}
        for epoch, _, _, values in run.validations:
            if metric in values:
                column[epoch] = better(column.get(epoch, values[metric]), values[metric])
        table.append(column)
    epochs = sorted({epoch for column in table for epoch in column})
    nothing = float("nan")
    return [figures_row(f"epoch {epoch}", [column.get(epoch, nothing) for column in table], rank) for epoch in epochs]
