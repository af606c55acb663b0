"""The tables of the weld experiments, from finished runs. Trains nothing."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from benchmarks import linear_probe
from benchmarks.experiments import weld_cases as weld
from benchmarks.experiments.diagnoses import Diagnosis, diagnose
from benchmarks.experiments.runs import Curve, Measured, found, last
from benchmarks.experiments.tables import band, markdown, section, spread
from trainctl.engine.data.weld.options import MODALITIES
from trainctl.engine.models.weld.net import WeldNet
from trainctl.engine.optim.schedules import LearningRatePlan
from trainctl.engine.tasks.configured import load_resolved, resolve
from trainctl.engine.tasks.weld.config import WeldConfig
from trainctl.engine.tasks.weld.task import WeldTask
from trainctl.engine.training.restore import restore

HEALTHY_NORMS = (1.0, 10.0)
"""Gradient norms that the optimisation summary calls normal."""
GOOD = 0.9
COLLAPSED = 0.5
Figure = Callable[[Measured], float]


def _knn(run: Measured) -> Curve:
    return run.validation("knn_accuracy")


def _cosine(run: Measured) -> Curve:
    return run.by_epoch("scalar.mean_cosine")


def _cell(runs: Sequence[Measured], figure: Figure, digits: int = 3) -> str:
    return spread(figure(run) for run in runs).text(digits)


def floor(root: Path, seeds: Sequence[int]) -> str:
    """One class in the training split."""
    rows: list[list[str]] = []
    for experiment in weld.FLOOR:
        runs = found(root, experiment, seeds)
        batch_size = experiment.config(seeds[0]).train.batch_size
        rows.append(
            [
                experiment.name,
                f"{math.log(batch_size - 1):.4f}",
                _cell(runs, lambda run: run.train()[1], 4),
                _cell(runs, lambda run: last(run.train()), 4),
                _cell(runs, lambda run: last(_cosine(run))),
                _cell(runs, lambda run: last(run.by_epoch("scalar.positives")), 2),
                _cell(runs, lambda run: last(run.by_epoch("grad_norm"))),
                _cell(runs, lambda run: last(_knn(run))),
            ]
        )
    titles = [
        "experiment",
        "ln(B−1)",
        "loss epoch 1",
        "loss epoch 30",
        "mean cosine",
        "positives",
        "gradient norm",
        "kNN",
    ]
    return section("One class in the training split", markdown(titles, rows))


def changes(root: Path, seeds: Sequence[int]) -> str:
    """Twelve classes, one change after the other."""
    rows: list[list[str]] = []
    for experiment in (weld.FLOOR[0], *weld.CHANGES):
        runs = found(root, experiment, seeds)
        rows.append(
            [
                experiment.name,
                str(len(runs[0].steps) // max(runs[0].train())),
                _cell(runs, lambda run: float(run.steps["scalar.positives"].mean()), 2),
                _cell(runs, lambda run: last(run.train())),
                _cell(runs, lambda run: last(_knn(run))),
                _cell(runs, lambda run: last(run.validation("macro_f1"))),
                _cell(runs, lambda run: last(run.validation("supcon_normalised"))),
                _cell(runs, _epochs_to_good, 1),
                _cell(runs, _epochs_collapsed, 1),
            ]
        )
    titles = ["experiment", "steps/epoch", "positives", "training loss", "kNN", "macro F1", "normalised"]
    return section(
        "One change after the other", markdown([*titles, f"epochs to {GOOD}", f"epochs above {COLLAPSED}"], rows)
    )


def _epochs_to_good(run: Measured) -> float:
    """First epoch with a kNN accuracy of .9; not a number where there is none."""
    return next((float(epoch) for epoch, value in _knn(run).items() if value >= GOOD), math.nan)


def _epochs_collapsed(run: Measured) -> float:
    """Epochs in which the mean cosine of a batch is above .5."""
    return float(sum(value > COLLAPSED for value in _cosine(run).values()))


def norms(root: Path, seeds: Sequence[int]) -> str:
    """LayerNorm and unit length, each on and off, on top of the schedule of `warmup`."""
    rows: list[list[str]] = []
    plain = found(root, weld.CHANGES[3], seeds)
    for experiment in weld.CHANGES[3:7]:
        runs = found(root, experiment, seeds)
        lengths = [embedding_lengths(run) for run in runs]
        model: Any = experiment.config(seeds[0])
        apart = [_greatest_difference(run, other) for run, other in zip(runs, plain, strict=True)]
        rows.append(
            [
                "yes" if model.model.layer_norm else "no",
                "yes" if model.model.l2_normalize else "no",
                spread(mean for mean, _ in lengths).text(2),
                spread(deviation / mean for mean, deviation in lengths).text(3),
                _cell(runs, lambda run: float(run.steps["loss"][0]), 4),
                _cell(runs, lambda run: float(run.steps["grad_norm"][0]), 2),
                _cell(runs, lambda run: last(run.train()), 4),
                _cell(runs, lambda run: last(_knn(run))),
                f"{max(apart):.1e}",
            ]
        )
    titles = [
        "LayerNorm",
        "L2",
        "length before L2",
        "its spread (deviation/mean)",
        "loss step 1",
        "gradient norm step 1",
    ]
    return section(
        "LayerNorm and unit length", markdown([*titles, "training loss", "kNN", "loss apart from the first row"], rows)
    )


def _greatest_difference(run: Measured, other: Measured) -> float:
    """Of the training losses of one seed, over all steps."""
    return float(np.abs(run.steps["loss"] - other.steps["loss"]).max())


def embedding_lengths(run: Measured) -> tuple[float, float]:
    """Mean and standard deviation of the lengths of validation embeddings before they are scaled to length 1."""
    resolved = load_resolved(run.paths.config)
    assert isinstance(resolved.config, WeldConfig)
    splits = WeldTask(resolved.config).load()
    trained = restore(run.paths.latest, resolved, WeldTask, None, weights="raw", splits=splits)
    with torch.inference_mode():
        tensors = {name: splits.val.tensors[name] for name in (*MODALITIES, "present")}
        lengths_N = cast("WeldNet", trained.model).features(tensors).norm(dim=1)
    return float(lengths_N.mean()), float(lengths_N.std())


def candidates(root: Path) -> str:
    """What `repaired` was chosen from, on seeds that are not reported."""
    rows: list[list[str]] = []
    for experiment in weld.CANDIDATES:
        runs = found(root, experiment, weld.SELECTION_SEEDS)
        values = experiment.config(weld.SELECTION_SEEDS[0])
        options: Any = values
        rows.append(
            [
                experiment.name.removeprefix("candidate-"),
                f"{options.loss.temperature:g}",
                f"{options.augment.noise:g}, {options.augment.drop_modality:g}",
                f"{values.schedule.warmup_epochs:g}",
                str(values.train.batch_size),
                _cell(runs, lambda run: last(_knn(run)), 4),
                _cell(runs, lambda run: last(run.validation("centroid_accuracy")), 4),
                _cell(runs, _epochs_to_good, 1),
                _cell(runs, _epochs_collapsed, 1),
            ]
        )
    titles = ["candidate", "T", "noise, hidden", "warmup", "batch", "kNN", "centroid", f"epochs to {GOOD}"]
    seeds = ", ".join(map(str, weld.SELECTION_SEEDS))
    return section(f"Candidates for `repaired`, seeds {seeds}", markdown([*titles, f"epochs above {COLLAPSED}"], rows))


def promised(root: Path, seeds: Sequence[int]) -> str:
    """Losses that the documents expect beside those measured at the same epochs, and gradient norms."""
    rows: list[list[str]] = []
    for preset in ("stuck", "batch-32", "warmup"):
        runs = found(root, next(each for each in (*weld.FLOOR, *weld.CHANGES) if each.name == preset), seeds)
        for name, points in resolve(f"weld/{preset}").about.expected.items():
            curves = [run.validation("loss") if name == "val_loss" else run.train() for run in runs]
            measured = band(curves)
            for epoch, value in points:
                rows.append([preset, name, f"{epoch:g}", f"{value:g}", measured[int(epoch)].text(4)])
        low, high = HEALTHY_NORMS
        share = spread(
            float(np.mean((run.steps["grad_norm"] >= low) & (run.steps["grad_norm"] <= high))) for run in runs
        )
        rows.append([preset, f"share of gradient norms in {low:g} … {high:g}", "all", "1", share.text(2)])
    return section("Promised beside measured", markdown(["preset", "what", "epoch", "promised", "measured"], rows))


def raw_inputs(seeds: Sequence[int]) -> str:
    """What needs no network: chance, a linear classifier, nearest neighbours."""
    warnings.simplefilter("ignore")
    by_kind: dict[str, list[tuple[float, float]]] = {}
    for seed in seeds:
        for kind, raw in linear_probe.TASKS["weld"](seed, None).items():
            best = max(probe.accuracy for probe in linear_probe.probes(raw))
            by_kind.setdefault(kind, []).append((best, linear_probe.raw_knn(raw)))
    rows = [["chance", "0.083", "0.083"]]
    for kind, figures in by_kind.items():
        rows.append([kind, *(spread(pair[column] for pair in figures).text(3) for column in (0, 1))])
    return section("Without a network", markdown(["inputs", "linear probe, best of five", "kNN"], rows))


def diagnoses(root: Path, seeds: Sequence[int]) -> str:
    """What `trainctl diagnose` makes of the stuck preset and the look-alikes, before training and from the records."""
    rows: list[list[str]] = []
    for experiment in (weld.FLOOR[0], *weld.LOOK_ALIKES, weld.CHANGES[2], weld.CHANGES[-1]):
        runs = found(root, experiment, seeds)
        before = [diagnose(experiment.options(seed)) for seed in seeds]
        after = [diagnose([str(run.paths.root)]) for run in runs]
        loss, knn = _cell(runs, lambda run: last(run.train())), _cell(runs, lambda run: last(_knn(run)))
        rows.append([experiment.name, loss, knn, _codes(before), _codes(after), ", ".join(before[0].ruled_out)])
    titles = ["what", "training loss", "kNN", "before training", "from its records", "ruled out (first seed)"]
    return section("Diagnoses", markdown(titles, rows))


def _codes(found_by_seed: Sequence[Diagnosis]) -> str:
    """Primary cause, and in parentheses what else was found; each way it was judged, with how often."""
    words = [_words(each) for each in found_by_seed]
    kinds = list(dict.fromkeys(words))
    return kinds[0] if len(kinds) == 1 else ", ".join(f"{kind} ×{words.count(kind)}" for kind in kinds)


def _words(diagnosis: Diagnosis) -> str:
    if not diagnosis.primary:
        return diagnosis.verdict
    others = f" ({', '.join(diagnosis.others)})" if diagnosis.others else ""
    return f"**{diagnosis.primary}** {diagnosis.severity}{others}"


def plan() -> str:
    """Learning rates of `warmup` at full scale, beside what the optimisation summary lists. Needs no training."""
    config = resolve("weld/warmup").config
    steps = 18
    schedule = LearningRatePlan(config.schedule, config.optimizer.lr, steps_per_epoch=steps, epochs=config.train.epochs)
    listed = {1: "1e-7", 5: "5e-5", 10: "1e-4", 11: "falls", config.train.epochs: "1e-6"}
    rows = [[str(epoch), value, f"{schedule.at(steps * (epoch - 1)):.3g}"] for epoch, value in listed.items()]
    return section("Learning rate at full scale", markdown(["epoch", "promised", "planned"], rows))
