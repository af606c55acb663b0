"""What machine and cards do, and where the time goes. What a run does not record has no row. Reads no files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from textual.content import Content

from trainctl.engine.runs.hardware.samples import HardwareSample
from trainctl.tui.charts.axis import short
from trainctl.tui.charts.room import FRAME_ROWS, Demand
from trainctl.tui.charts.sparkline import sparkline
from trainctl.tui.plain import columns, padded, printable
from trainctl.tui.run.hardware import LEAST_SHARE, OTHER, HardwareLog
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.spoken import said
from trainctl.tui.widgets.figures import LEAST_ROWS, FiguresPanel, is_plain
from trainctl.tui.widgets.lines import cut_line
from trainctl.tui.words.hardware import card_words, cores_words, memory_words, percent_words

PHASES: dict[str, tuple[str, str, str]] = {
    "data": ("░", "-", "$series-1"),
    "step": ("█", "#", "$series-0"),
    "validation": ("▓", "=", "$series-2"),
    "checkpoint": ("▒", "+", "$series-3"),
    "recorder": ("▪", ":", "$series-4"),
    OTHER: ("·", ".", "$chart-label"),
}
"""Sign, plain sign and style of each part of the time: told apart without colours too."""
LEAST_SPARK = 6
"""Columns below which a course is not drawn."""
GAP = "  "


@dataclass(frozen=True)
class Figure:
    """One row."""

    label: str
    value: str
    series: str
    top: float | None = None
    """The value that is as high as the row; None: the largest there was."""


class HardwarePanel(FiguresPanel):
    """A bar of the time with what its parts are, and a row for each figure: now, and over the run."""

    heading: ClassVar[str] = "Hardware and time"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._made: tuple[object, list[Content]] = (None, [])
        """The rows made last, and of what: they are asked for several times between two samples."""

    def demand(self, width: int) -> Demand:
        """All rows, and no more; a few are better than none."""
        rows = max(len(self._all_rows(self._view, width - FRAME_ROWS)) if self._view is not None else 0, 1)
        return Demand(min(rows, LEAST_ROWS) + FRAME_ROWS, rows + FRAME_ROWS)

    def title(self, view: RunView) -> str:
        """Names of the cards."""
        newest = view.hardware.newest
        return "" if newest is None else ", ".join(dict.fromkeys(printable(card.name) for card in newest.cards))

    def note(self, view: RunView) -> str:
        """What a step takes."""
        step_s = view.hardware.step_s
        return f"a step takes {short(1e3 * step_s)} ms" if step_s == step_s else ""

    def stamp(self, view: RunView) -> object:
        """Samples come while no step does."""
        return view.hardware.count

    def nothing(self, view: RunView | None) -> str:
        """There is no sample yet."""
        return "no sample yet"

    def rows(self, view: RunView, scene: Scene, width: int, height: int) -> list[Content]:
        """As many as there is room for; the last then says how many are missing."""
        rows = self._all_rows(view, width)
        if len(rows) <= height:
            return rows
        shown = max(height - 1, 1)
        left = Content.styled(said(f"+{len(rows) - shown} rows"), "$chart-label")
        return [*rows[:shown], left][:height]

    def _all_rows(self, view: RunView | None, width: int) -> list[Content]:
        if view is None or view.hardware.newest is None:
            return []
        of = (view.hardware.newest, view.hardware.count, width, is_plain())
        if self._made[0] != of:
            rows = [*_time_rows(view.hardware, width), *_figure_rows(view.hardware, view.hardware.newest, width)]
            self._made = (of, rows)
        return self._made[1]


def has_hardware(view: RunView) -> bool:
    """Whether the run records any of it."""
    newest = view.hardware.newest
    return newest is not None and bool(newest.figures)


def figures_of(newest: HardwareSample) -> list[Figure]:
    """What is known now: of the cards, then of the process and the machine around it."""
    load, found = newest.load, list[Figure]()
    for card in newest.cards:
        name, at = f"GPU {card.index}" if len(newest.cards) > 1 else "GPU", f"gpu{card.index}."
        use, memory, heat, power = card_words(card, plain=is_plain())
        found += [
            Figure(f"{name} use", use, f"{at}use_percent", 100.0),
            Figure(f"{name} memory", memory, f"{at}memory_used_bytes", card.memory_total_bytes),
            Figure(f"{name} temperature", heat, f"{at}temperature_c"),
            Figure(f"{name} power", power, f"{at}power_w"),
        ]
    cores = cores_words(load.process_cpu_percent, newest.cores)
    memory = memory_words(load.memory_used_bytes, load.memory_total_bytes)
    found += [
        Figure("process CPU", cores, "process_cpu_percent", 100.0 * newest.cores),
        Figure("process memory", memory_words(load.process_memory_bytes), "process_memory_bytes"),
        Figure("machine CPU", percent_words(load.machine_cpu_percent), "machine_cpu_percent", 100.0),
        Figure("machine memory", memory, "memory_used_bytes", load.memory_total_bytes),
    ]
    return [figure for figure in found if figure.series in newest.figures]


def _figure_rows(log: HardwareLog, newest: HardwareSample, width: int) -> Iterator[Content]:
    figures = [replace(figure, label=said(figure.label), value=said(figure.value)) for figure in figures_of(newest)]
    labels = max((columns(figure.label) for figure in figures), default=0)
    values = max((columns(figure.value) for figure in figures), default=0)
    room = width - labels - values - 2 * len(GAP)
    for figure in figures:
        row = Content.styled(padded(figure.label, min(labels, width)), "$chart-label")
        row = row + Content.styled(GAP + padded(figure.value, values), "$foreground")
        if room >= LEAST_SPARK:
            course = sparkline(log.series[figure.series], room, plain=is_plain(), top=figure.top)
            row = row + Content.styled(GAP + course, "$series-1")
        yield cut_line(row, width)


def _time_rows(log: HardwareLog, width: int) -> Iterator[Content]:
    """A bar of the time of late, and below it what its parts are; nothing where none is measured."""
    shares = {phase: share for phase, share in log.shares().items() if share >= LEAST_SHARE}
    if not shares or width <= 0:
        return
    whole, done, filled, cells = sum(shares.values()), 0.0, 0, Content("")
    for phase, share in shares.items():
        done += share
        end = round(done / whole * width)
        cells, filled = cells + Content.styled(_sign(phase) * (end - filled), PHASES[phase][2]), end
    yield cells
    row = Content("")
    for phase, share in shares.items():
        words = Content.styled(f" {said(phase)} {share:.0%}", "$foreground")
        entry = Content.styled(_sign(phase), PHASES[phase][2]) + words
        if row and row.cell_length + len(GAP) + entry.cell_length > width:
            yield row
            row = Content("")
        row = row + Content(GAP) + entry if row else entry
    yield cut_line(row, width)


def _sign(phase: str) -> str:
    return PHASES[phase][1 if is_plain() else 0]
