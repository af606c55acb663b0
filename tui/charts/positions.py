"""What stands on the x axis: optimiser steps, epochs or time; round positions and their words. Pure functions.

Everything else speaks of steps; only what is drawn is bent, by an `XMap`.
"""

from __future__ import annotations

import math
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trainctl.tui.charts.axis import duration, linear_ticks, short

Doubles = NDArray[np.float64]

TIME_TICKS_S = (
    *(1.0, 2.0, 5.0, 10.0, 15.0, 30.0),
    *(60.0 * m for m in (1, 2, 5, 10, 15, 30)),
    *(3600.0 * h for h in (1, 2, 3, 6, 12)),
)
"""Distances at which people divide time; above these, days."""
DAY_S = 86_400.0
LEAST_RISE = 1e-9
"""What stands still rises by this part of the whole, and by no less than this a step."""


class XMap:
    """A rising, piecewise linear map from optimiser steps to what stands on the x axis.

    Outside its knots it goes on straight, with the slope of the eighth of the knots next to the end. What falls or
    stands still (a clock set back, two steps within its resolution) is made to rise by next to nothing, so that the
    way back is always defined.

    Args:
        steps: knots, shape (n,), ascending.
        xs: where they lie, shape (n,); what is not finite is left out.
        unit: "step", "epoch" or "time" (seconds).
    """

    def __init__(self, steps: ArrayLike, xs: ArrayLike, unit: str) -> None:
        self.unit = unit
        at, to = np.asarray(steps, np.float64), np.asarray(xs, np.float64)
        assert at.shape == to.shape and at.ndim == 1, "a knot has a step and a position"
        known = np.isfinite(at) & np.isfinite(to)
        self._steps, self._xs = _rising(at[known], to[known])

    @overload
    def x_of(self, steps: float) -> float: ...
    @overload
    def x_of(self, steps: Doubles) -> Doubles: ...
    def x_of(self, steps: float | Doubles) -> float | Doubles:
        """Where steps lie on the axis."""
        return _along(steps, self._steps, self._xs)

    @overload
    def step_of(self, x: float) -> float: ...
    @overload
    def step_of(self, x: Doubles) -> Doubles: ...
    def step_of(self, x: float | Doubles) -> float | Doubles:
        """Which steps lie at positions of the axis; fractions between two steps."""
        return _along(x, self._xs, self._steps)


def _rising(steps: Doubles, xs: Doubles) -> tuple[Doubles, Doubles]:
    """Knots that rise strictly in both, at least two of them."""
    if len(steps) == 0:
        return np.array([0.0, 1.0]), np.array([0.0, 1.0])
    steps, xs = np.maximum.accumulate(steps), np.maximum.accumulate(xs)
    ramp = max(xs[-1] - xs[0], abs(xs[-1]) * 1e-3, steps[-1] - steps[0]) * LEAST_RISE
    xs = xs + np.linspace(0.0, ramp, len(xs))
    keep = np.concatenate(([True], np.diff(steps) > 0))
    steps, xs = steps[keep], xs[keep]
    keep = np.concatenate(([True], np.diff(xs) > 0))
    steps, xs = steps[keep], xs[keep]
    if len(steps) == 1:
        return np.array([steps[0], steps[0] + 1.0]), np.array([xs[0], xs[0] + 1.0])
    return steps, xs


def _along(values: float | Doubles, knots: Doubles, images: Doubles) -> float | Doubles:
    found = np.interp(values, knots, images)
    part = max(len(knots) // 8, 1)
    early = (images[part] - images[0]) / (knots[part] - knots[0])
    late = (images[-1] - images[-1 - part]) / (knots[-1] - knots[-1 - part])
    found = found + np.minimum(np.subtract(values, knots[0]), 0.0) * early
    found = found + np.maximum(np.subtract(values, knots[-1]), 0.0) * late
    return float(found) if np.ndim(values) == 0 else np.asarray(found, np.float64)


def position_ticks(start: float, stop: float, most: int, unit: str) -> list[float]:
    """At most `most` round positions in [start, stop): whole steps, parts of epochs, round times."""
    if most <= 0 or stop <= start:
        return []
    found = (_time_ticks if unit == "time" else linear_ticks)(start, stop, most)
    if unit == "step":
        found = [x for x in found if x == round(x)]
    return [x for x in found if start <= x < stop]


def _time_ticks(start: float, stop: float, most: int) -> list[float]:
    rough = (stop - start) / most
    if rough < TIME_TICKS_S[0]:
        return [x for x in linear_ticks(start, stop, most) if x == round(x)]
    days = math.ceil(rough / DAY_S) * DAY_S
    distance = next((d for d in TIME_TICKS_S if d >= rough), days)
    first = math.ceil(start / distance)
    count = min(math.ceil((stop - start) / distance), most)
    return [(first + k) * distance for k in range(count)]


def position_label(x: float, unit: str, resolution: float) -> str:
    """A position in as few characters as tell it from one that is `resolution` away: 12k, 3.5, 2 h 5 min."""
    if unit != "time":
        resolution = max(resolution, 1.0) if unit == "step" else resolution
        digits = math.ceil(math.log10(max(abs(x) / resolution, 1.0)) - 1e-9) + 1 if resolution > 0 else 3
        if unit == "step" and digits > 4:
            return f"{x:.0f}"
        return short(x, min(max(digits, 3), 12))
    seconds = round(x)
    told = 3600 if seconds >= DAY_S else 60 if seconds >= 3600 else 1
    return duration(x) if resolution >= told or seconds % told == 0 else _clock(seconds)


def _clock(seconds: int) -> str:
    """A time to the second: 2:05:30, 3 d 2:05:30."""
    days, rest = divmod(seconds, int(DAY_S))
    text = f"{rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days} d {text}" if days else text


def position_words(step: float, x_map: XMap | None) -> str:
    """A position in words, always with the step: `step 12345`, `epoch 3.52 · step 12345`."""
    words = f"step {step:.0f}"
    if x_map is None or x_map.unit == "step":
        return words
    x = x_map.x_of(float(step))
    return f"{position_label(x, 'time', 1.0)} · {words}" if x_map.unit == "time" else f"{x_map.unit} {x:.2f} · {words}"
