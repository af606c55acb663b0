"""The figures of columns of several seeds: mean ± interval, differences to the first column, as lines. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainctl.tui.charts.axis import short
from trainctl.tui.compare.columns import (
    Asked,
    Column,
    less_is_better,
    missed,
    values_of,
    why_not_comparable,
)
from trainctl.tui.compare.comparison import NO_VALUE, NOT_RANKED, CompareRow, has_one_loss, monitored_metrics
from trainctl.tui.compare.intervals import NO_DIFFERENCE, Difference, Estimate, difference, estimate, holm

MOST_DECIMALS = 9


@dataclass(frozen=True)
class SeedFigure:
    """One figure, of each column; the first column is the reference."""

    asked: Asked
    label: str
    values: tuple[Mapping[int, float], ...]
    """By seed; NaN where a run has none."""
    estimates: tuple[Estimate, ...]
    missed: tuple[int, ...]
    """Runs of each column that did not reach the reference's loss; nought for other figures."""
    differences: tuple[Difference, ...]
    """To the first column, which itself has none."""
    not_compared: tuple[str, ...]
    """Why there is no difference; empty where there is one."""
    best: frozenset[int]
    """Columns with the best mean; empty where there is nothing to choose."""


def has_several(columns: Sequence[Column]) -> bool:
    """Whether any column has more than one run."""
    return any(len(column.runs) > 1 for column in columns)


def seed_figures(columns: Sequence[Column], metric: str = "") -> list[SeedFigure]:
    """Every figure that any column has; `metric` alone instead of every metric that a run monitors."""
    facts = [run for column in columns for run in column.facts]
    asked: list[tuple[Asked, str]] = []
    for name in [metric] if metric else monitored_metrics(facts):
        asked += [(Asked("best_metric", name), f"best {name}"), (Asked("final_metric", name), f"final {name}")]
    asked += [
        (Asked("final_validation_loss"), "final validation loss"),
        (Asked("final_loss"), "final training loss"),
        (Asked("epochs_to_reference_loss"), "epochs to reference's loss"),
        (Asked("fluctuation"), "fluctuation"),
        (Asked("largest_rise"), "largest rise"),
        *_of_the_main_term(columns),
        (Asked("gradient_fluctuation"), "gradient fluctuation"),
        (Asked("seconds"), "seconds"),
    ]
    found = [_figure(columns, one, label) for one, label in asked]
    return [one for one in found if any(estimated.n for estimated in one.estimates) or any(one.missed)]


def _of_the_main_term(columns: Sequence[Column]) -> list[tuple[Asked, str]]:
    """Where losses are of different kinds: the first term of the reference, which may be what they have in common."""
    term = next((run.main_term for run in columns[0].facts), "")
    if not term or has_one_loss([run for column in columns for run in column.facts]):
        return []
    return [
        (Asked("final_term", term), f"final training {term}"),
        (Asked("epochs_to_reference_loss", term), f"epochs to reference's {term}"),
        (Asked("fluctuation", term), f"fluctuation of {term}"),
    ]


def _figure(columns: Sequence[Column], asked: Asked, label: str) -> SeedFigure:
    reference = columns[0]
    values = tuple(values_of(column, asked, reference) for column in columns)
    reasons = tuple(why_not_comparable(column, reference, asked) for column in columns)
    plain = [NO_DIFFERENCE if k == 0 or reasons[k] else difference(values[k], values[0]) for k in range(len(columns))]
    is_counted = asked.figure == "epochs_to_reference_loss"
    lost = tuple(
        missed(column, asked, reference, of) if is_counted and not why else 0
        for column, of, why in zip(columns, values, reasons, strict=True)
    )
    estimates = tuple(
        Estimate(math.nan, math.nan, 0) if is_counted and why else estimate(list(of.values()))
        for of, why in zip(values, reasons, strict=True)
    )
    best = frozenset[int]() if any(reasons) or any(lost) else _best(estimates, less_is_better(reference, asked))
    return SeedFigure(asked, label, values, estimates, lost, tuple(holm(plain)), reasons, best)


def _best(estimates: Sequence[Estimate], lower: bool | None) -> frozenset[int]:
    known = {k: one.mean for k, one in enumerate(estimates) if one.n}
    if lower is None or len(set(known.values())) < 2:
        return frozenset()
    top = (min if lower else max)(known.values())
    return frozenset(k for k, mean in known.items() if mean == top)


def mean_rows(columns: Sequence[Column], figures: Sequence[SeedFigure]) -> list[CompareRow]:
    """A line for each figure: mean ± interval, how many seeds where not all have it, how many never got there."""
    states = [dict(Counter(run.state for run in column.facts)) for column in columns]
    words = tuple(", ".join(f"{n} {state}" for state, n in found.items()) or "no run" for found in states)
    rows = [CompareRow("runs", words, words)]
    for one in figures:
        cells = tuple(
            _cell(estimated, lost, len(column.wanted or column.runs))
            for estimated, lost, column in zip(one.estimates, one.missed, columns, strict=True)
        )
        rows.append(CompareRow(one.label, tuple(e.mean for e in one.estimates), cells, one.best))
    return rows


def difference_rows(figures: Sequence[SeedFigure]) -> list[CompareRow]:
    """A line for each figure with a cell for each column but the first."""
    rows: list[CompareRow] = []
    for one in figures:
        cells = tuple(why or _difference(d) for d, why in zip(one.differences, one.not_compared, strict=True))[1:]
        rows.append(CompareRow(one.label, tuple(d.mean for d in one.differences[1:]), cells))
    return [row for row in rows if any(cell != NO_VALUE for cell in row.cells)]


def notes(columns: Sequence[Column], figures: Sequence[SeedFigure]) -> list[str]:
    """What has to be said below the tables."""
    reasons = {why for one in figures for why in one.not_compared}
    found = [words for why, words in NOT_RANKED.items() if why in reasons]
    facts = [run for column in columns for run in column.facts]
    kinds = ["forked"] * any(run.is_fork for run in facts) + ["changed by hand"] * any(run.is_set for run in facts)
    return [*found, *(f"some runs were {kind}" for kind in kinds)]


def plus_minus(mean: float, half: float) -> str:
    """`0.954 ± 0.012`: two digits of the interval say how many the mean has."""
    if not math.isfinite(mean):
        return NO_VALUE
    if not math.isfinite(half) or half == 0:
        return short(mean, 4) + (" ± 0" if half == 0 else "")
    decimals = 1 - math.floor(math.log10(half))
    if decimals > MOST_DECIMALS or max(abs(mean), half) >= 1e9:
        return f"{short(mean, 4)} ± {short(half, 2)}"
    places = max(decimals, 0)
    return f"{mean:.{places}f} ± {half:.{places}f}"


def p_words(p: float) -> str:
    """`p 0.031`, `p < 0.001`; empty where there is none."""
    if not math.isfinite(p):
        return ""
    return "p < 0.001" if p < 0.001 else f"p {p:.2g}"


def _cell(estimated: Estimate, lost: int, wanted: int) -> str:
    parts = [f"n {estimated.n}"] if estimated.n and estimated.n != wanted else []
    parts += [f"{lost} not reached"] if lost else []
    text = plus_minus(estimated.mean, estimated.half)
    return f"{text} ({', '.join(parts)})" if parts else text


def _difference(found: Difference) -> str:
    if not found.n:
        return NO_VALUE
    p = p_words(found.p_holm if math.isfinite(found.p_holm) else found.p)
    sign = "+" if found.mean > 0 else ""
    return f"{sign}{plus_minus(found.mean, found.half)}  {p or NO_VALUE}  n {found.n}"
