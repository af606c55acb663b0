"""The plots of the quality experiments, from finished runs. Trains nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.experiments import quality_cases as quality
from benchmarks.experiments.plots import Line, Plot, draw
from benchmarks.experiments.runs import Curve, Experiment, Measured, found

Read = Callable[[Measured], Curve]


def draw_all(root: Path, seeds: Sequence[int], folder: Path) -> None:
    """Every plot."""
    draw([_presets(root, seeds), _posteriors(root, seeds)], folder / "quality-presets.svg")
    draw([_dimensions(root, seeds), _refits(root, seeds)], folder / "quality-causes.svg")


def _lines(root: Path, seeds: Sequence[int], experiments: Sequence[Experiment], curve: Read) -> list[Line]:
    return [Line(each.name, [curve(run) for run in found(root, each, seeds)]) for each in experiments]


def _srcc(run: Measured) -> Curve:
    return run.validation("srcc")


def _presets(root: Path, seeds: Sequence[int]) -> Plot:
    levels = {"promised, least": 0.75, "promised, most": 0.85}
    lines = _lines(root, seeds, quality.PRESETS, _srcc)
    return Plot("Unseen photographs", "srcc", lines, levels, y_range=(-0.1, 0.95))


def _posteriors(root: Path, seeds: Sequence[int]) -> Plot:
    lines = _lines(root, seeds, quality.PRESETS, lambda run: run.by_epoch("scalar.max_posterior"))
    return Plot(
        "Mean of the largest posterior", "training", lines, {"one-hot": 1.0, "uniform": 1 / 8}, y_range=(0, 1.1)
    )


def _dimensions(root: Path, seeds: Sequence[int]) -> Plot:
    chosen = (*quality.DIMENSIONS[:4], quality.WEIGHTS[0], quality.WEIGHTS[3])
    return Plot("Dimension, weight, gradient", "srcc", _lines(root, seeds, chosen, _srcc), y_range=(-0.1, 0.8))


def _refits(root: Path, seeds: Sequence[int]) -> Plot:
    """Correlation before and after each refit, at the same epoch and half an epoch later."""
    return Plot(
        "Refits after epochs 2 and 4", "srcc", _lines(root, seeds, quality.REFITS, _with_after), y_range=(-0.2, 0.8)
    )


def _with_after(run: Measured) -> Curve:
    """The curve with the validation after a refit in place of the one before it."""
    return {**_srcc(run), **run.validation("srcc", after="refit")}
