"""What the user chose to look at, shared by every chart: window, unit, smoothing, cursor, other runs. Pure.

Positions are optimiser steps. Knows no widget and no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from trainctl.tui.run.view import RunView

MAX_SMOOTHING = 9
MIN_WINDOW = 8.0
"""Steps below which zooming in stops."""

Choice = TypeVar("Choice", bound=StrEnum)


class Unit(StrEnum):
    """What stands on the x axis."""

    STEP = "step"
    EPOCH = "epoch"
    TIME = "time"


class LossMode(StrEnum):
    """How the terms of the loss are drawn."""

    WEIGHTED = "weighted"
    """Each term times its weight: they add up to the total."""
    RAW = "raw"
    """As the network made them."""
    SHARE = "share"
    """Each term's part of the sum of all magnitudes."""
    WEIGHT = "weight"
    """What each term is multiplied with: configured, ramped, adapted or set."""


@dataclass
class Overlay:
    """Another run, drawn behind this one in a colour of its own."""

    name: str
    view: RunView
    ink: int


@dataclass
class Scene:
    """The state of looking."""

    unit: Unit = Unit.STEP
    window: tuple[float, float] | None = None
    """Steps shown, [start, stop); none: the whole run, following it."""
    smoothing: int = 0
    cursor: float | None = None
    loss_mode: LossMode = LossMode.WEIGHTED
    overlays: Sequence[Overlay] = field(default_factory=tuple)

    def zoom(self, factor: float, around: float | None, extent: tuple[float, float]) -> None:
        """Scale the window about a step: below 1 shows less. Zoomed out to everything, it follows the run again."""
        start, stop = self.window or extent
        if stop <= start:
            return
        middle = (start + stop) / 2 if around is None else min(max(around, start), stop)
        width = max((stop - start) * factor, MIN_WINDOW)
        first = middle - (middle - start) / (stop - start) * width
        self._look(first, width, extent)

    def pan(self, fraction: float, extent: tuple[float, float]) -> None:
        """Move the window by a part of its width; positive: towards later steps."""
        if self.window is not None:
            start, stop = self.window
            self._look(start + fraction * (stop - start), stop - start, extent)

    def move_cursor(self, fraction: float, extent: tuple[float, float]) -> None:
        """Move the cursor by a part of the window; it begins at the newest step."""
        start, stop = self.window or extent
        if stop <= start:
            return
        last = max(stop - 1, start)
        here = last if self.cursor is None else self.cursor + fraction * (stop - start)
        self.cursor = min(max(round(here), start), last)

    def _look(self, first: float, width: float, extent: tuple[float, float]) -> None:
        low, high = extent
        if width >= high - low:
            self.window = None
            return
        first = min(max(first, low), high - width)
        self.window = (first, first + width)


def following(choice: Choice) -> Choice:
    """The choice after this one, round and round."""
    every = list(type(choice))
    return every[(every.index(choice) + 1) % len(every)]
