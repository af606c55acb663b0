"""The validation samples with the largest loss, as pictures with truth, answer and loss. Reads no files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from trainctl.engine.runs.validated.samples import WorstSamples
from trainctl.tui.charts.axis import short
from trainctl.tui.charts.framed import frame_css, write_frame
from trainctl.tui.charts.room import FRAME_ROWS, Demand
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.spoken import said
from trainctl.tui.widgets.pictures import Caption, Pictures, Tile

LEAST_ROWS = (10, 12)
"""Rows of the panel below which no picture can be told from another, and with which most can."""


class WorstPanel(Pictures, can_focus=True):
    """The worst first, as many as fit; all of them when the panel fills the screen."""

    heading: ClassVar[str] = "Worst samples"
    DEFAULT_CSS = frame_css("WorstPanel")

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._samples: WorstSamples | None = None
        self._class_names: tuple[str, ...] = ()

    def on_mount(self) -> None:
        """Show the heading before the first data."""
        self._write_border()

    def demand(self, width: int) -> Demand:
        """A row of pictures in which something can be made out, with their captions; nothing without a picture."""
        del width
        return Demand(*LEAST_ROWS, weight=1) if self.tiles else Demand(FRAME_ROWS + 1)

    def on_drawn(self, shown: int) -> None:
        """Another size shows another number."""
        del shown
        self._write_border()

    def show(self, view: RunView, scene: Scene) -> None:
        """Draw the newest validation's, when it is a new one."""
        del scene
        classes = view.layout.classes if view.layout is not None else ()
        if view.samples is self._samples and classes == self._class_names:
            return
        self._samples, self._class_names = view.samples, classes
        self.show_tiles(tiles_of(view.samples, classes) if view.samples else ())
        self._write_border()

    def _write_border(self) -> None:
        samples = self._samples
        if samples is None:
            write_frame(self, self.heading, "no validation yet")
        else:
            shown = self.num_fitting(self.size.width, self.size.height)
            more = f"{shown:d} of {len(samples)}" if shown < len(samples) else f"{shown}"
            below = f"{more} with the largest loss of {samples.num_samples:,}"
            write_frame(self, self.heading, f"step {samples.step:d}, raw weights", below)


def tiles_of(samples: WorstSamples, classes: Sequence[str]) -> list[Tile]:
    """A tile per sample.

    Args:
        samples: the worst first.
        classes: with some, an answer is right or wrong. A wrong one is marked by a sign, not only by its colour.
    """
    captions = partial(_judged, classes=classes) if classes else _measured
    return [
        Tile(samples.images[k] if samples.images[k].size else None, captions(samples, k)) for k in range(len(samples))
    ]


def _judged(samples: WorstSamples, k: int, classes: Sequence[str]) -> tuple[Caption, ...]:
    """Truth and answer are classes."""
    truth, answer = samples.truths[k], samples.predictions[k]
    is_right = samples.rights[k] if samples.rights else _named(answer, (*classes, truth)) == truth
    mark, word = ("✓", "ok") if is_right else ("×", "error")
    return (
        Caption(f"{mark} {truth}", word),
        Caption(f"  {answer}", "text"),
        Caption(f"  {said(f'loss {_loss(samples, k)}')}", "text"),
        Caption(f"  {_tail(samples.names[k])}", "dim", keeps_end=True),
    )


def _named(answer: str, classes: Sequence[str]) -> str:
    """The class that an answer begins with, however many words it has: `left eye` of `left eye 93%`. For runs that do
    not say which answers are right."""
    named = (name for name in classes if answer == name or answer.startswith(f"{name} "))
    return max(named, key=len, default=answer.partition(" ")[0])


def _measured(samples: WorstSamples, k: int) -> tuple[Caption, ...]:
    """Truth and answer are values, which never agree to the last digit; what the truth ends in is its own."""
    return (
        Caption(samples.truths[k], "text", keeps_end=True),
        Caption(samples.predictions[k], "text"),
        Caption(said(f"loss {_loss(samples, k)}"), "text"),
        Caption(_tail(samples.names[k]), "dim", keeps_end=True),
    )


def _loss(samples: WorstSamples, k: int) -> str:
    return short(float(samples.losses[k]))


def _tail(name: str) -> str:
    """The part of a path that tells images apart."""
    return name.rstrip("/").rpartition("/")[2] or name
