"""The curves of a comparison as a picture: for each column the mean over its seeds, and a band from least to greatest.

Knows columns and which curves are drawn; how lines become a file is `charts.picture`'s.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from trainctl.engine.errors import UserError
from trainctl.tui.charts.picture import Curve, Panel, to_png, to_svg
from trainctl.tui.compare.columns import Column, by_epoch
from trainctl.tui.compare.comparison import monitored_metrics
from trainctl.tui.compare.facts import RunFacts

SUFFIXES = (".svg", ".png")


def check_picture(path: Path) -> None:
    """Refuse what cannot be written before anything is trained.

    Raises:
        UserError: another ending than .svg and .png, or no such folder.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"--plot {path}: neither .svg nor .png", "give the file one of these endings")
    if not path.parent.is_dir():
        raise UserError(f"--plot {path}: no folder {path.parent}", "make it first")


def write_picture(path: Path, columns: Sequence[Column], metric: str = "") -> None:
    """Draw training loss, validation loss and metric by epoch, over what is there.

    Raises:
        UserError: the disk refuses.
    """
    panels = panels_of(columns, metric)
    try:
        if path.suffix.lower() == ".svg":
            path.write_text(to_svg(panels), encoding="utf-8")
        else:
            path.write_bytes(to_png(panels))
    except OSError as err:
        raise UserError(f"cannot write {path}: {err.strerror}", "name another file") from err


def panels_of(columns: Sequence[Column], metric: str = "") -> list[Panel]:
    """The panels that have a curve."""
    facts = [run for column in columns for run in column.facts]
    wanted: list[tuple[str, Callable[[RunFacts], Mapping[int, float]]]] = [
        ("training loss", lambda run: dict(run.epoch_losses)),
        ("validation loss", lambda run: by_epoch(run, "loss")),
    ]
    for name in [metric] if metric else monitored_metrics(facts):
        if name != "loss":
            wanted.append((name, lambda run, name=name: by_epoch(run, name)))
    found = [Panel(title, [_curve(column, of) for column in columns]) for title, of in wanted]
    return [panel for panel in found if any(curve.points for curve in panel.curves)]


def _curve(column: Column, of: Callable[[RunFacts], Mapping[int, float]]) -> Curve:
    """Over the epochs that all its runs have reached, so that a mean is always of the same seeds."""
    curves = [{epoch: value for epoch, value in of(run).items() if math.isfinite(value)} for run in column.facts]
    shared = sorted(set(curves[0]).intersection(*curves[1:])) if curves else []
    rows = [[curve[epoch] for curve in curves] for epoch in shared]
    points = [(float(epoch), sum(row) / len(row), min(row), max(row)) for epoch, row in zip(shared, rows, strict=True)]
    seeds = f", {len(column.runs)} seeds" if len(column.runs) > 1 else ""
    return Curve(f"{column.name}{seeds}", points)
