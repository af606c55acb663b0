"""Numbers for people: value ranges with room around them, round ticks, and short labels. Pure functions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

TINY = 1e-300
"""Below this a range cannot be divided any more."""


@dataclass(frozen=True)
class Axis:
    """A value axis from `lo` to `hi`, both finite, lo < hi, and lo > 0 when logarithmic."""

    lo: float
    hi: float
    log: bool = False

    def place(self, value: float) -> float:
        """Where a value lies: 0 at `lo`, 1 at `hi`; below 0 for what a log axis cannot show."""
        if self.log:
            if value <= 0:
                return -1.0
            return (math.log(value) - math.log(self.lo)) / (math.log(self.hi) - math.log(self.lo))
        return (value / 2 - self.lo / 2) / (self.hi / 2 - self.lo / 2)


def fit_axis(lo: float, hi: float, *, log: bool = False) -> Axis:
    """An axis that shows all values between two finite ones, with room when they are equal.

    On a log axis `lo` must be the smallest *positive* value; with none (hi <= 0), or none but what is as good as
    nothing, the axis is linear.
    """
    if log and hi > TINY:
        lo = lo if lo > 0 else hi / 10
        if hi / lo < 1.05:
            lo, hi = lo / 2, hi * 2
        return Axis(lo, hi, log=True)
    span = hi - lo
    if span <= max(abs(lo), abs(hi)) * 1e-7 or span < TINY:
        room = max(abs(hi) * 0.1, TINY * 10) if hi else 1.0
        return Axis(lo - room, hi + room)
    return Axis(lo, hi)


def ticks(axis: Axis, most: int) -> list[float]:
    """At most `most` round values within the axis, ascending."""
    if most <= 0:
        return []
    found = _log_ticks(axis, most) if axis.log else linear_ticks(axis.lo, axis.hi, most)
    return found or linear_ticks(axis.lo, axis.hi, most)


def linear_ticks(lo: float, hi: float, most: int) -> list[float]:
    rough = (hi / 2 - lo / 2) / most * 2
    if not math.isfinite(rough) or rough < TINY:
        return []
    power = 10.0 ** math.floor(math.log10(rough))
    for step in (power * m for m in (1.0, 2.0, 2.5, 5.0, 10.0, 20.0, 25.0, 50.0)):
        first, last = math.ceil(lo / step - 1e-9), math.floor(hi / step + 1e-9)
        if last - first + 1 <= most:
            return [k * step for k in range(first, last + 1)]
    return []


def _log_ticks(axis: Axis, most: int) -> list[float]:
    first, last = math.ceil(math.log10(axis.lo) - 1e-9), math.floor(math.log10(axis.hi) + 1e-9)
    decades = last - first + 1
    if decades > most:
        every = math.ceil(decades / most)
        return [10.0**k for k in range(first, last + 1) if (k - first) % every == 0]
    for multiples in (range(1, 10), (1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        values = [m * 10.0**k for k in range(first - 1, last + 1) for m in multiples]
        inside = [v for v in values if axis.lo * (1 - 1e-9) <= v <= axis.hi * (1 + 1e-9)]
        if 2 <= len(inside) <= most:
            return inside
    return []


MULTIPLES = (1.0, 2.0, 2.5, 5.0)
"""Round distances of values, times a power of ten."""
MOST_LABELS = 7
FEW_WORTH = 1.2
"""How much more room may stay empty for a third label."""
DECADES_A_ROW = (
    *(1 / rows for rows in (100, 70, 50, 40, 30, 23, 20, 17, 13, 10, 7, 6, 4, 3, 2)),
    *(1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0),
)
"""Steps of a logarithmic axis at which 1, 2 and 5, or 1 and 3, or the decades lie in the middle of rows."""
LOG_SETS = ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,), (1.0, 1.25, 1.6, 2.0, 2.5, 3.15, 4.0, 5.0, 6.3, 8.0))
OFF = 0.21
"""Part of a row by which a value may lie beside its middle: less than a dot of braille."""


@dataclass(frozen=True)
class Labelled:
    """An axis, and the row of cells in the middle of which each of its round values lies."""

    axis: Axis
    rows: dict[int, float]


def row_axis(axis: Axis, rows: int, dots: int = 4) -> Labelled:
    """The axis, widened until round values lie in the middle of rows of cells.

    Args:
        axis: what must be shown.
        rows: of cells.
        dots: of a row.
    """
    if rows < 2:
        return Labelled(axis, {})
    found = _log_rows(axis, rows, dots) if axis.log else _linear_rows(axis, rows, dots)
    return found or _nearest_rows(axis, rows)


def _linear_rows(axis: Axis, rows: int, dots: int) -> Labelled | None:
    rough = (axis.hi / 2 - axis.lo / 2) / rows * 2
    if not math.isfinite(rough) or rough < TINY or rough < max(abs(axis.lo), abs(axis.hi)) * 1e-12:
        return None
    power = math.floor(math.log10(rough))
    nearest = 1 if rows < 4 else max(2, -(-rows // (MOST_LABELS + 1)))
    sizes = [
        (multiple * 10.0**exponent / k, k, multiple * 10.0**exponent)
        for exponent in (power, power + 1, power + 2)
        for multiple in MULTIPLES
        for k in range(nearest, max(min(rows - 1, nearest + 4), 2) + 1)
    ]
    for row, k, step in sorted(sizes, key=lambda size: size[0] * (FEW_WORTH if rows < 2.5 * size[1] else 1.0)):
        for top in _top_rows(axis.lo / row, axis.hi / row, rows, dots):
            places = {at: round((top - at) / k) * step for at in range(rows) if (top - at) % k == 0}
            if len(places) >= 2:
                return Labelled(_edges(top, row, rows, dots), places)
    return None


def _top_rows(lo: float, hi: float, rows: int, dots: int) -> list[int]:
    """Numbers that the top row can have, 0 being the one around zero, where a row is 1 wide; none: too few rows.

    Best what leaves as much room above as below, and none below zero.
    """
    room = (dots - 1) / (2 * dots)
    least, most = math.ceil(hi - room - 1e-9), math.floor(lo + room + 1e-9) + rows - 1
    best = (least + most) // 2
    if lo >= 0:
        best = min(max(best, rows - 1), most)
    return sorted(range(least, most + 1), key=lambda top: abs(top - best))


def _edges(top: int, row: float, rows: int, dots: int) -> Axis:
    room = (dots - 1) / (2 * dots)
    return Axis((top - rows + 1 - room) * row, (top + room) * row)


def _log_rows(axis: Axis, rows: int, dots: int) -> Labelled | None:
    lo, hi = math.log10(axis.lo), math.log10(axis.hi)
    for row in DECADES_A_ROW:
        for top in _top_rows(lo / row, hi / row, rows, dots):
            edges = _edges(top, row, rows, dots)
            if not (edges.lo > -300 and edges.hi < 300):
                return None
            found = [
                dict(_log_places(edges, top, row, rows, multiples))
                for multiples in LOG_SETS
                if row < 1 or multiples == (1.0,)
            ]
            found = sorted((places for places in found if len(places) >= 2), key=_is_crowded)
            if found:
                return Labelled(Axis(10.0**edges.lo, 10.0**edges.hi, log=True), _thinned(found[0]))
    return None


def _log_places(
    edges: Axis, top: int, row: float, rows: int, multiples: tuple[float, ...]
) -> Iterator[tuple[int, float]]:
    """Rows and values of these multiples of powers of ten that lie in the middle of a row."""
    for exponent in range(math.floor(edges.lo), math.ceil(edges.hi) + 1):
        for multiple in multiples:
            place = top - (exponent + math.log10(multiple)) / row
            if abs(place - round(place)) <= OFF and 0 <= round(place) < rows:
                yield round(place), multiple * 10.0**exponent


def _is_crowded(places: dict[int, float]) -> bool:
    return len(places) > MOST_LABELS or (len(places) > 2 and _apart(places) < 2)


def _apart(places: dict[int, float]) -> int:
    return min((b - a for a, b in itertools.pairwise(sorted(places))), default=2)


def _thinned(places: dict[int, float]) -> dict[int, float]:
    """Labels that are not crowded: every other, every third, and so on."""
    if not _is_crowded(places):
        return places
    every = max(-(-len(places) // MOST_LABELS), 2 if _apart(places) < 2 else 1)
    return {row: places[row] for row in sorted(places)[::every]}


def _nearest_rows(axis: Axis, rows: int) -> Labelled:
    """Round values in the rows nearest to them, where no widening brings them into the middle."""
    places: dict[int, float] = {}
    for value in ticks(axis, max(min(rows // 2, MOST_LABELS), 2)):
        places.setdefault(min(max(round((1 - axis.place(value)) * (rows - 1)), 0), rows - 1), value)
    return Labelled(axis, places)


def same_notation(values: Iterable[float], *, log: bool = False) -> list[str]:
    """Numbers of one axis, all written in the same way: with as many decimals, the same power of ten, the same `k`."""
    numbers = list(values)
    largest = max((abs(value) for value in numbers), default=0.0)
    smallest = min((abs(value) for value in numbers if value), default=0.0)
    if log:
        is_plain = smallest >= 1e-3 and largest < 1e4
        return [short(value) if is_plain else _exponential(value, 3) for value in numbers]
    if not largest:
        return [short(value) for value in numbers]
    step = min((abs(b - a) for a, b in itertools.pairwise(sorted(numbers)) if b != a), default=largest)
    power, suffix = 0, ""
    if largest >= 1e6 or largest < 1e-2:
        power = math.floor(math.log10(largest) + 1e-9)
        suffix = f"e{power}"
    elif largest >= 1e4:
        power, suffix = 3, "k"
    scale = 10.0**power
    decimals = next((d for d in range(8) if _is_whole(step / scale * 10**d)), 8)
    return [f"{value / scale:.{decimals}f}{suffix}" if value else "0" for value in numbers]


def _is_whole(value: float) -> bool:
    return abs(value - round(value)) < 1e-6 * max(abs(value), 1.0)


def short(value: float, digits: int = 3) -> str:
    """A number in at most `digits` significant digits and as few characters as possible: 0.25, 12k, 1e-4."""
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    size = abs(value)
    if size == 0:
        return "0"
    if size < 1e-3 or size >= 1e6:
        return _exponential(value, digits)
    if size >= 1e4:
        return f"{_plain(value / 1e3, digits)}k"
    return _plain(value, digits)


def _plain(value: float, digits: int) -> str:
    text = f"{value:.{max(digits - 1 - math.floor(math.log10(abs(value))), 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _exponential(value: float, digits: int) -> str:
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}"


def duration(seconds: float) -> str:
    """A length of time in at most two units: 40 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
    if not math.isfinite(seconds):
        return "-"
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24} h" if hours % 24 else f"{hours // 24} d"
