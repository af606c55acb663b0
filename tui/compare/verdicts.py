"""What documents promise in figures, held against what several seeds measured: a verdict and why. Pure.

`docs/compare.md` defines the verdicts; what is not stated in figures is not judged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from trainctl.engine.config.presets import Bounds, Promised
from trainctl.tui.charts.axis import short
from trainctl.tui.compare.columns import (
    OF_A_CURVE,
    Asked,
    Column,
    less_is_better,
    missed,
    values_of,
    why_not_comparable,
)
from trainctl.tui.compare.intervals import Estimate, estimate
from trainctl.tui.compare.over_seeds import plus_minus

LEAST_SEEDS = 3
NOTHING = Estimate(math.nan, math.nan, 0)


class Word(StrEnum):
    """The verdicts."""

    CONFIRMED = "confirmed"
    NOT_CONFIRMED = "not confirmed"
    CONTRADICTED = "contradicted"
    NOT_MEASURABLE = "not measurable"

    @property
    def meaning(self) -> str:
        """How good or bad that is, in the words of `words.styles`."""
        return {"confirmed": "ok", "not confirmed": "warning", "contradicted": "error"}.get(self.value, "dim")


@dataclass(frozen=True)
class Judged:
    """One promise of one column."""

    section: str
    text: str
    promised: str
    """In figures; empty where it is stated in words alone."""
    measured: Estimate
    """In percent for a change."""
    word: Word
    why: str = ""
    figure: str = ""
    is_change: bool = False

    @property
    def measured_words(self) -> str:
        """Mean ± interval; a change with its sign."""
        sign = "+" if self.is_change and self.measured.mean > 0 else ""
        unit = " %" if self.is_change and self.measured.n else ""
        return f"{sign}{plus_minus(self.measured.mean, self.measured.half)}{unit}"


def judgements(column: Column, columns: Sequence[Column]) -> list[Judged]:
    """Every promise of a column's preset, those in words last; the first of `columns` is the reference."""
    found: list[Judged] = []
    for stated in _list(column.about.get("promised")):
        try:
            promised = Promised.model_validate(stated)
        except ValueError:
            found.append(_unjudged("a promise that cannot be understood", "its figures are not as they should be"))
        else:
            found.append(_judged(promised, column, columns))
    in_figures = {one.text for one in found}
    words = [str(text) for text in _list(column.about.get("promises"))]
    return [*found, *(_unjudged(text, "not stated in figures") for text in words if text not in in_figures)]


def verdict(
    measured: Estimate, bounds: Bounds, *, more_is_better: bool, both_sides: bool = False, is_change: bool = False
) -> Word:
    """The word for an interval and promised bounds.

    Args:
        measured: mean and interval of at least `LEAST_SEEDS` seeds.
        bounds: from, to; None: no bound.
        more_is_better: on which side of the bounds the figure is better than promised.
        both_sides: whether that side breaks the promise as well.
        is_change: of an improvement in percent, nought is no change: what is not below it is no contradiction.
    """
    low, high = (math.copysign(math.inf, sign) if b is None else b for b, sign in zip(bounds, (-1, 1), strict=True))
    # Turned so that more is better: the least that is promised is what counts.
    worst, best = (measured.low, measured.high) if more_is_better else (-measured.high, -measured.low)
    least = low if more_is_better else -high
    if both_sides or not math.isfinite(least):  # "at most so much better" has no other meaning than its words
        if low <= measured.low and measured.high <= high:
            return Word.CONFIRMED
        is_outside = measured.high < low or measured.low > high
        return Word.CONTRADICTED if is_outside else Word.NOT_CONFIRMED
    if worst >= least:
        return Word.CONFIRMED
    limit = min(least, 0.0) if is_change else least
    return Word.CONTRADICTED if best < limit else Word.NOT_CONFIRMED


def _judged(promised: Promised, column: Column, columns: Sequence[Column]) -> Judged:
    is_change = promised.change is not None
    bounds = promised.change or promised.value or (None, None)
    asked = Asked(promised.figure, promised.name, promised.at)

    def result(word: Word, why: str = "", measured: Estimate = NOTHING) -> Judged:
        stated = f"{_named(asked)} {_range(bounds, is_change=is_change)}"
        return Judged(promised.section, promised.text, stated, measured, word, why, promised.figure, is_change)

    reference = _reference(promised, column, columns)
    if isinstance(reference, str):
        return result(Word.NOT_MEASURABLE, reference)
    of_reference = is_change or promised.figure == "epochs_to_reference_loss"
    why = why_not_comparable(column, reference, asked) if of_reference else ""
    if why:
        return result(Word.NOT_MEASURABLE, why)
    values = values_of(column, asked, reference)
    lost = missed(column, asked, reference, values) if promised.figure == "epochs_to_reference_loss" else 0
    lower = less_is_better(column, asked)
    if lower is None and not promised.both_sides:
        return result(Word.NOT_MEASURABLE, "it is not known whether more or less of it is better")
    if is_change:
        values = _changes(values, values_of(reference, asked, reference), lower=bool(lower))
    measured = estimate(list(values.values()))
    if lost:
        return result(Word.NOT_CONFIRMED, f"{lost} of {len(values)} runs did not reach that loss", measured)
    if measured.n < LEAST_SEEDS:
        return result(Word.NOT_MEASURABLE, _too_few(column, asked, measured), measured)
    word = verdict(
        measured, bounds, more_is_better=is_change or not lower, both_sides=promised.both_sides, is_change=is_change
    )
    return result(word, "", measured)


def _reference(promised: Promised, column: Column, columns: Sequence[Column]) -> Column | str:
    """What a promise is relative to; in words, why there is none."""
    is_relative = promised.change is not None or promised.figure == "epochs_to_reference_loss"
    if not is_relative:
        return column
    if promised.against:
        found = next((other for other in columns if other.preset == promised.against), None)
    else:
        found = columns[0]
    if found is None:
        return f"it is about {promised.against}, which is not compared"
    return found if found is not column else "the reference cannot be compared with itself"


def _changes(of: Mapping[int, float], to: Mapping[int, float], *, lower: bool) -> dict[int, float]:
    """Improvement in percent of the reference, by seed; nothing where the reference is nought."""
    sign = -100.0 if lower else 100.0
    return {seed: sign * (of[seed] - to[seed]) / abs(to[seed]) for seed in of if to.get(seed)}


def _too_few(column: Column, asked: Asked, measured: Estimate) -> str:
    if len(column.runs) < LEAST_SEEDS:
        return f"fewer than {LEAST_SEEDS} seeds"
    if asked.at is not None and not measured.n:
        return f"no run has the figure at epoch {asked.at}"
    return f"the figure has a value in {measured.n} of {len(column.runs)} runs"


def _unjudged(text: str, why: str) -> Judged:
    return Judged("", text, "", NOTHING, Word.NOT_MEASURABLE, why)


def _named(asked: Asked) -> str:
    words = asked.figure.replace("_", " ").removeprefix("epoch ")
    if asked.name:
        named = words.replace("metric", asked.name).replace("term", asked.name)
        words = f"{words} of {asked.name}" if asked.figure in OF_A_CURVE else named
    return words if asked.at is None else f"{words} at epoch {asked.at}"


def _range(bounds: Bounds, *, is_change: bool) -> str:
    low, high = bounds
    unit = " %" if is_change else ""
    if low is None:
        return f"<= {short(high or 0.0, 4)}{unit}"
    if high is None:
        return f">= {short(low, 4)}{unit}"
    return f"{short(low, 4)} to {short(high, 4)}{unit}"


def _list(value: Any) -> Sequence[Any]:
    return cast("Sequence[Any]", value) if isinstance(value, (list, tuple)) else ()
