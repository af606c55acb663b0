"""A series in one row of block characters: the lowest value in each column, so that no dip is lost. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainctl.tui.charts.pyramid import Series

BLOCKS = "▁▂▃▄▅▆▇█"
PLAIN = "_.-=+*#@"


def bars(counts: NDArray[np.int64], *, plain: bool = False) -> str:
    """A bar for each count, the largest full; blank where there is none."""
    signs, most = (PLAIN if plain else BLOCKS), max(int(counts.max(initial=0)), 1)
    return "".join(signs[-(-count * len(signs) // most) - 1] if count else " " for count in counts.tolist())


def sparkline(series: Series, width: int, *, plain: bool = False, top: float | None = None) -> str:
    """The whole series in `width` characters, from 0, or its lowest value below that, to its largest, or to `top` where
    that is given; blank where nothing was measured."""
    start, stop = series.extent
    if width <= 0 or stop <= start:
        return " " * max(width, 0)
    envelope = series.envelope(start, stop, width)
    seen = ~np.isnan(envelope.lo)
    if top is None or not top > 0:
        top = float(envelope.hi[seen].max()) if seen.any() else 0.0
    bottom = min(float(envelope.lo[seen].min()), 0.0) if seen.any() else 0.0
    # A run with fewer steps than columns: a gap takes the value before it.
    last = np.maximum.accumulate(np.where(seen, np.arange(width), -1))
    signs = PLAIN if plain else BLOCKS
    # Divided first, and as wide numbers: the inverse of a very small top does not fit the series' own type.
    lows = np.nan_to_num(envelope.lo, nan=0.0).astype(np.float64)
    shares = (lows - bottom) / (top - bottom if top > bottom else np.inf)
    levels = np.rint(shares * (len(BLOCKS) - 1)).clip(0, len(BLOCKS) - 1).astype(int)
    return "".join(signs[levels[k]] if k >= 0 else " " for k in last)
