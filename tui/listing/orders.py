"""In which order runs are listed: columns to sort by, pinned runs first, trials of a study together. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from trainctl.tui.compare.comparison import lower_is_better
from trainctl.tui.listing.listed import Listed
from trainctl.tui.words.runs import SYMBOLS, run_state_word

Value = Any
"""A number, a text, or a pair of both; None: the run has none and comes last, whichever the direction."""
STATES = tuple(SYMBOLS)
AGE = "age"
"""The column that is sorted by at first."""


def _best(run: Listed) -> Value:
    """By metric; of one metric the better first."""
    best = run.info.best
    if best is None or math.isnan(best.value):
        return None
    return best.metric, best.value if lower_is_better((), best.metric) else -best.value


def _number(value: float) -> Value:
    return None if math.isnan(value) else value


def _study(run: Listed) -> Value:
    trial = run.info.trial
    return (trial.study, float(trial.number or 0)) if trial else None


VALUES: dict[str, Callable[[Listed], Value]] = {
    "run": lambda run: run.info.name.lower(),
    "state": lambda run: float(STATES.index(run_state_word(run.info))),
    "study": _study,
    "preset": lambda run: run.info.preset.lower() or None,
    "best": _best,
    "loss": lambda run: _number(run.last_loss),
    "step": lambda run: -float(run.info.step),
    "epoch": lambda run: -float(run.info.epoch),
    "took": lambda run: -run.info.seconds,
    AGE: lambda run: -run.info.started,
}
"""What is compared by name of the column, as it stands first: the newest, the best, the most, the lowest loss."""


@dataclass(frozen=True)
class Order:
    """An order of a list.

    Args:
        column: of `VALUES`.
        is_inverted: the other way round.
        by_study: the trials of one study stand together, under its name.
    """

    column: str = AGE
    is_inverted: bool = False
    by_study: bool = False

    def sorted(self, runs: Iterable[Listed]) -> list[Listed]:
        """Pinned runs, then the others; of equal ones the newest first."""
        value = VALUES[self.column]
        newest = sorted(runs, key=lambda run: (run.info.started, run.info.name), reverse=True)
        valued = [(value(run), run) for run in newest]
        there = [(one, run) for one, run in valued if one is not None]
        # Not `reverse=True` of equal ones: they keep their order.
        there.sort(key=lambda pair: pair[0], reverse=self.is_inverted)
        found = [run for _, run in there] + [run for one, run in valued if one is None]
        return sorted(found, key=lambda run: not run.is_pinned)

    def grouped(self, runs: Iterable[Listed]) -> list[tuple[str, list[Listed]]]:
        """Name of the study and its runs; first those that are pinned or of none, under no name."""
        found = self.sorted(runs)
        if not self.by_study:
            return [("", found)]
        groups: dict[str, list[Listed]] = {"": []}
        for run in found:
            groups.setdefault("" if run.is_pinned else run.study, []).append(run)
        return [(name, group) for name, group in groups.items() if group]


def study_words(runs: Sequence[Listed], *, are_trials: bool = True) -> str:
    """What is said of a study in its heading: how many trials, and the best."""
    judged = [run for run in runs if run.info.best and not math.isnan(run.info.best.value)]
    best = min(judged, key=lambda run: _best(run) or ("", math.inf), default=None)
    words = f"{len(runs)} {'trial' if are_trials else 'run'}{'' if len(runs) == 1 else 's'}"
    if best is None or best.info.best is None:
        return words
    return f"{words}, best {best.info.best.metric} {best.info.best.value:.4g}"
