"""How many rows panels ask for, and how a column of them shares what there is. Pure; knows no widget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FRAME_ROWS = 2
"""Of a border above and below."""


@dataclass(frozen=True)
class Demand:
    """Rows that a panel asks for, its border included.

    Args:
        least: below which it says too little.
        wanted: at which all of it is there.
        weight: of its part in the rows that nobody needs; 0: it has no use for them.
    """

    least: int
    wanted: int = 0
    weight: int = 0

    @property
    def comfortable(self) -> int:
        """Rows where it stands below what fits the screen."""
        return max(self.least, self.wanted)


def shared_rows(demands: Sequence[Demand], height: int) -> list[int]:
    """Rows of each panel of a column, from the top.

    As many as fit with their least share the height: first those that have no use for more get what they want, then
    the others what they want, by their weights, then they share the rest; where there are none it stays empty, but a
    panel alone has all. The panels that do not fit follow below, where one scrolls to, none higher than what is seen
    at once.
    """
    first = num_fitting(demands, height)
    page, below = demands[:first], demands[first:]
    rows = [demand.least for demand in page]
    spare = height - sum(rows)
    for k, demand in enumerate(page):
        more = 0 if demand.weight else min(max(spare, 0), max(demand.wanted - demand.least, 0))
        rows[k], spare = rows[k] + more, spare - more
    while spare > 0 and (poorest := _poorest(page, rows)) is not None:
        rows[poorest], spare = rows[poorest] + 1, spare - 1
    weights = [demand.weight for demand in page]
    if len(page) == 1:
        weights = [1]
    if spare > 0 and any(weights):
        ends = [sum(weights[: k + 1]) * spare // sum(weights) for k in range(len(weights))]
        rows = [have + end - start for have, start, end in zip(rows, [0, *ends], ends, strict=False)]
    return [*rows, *(max(demand.least, min(demand.comfortable, height)) for demand in below)]


def _poorest(demands: Sequence[Demand], rows: Sequence[int]) -> int | None:
    """The panel that lacks rows and was given fewest for its weight; none: none lacks any."""
    lacking = [k for k, demand in enumerate(demands) if demand.weight and rows[k] < demand.wanted]
    return min(lacking, key=lambda k: (rows[k] - demands[k].least) / demands[k].weight, default=None)


def num_fitting(demands: Sequence[Demand], height: int) -> int:
    """How many panels from the top fit with their least; at least one."""
    total = 0
    for k, demand in enumerate(demands):
        total += demand.least
        if total > height:
            return max(k, 1)
    return len(demands)
