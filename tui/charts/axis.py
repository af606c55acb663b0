"""Numbers for people: value ranges with room around them, round ticks, and short labels. Pure functions."""

from __future__ import annotations

import math
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
