"""A trial of a fix: the same training without and with it, and in which figures they differ. Pure; knows no file.

Over at least `LEAST_SEEDS` seeds differences are paired by seed and judged by their t-test, as everywhere in this
package, adjusted after Holm over the figures. Fewer seeds cannot tell chance between seeds: there a figure has to move
by `NOISES` times its own fluctuation within the trainings, and by `LEAST_SHARE` of itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from trainctl.tui.charts.axis import short
from trainctl.tui.compare.columns import Asked, Column, by_epoch, less_is_better, values_of, why_not_comparable
from trainctl.tui.compare.comparison import monitored_metrics
from trainctl.tui.compare.facts import RunFacts
from trainctl.tui.compare.intervals import NO_DIFFERENCE, Difference, difference, holm
from trainctl.tui.compare.over_seeds import p_words, plus_minus
from trainctl.tui.compare.verdicts import LEAST_SEEDS

Floats = NDArray[np.float64]
NOISES, LEAST_SHARE = 3.0, 0.05
"""With fewer than `LEAST_SEEDS` seeds: by how many deviations, and by which share of itself a figure has to move."""
LEVEL = 0.05
LATE = 0.25
"""Share of the steps at the end whose mean is the training loss of a trial."""
BLOCKS = 8
"""Stretches of them, whose means tell how sure that is."""
PRESENT, FIXED = "present", "fixed"


@dataclass(frozen=True)
class Arm:
    """One training of a trial."""

    facts: RunFacts | None
    """None: it never began."""
    losses: Floats
    """Training loss of each step, shape (steps,)."""
    terms: Mapping[str, Floats] = field(default_factory=dict[str, Floats])
    """Each loss term, unweighted, shape (steps,)."""
    is_finished: bool = True
    reason: str = ""
    """Why it is not finished."""
    has_finding: bool | None = None
    """Whether its records show what is to be mended; None: they cannot tell."""

    @property
    def is_sound(self) -> bool:
        """Whether it came to its end with a loss that is a number."""
        return self.is_finished and (not len(self.losses) or math.isfinite(_late(self.losses)))


@dataclass(frozen=True)
class Trial:
    """The trainings without and with a fix, by seed."""

    present: Mapping[int, Arm]
    fixed: Mapping[int, Arm]
    pace: float = 1.0
    """Steps of the fixed training that see as many samples as one of the present one's, where they are compared by
    that; else 1."""
    has_own_lengths: bool = False
    """Whether the fix is about how long it trains: then each is judged by its own end, else by what both have."""

    @property
    def seeds(self) -> list[int]:
        """Those of both."""
        return [seed for seed in self.present if seed in self.fixed]


@dataclass(frozen=True)
class TrialFigure:
    """One figure of both trainings."""

    label: str
    present: Mapping[int, float]
    """By seed."""
    fixed: Mapping[int, float]
    difference: Difference
    lower: bool | None
    """Whether less of it is better; None: nothing tells."""
    noise: float
    """Deviation of the difference by what happens within a training; NaN: unknown. Counts where seeds are few."""
    not_compared: str = ""
    """Why the two say nothing about each other; empty: they do."""

    @property
    def is_over_seeds(self) -> bool:
        """Whether there are pairs enough for an interval."""
        return self.difference.n >= LEAST_SEEDS

    @property
    def direction(self) -> int:
        """1: better with the fix; -1: worse; 0: no difference beyond noise, or none that can be judged."""
        if self.not_compared or self.lower is None or not self.difference.n:
            return 0
        gain = -self.difference.mean if self.lower else self.difference.mean
        return int(math.copysign(1, gain)) if gain and self._is_beyond_noise() else 0

    @property
    def words(self) -> str:
        """`accuracy 0.71 -> 0.93 (+0.22 ± 0.05, p 0.01)`."""
        before, after = (short(_mean(of), 4) if _has_value(of) else "-" for of in (self.present, self.fixed))
        pair = f"{self.label} {before} -> {after}"
        if self.not_compared or not self.difference.n:
            return f"{pair} ({self.not_compared or 'not in both'})"
        sign = "+" if self.difference.mean > 0 else ""
        if self.is_over_seeds:
            p = self.difference.p_holm if math.isfinite(self.difference.p_holm) else self.difference.p
            parts = [f"{sign}{plus_minus(self.difference.mean, self.difference.half)}", p_words(p)]
        else:
            known = f"noise within a training {short(self.noise, 2)}" if math.isfinite(self.noise) else "noise unknown"
            parts = [f"{sign}{short(self.difference.mean, 3)}", known]
        return f"{pair} ({', '.join(filter(None, parts))})"

    def _is_beyond_noise(self) -> bool:
        found = self.difference
        if self.is_over_seeds:
            return (found.p_holm if math.isfinite(found.p_holm) else found.p) < LEVEL
        size = max(abs(_mean(self.present)), abs(_mean(self.fixed)))
        return abs(found.mean) > NOISES * self.noise and abs(found.mean) >= LEAST_SHARE * size


def num_steps(arms: Mapping[int, Arm]) -> int:
    """Steps of the longest of them."""
    return max((len(arm.losses) for arm in arms.values()), default=0)


def trial_figures(trial: Trial) -> list[TrialFigure]:
    """The monitored metrics, the validation loss and the training loss, in the order in which they decide."""
    present, fixed = _column(PRESENT, trial.present), _column(FIXED, trial.fixed)
    names = [name for name in monitored_metrics([*present.facts, *fixed.facts]) if name != "loss"]
    asked = [*((name, Asked("final_metric", name)) for name in names)]
    asked.append(("validation loss", Asked("final_validation_loss")))
    found = [_validated(label, one, present, fixed) for label, one in asked]
    found.append(_trained(trial, present, fixed))
    found = [one for one in found if _has_value(one.present) or _has_value(one.fixed)]
    adjusted = holm([one.difference for one in found], least=2)  # any of them may decide
    return [replace(one, difference=known) for one, known in zip(found, adjusted, strict=True)]


def _column(name: str, arms: Mapping[int, Arm]) -> Column:
    return Column(name, name, {seed: arm.facts for seed, arm in arms.items() if arm.facts is not None})


def _validated(label: str, asked: Asked, present: Column, fixed: Column) -> TrialFigure:
    of, to = values_of(fixed, asked, present), values_of(present, asked, present)
    lower = less_is_better(present if present.runs else fixed, asked)
    why = why_not_comparable(fixed, present, asked)
    metric = asked.name or "loss"
    spreads = [_validation_noise(run, metric) for column in (present, fixed) for run in column.facts]
    return TrialFigure(label, to, of, _difference(of, to, why), lower, _noise(spreads), why)


def _trained(trial: Trial, present: Column, fixed: Column) -> TrialFigure:
    """The training loss, or the first term of it where the losses are of different kinds."""
    why, label = why_not_comparable(fixed, present, Asked("final_loss")), "training loss"
    term = next((run.main_term for run in present.facts), "")
    if why and term and not why_not_comparable(fixed, present, Asked("final_term", term)):
        why, label = "", f"training {term}"

    def curve(arm: Arm) -> Floats:
        return arm.losses if label == "training loss" else arm.terms.get(term, np.empty(0))

    ours, theirs = ({seed: curve(arm) for seed, arm in arms.items()} for arms in (trial.present, trial.fixed))
    for seed in () if trial.has_own_lengths else trial.seeds:
        shared = min(len(ours[seed]), round(len(theirs[seed]) / trial.pace))
        if shared:  # one of them may have been stopped by the clock
            ours[seed], theirs[seed] = ours[seed][:shared], theirs[seed][: round(shared * trial.pace)]
    to = {seed: _late(losses) for seed, losses in ours.items()}
    of = {seed: _late(losses) for seed, losses in theirs.items()}
    spreads = [_late_noise(losses) for losses in (*ours.values(), *theirs.values())]
    return TrialFigure(label, to, of, _difference(of, to, why), True, _noise(spreads), why)


def _difference(of: Mapping[int, float], to: Mapping[int, float], why: str) -> Difference:
    return NO_DIFFERENCE if why else difference(of, to)


def _late(losses: Floats) -> float:
    late = losses[-max(round(len(losses) * LATE), 1) :]
    return float(late.mean()) if len(late) else math.nan


def _late_noise(losses: Floats) -> float:
    """Standard error of `_late`, by the means of its stretches: what the loss fell meanwhile counts as noise."""
    late = losses[-max(round(len(losses) * LATE), 1) :]
    if len(late) < 2 * BLOCKS:
        return math.nan
    means = [float(block.mean()) for block in np.array_split(late, BLOCKS)]
    return float(np.std(means, ddof=1)) / math.sqrt(BLOCKS)


def _validation_noise(run: RunFacts, metric: str) -> float:
    """How much a validation figure goes up and down, and of a share also by how few samples it is of; NaN: unknown."""
    values = np.array(list(by_epoch(run, metric).values()), np.float64)
    late = values[len(values) // 2 :] if len(values) >= 6 else values
    jumps = float(np.std(np.diff(late), ddof=1)) / math.sqrt(2) if len(late) >= 3 else math.nan
    about = run.data_id.get("val")
    num = about.get("num") if isinstance(about, dict) else None
    is_share = metric != "loss" and len(values) > 0 and 0 <= values[-1] <= 1
    if isinstance(num, int) and num > 0 and is_share:
        share = min(max(float(values[-1]), 1 / (num + 2)), 1 - 1 / (num + 2))  # a share of 0 or 1 is not certain
        sampled = math.sqrt(share * (1 - share) / num)
        return sampled if math.isnan(jumps) else max(sampled, jumps)
    return jumps


def _noise(spreads: Sequence[float]) -> float:
    """Of the difference of two, from the largest known one; NaN: none is known."""
    known = [one for one in spreads if math.isfinite(one)]
    return math.sqrt(2) * max(known) if known else math.nan


def _has_value(values: Mapping[int, float]) -> bool:
    return any(not math.isnan(value) for value in values.values())


def _mean(values: Mapping[int, float]) -> float:
    known = [value for value in values.values() if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
