"""Small line plots as SVG: the mean over seeds, and a band from the least to the greatest. Knows no run and no task.

The same figures give the same file, byte for byte, with the same matplotlib: no date, no random names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.experiments.tables import band

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
"""Told apart by the colour-blind too (Okabe and Ito)."""
STYLE: Any = {
    "svg.hashsalt": "trainctl",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "legend.fontsize": 8,
}
METADATA = {"Date": None, "Creator": None}


@dataclass(frozen=True)
class Line:
    """One curve for each seed, by epoch, drawn as one."""

    label: str
    curves: Sequence[Mapping[int, float]]
    dashed: bool = False
    """For what is only promised, or expected."""
    colour: int | None = None
    """Which of `COLOURS`; none: the next."""


@dataclass(frozen=True)
class Plot:
    """What is drawn, and how it is named."""

    title: str
    y_label: str
    lines: Sequence[Line]
    levels: Mapping[str, float] = field(default_factory=dict[str, float])
    """Horizontal lines by their names."""
    x_label: str = "epoch"
    y_range: tuple[float, float] | None = None


def draw(plots: Sequence[Plot], path: Path) -> None:
    """Draw the plots beside each other into an SVG file, over what is there. Needs the extra `docs`."""
    from matplotlib import rc_context  # pyright: ignore[reportMissingImports]
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # pyright: ignore[reportMissingImports]
    from matplotlib.figure import Figure  # pyright: ignore[reportMissingImports]

    with rc_context(STYLE):
        figure = Figure(figsize=(4.6 * len(plots), 3.1), layout="constrained")
        for axes, plot in zip(figure.subplots(1, len(plots), squeeze=False)[0], plots, strict=True):
            _draw_one(axes, plot)
        path.parent.mkdir(parents=True, exist_ok=True)
        FigureCanvasSVG(figure).print_svg(path, metadata=METADATA)


def _draw_one(axes: Any, plot: Plot) -> None:
    for index, line in enumerate(plot.lines):
        colour = COLOURS[(index if line.colour is None else line.colour) % len(COLOURS)]
        spreads = band(line.curves)
        epochs = list(spreads)
        axes.plot(
            epochs,
            [spread.mean for spread in spreads.values()],
            color=colour,
            label=line.label,
            linestyle="--" if line.dashed else "-",
            linewidth=1.4,
            marker="o" if line.dashed else None,
            markersize=3,
        )
        low, high = ([getattr(spread, end) for spread in spreads.values()] for end in ("low", "high"))
        axes.fill_between(epochs, low, high, color=colour, alpha=0.2, linewidth=0)
    for name, level in plot.levels.items():
        axes.axhline(level, color="#666666", linewidth=0.8, linestyle=":")
        axes.annotate(name, (1, level), xycoords=("axes fraction", "data"), ha="right", va="bottom", color="#444444")
    axes.set(title=plot.title, xlabel=plot.x_label, ylabel=plot.y_label)
    if plot.y_range is not None:
        axes.set_ylim(*plot.y_range)
    axes.legend()
