"""The plots of the weld experiments, from finished runs. Trains nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.experiments import weld_cases as weld
from benchmarks.experiments.plots import Line, Plot, draw
from benchmarks.experiments.runs import Curve, Experiment, Measured, found
from trainctl.engine.tasks.configured import resolve

BY_NAME = {each.name: each for each in (*weld.FLOOR, *weld.CHANGES, *weld.LOOK_ALIKES, *weld.CANDIDATES)}


def _lines(root: Path, seeds: Sequence[int], names: Sequence[str], curve: Callable[[Measured], Curve]) -> list[Line]:
    return [_line(root, seeds, BY_NAME[name], curve) for name in names]


def _line(root: Path, seeds: Sequence[int], experiment: Experiment, curve: Callable[[Measured], Curve]) -> Line:
    runs = found(root, experiment, seeds)
    return Line(experiment.name.removeprefix("candidate-"), [curve(run) for run in runs])


def draw_all(root: Path, seeds: Sequence[int], folder: Path) -> None:
    """Every plot."""
    draw([_floor(root, seeds), _look_alikes(root, seeds)], folder / "weld-floor.svg")
    draw([_accuracy(root, seeds), _cosine(root)], folder / "weld-changes.svg")
    draw([_promised(root, seeds, name) for name in ("batch-32", "warmup")], folder / "weld-promised.svg")


def _floor(root: Path, seeds: Sequence[int]) -> Plot:
    names = ("stuck", "stuck-32", "stuck-32-stratified", "stuck-32-lr-1e-4", "stuck-32-lr-1e-6", "stuck-32-lr-1e-10")
    levels = {"ln 15": math.log(15), "ln 31": math.log(31)}
    lines = _lines(root, seeds, names, Measured.train)
    return Plot("One class: no change helps", "training loss", lines, levels, y_range=(2.5, 7.8))


def _look_alikes(root: Path, seeds: Sequence[int]) -> Plot:
    names = ("one-class-batches", "collapsed", "few-positives", "batch-32")
    lines = _lines(root, seeds, names, Measured.train)
    levels = {"ln 31": math.log(31), "ln 3": math.log(3)}
    return Plot("Planted faults, and batch-32", "training loss", lines, levels)


def _accuracy(root: Path, seeds: Sequence[int]) -> Plot:
    names = ("stuck", "classes", "classes-stratified", "batch-32", "warmup", "repaired")
    lines = _lines(root, seeds, names, lambda run: run.validation("knn_accuracy"))
    return Plot("One change after the other", "kNN accuracy", lines, {"chance": 1 / 12}, y_range=(0, 1))


def _cosine(root: Path) -> Plot:
    names = [f"candidate-{name}" for name in ("t07", "t10", "t20", "t50")]
    lines = _lines(root, weld.SELECTION_SEEDS, names, lambda run: run.by_epoch("scalar.mean_cosine"))
    return Plot("A low temperature collapses first", "mean cosine of a batch", lines)


def _promised(root: Path, seeds: Sequence[int], preset: str) -> Plot:
    expected = resolve(f"weld/{preset}").about.expected
    lines: list[Line] = []
    for colour, (name, points) in enumerate(expected.items()):
        validated = name == "val_loss"
        curves = [run.validation("loss") if validated else run.train() for run in found(root, BY_NAME[preset], seeds)]
        lines.append(Line(f"{name}, measured", curves, colour=colour))
        lines.append(Line(f"{name}, promised", [{int(x): y for x, y in points}], dashed=True, colour=colour))
    return Plot(f"{preset}: promised and measured", "loss", lines, y_range=(0, 4.5))
