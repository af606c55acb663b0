"""Figures of several seeds as text: mean, least and greatest, and Markdown tables. Knows no run and no task."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Mean, least and greatest of some figures; all NaN where one is not a number."""

    mean: float
    low: float
    high: float

    def text(self, digits: int) -> str:
        """`mean (low - high)`, or the mean alone where the three print alike."""
        if math.isnan(self.mean):
            return "not a number"
        mean, low, high = (f"{value:.{digits}f}" for value in (self.mean, self.low, self.high))
        return mean if mean == low == high else f"{mean} ({low} - {high})"


def spread(values: Iterable[float]) -> Spread:
    """Of one figure for each seed.

    Raises:
        ValueError: there is none.
    """
    figures = list(values)
    if not figures:
        raise ValueError("no figures")
    if any(math.isnan(figure) for figure in figures):
        return Spread(math.nan, math.nan, math.nan)
    return Spread(math.fsum(figures) / len(figures), min(figures), max(figures))


def band(curves: Sequence[Mapping[int, float]]) -> dict[int, Spread]:
    """Spread over the curves at every epoch that all of them have, in order."""
    shared = set(curves[0]).intersection(*curves[1:]) if curves else set[int]()
    return {epoch: spread(curve[epoch] for curve in curves) for epoch in sorted(shared)}


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table.

    Raises:
        ValueError: a row is not as long as the header.
    """
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"{len(row)} cells under {len(header)} titles: {row}")
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def section(title: str, table: str) -> str:
    """A table under a heading."""
    return f"### {title}\n\n{table}\n"
