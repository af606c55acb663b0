"""The tables of the quality experiments, from finished runs. Trains nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.experiments import quality_cases as quality
from benchmarks.experiments.diagnoses import Diagnosis, diagnose
from benchmarks.experiments.runs import Experiment, Measured, found, last
from benchmarks.experiments.tables import markdown, section, spread
from trainctl.engine.data.distortions.table import DISTORTIONS, LEVELS
from trainctl.engine.losses.clustering_bounds import best_max_posterior, expected_batch_balance
from trainctl.engine.runs.events import EventKind
from trainctl.engine.tasks import regression_metrics
from trainctl.engine.tasks.configured import resolve
from trainctl.engine.tasks.quality.config import QualityConfig
from trainctl.engine.tasks.quality.task import QualityTask
from trainctl.engine.training.device import seed_everything

Figure = Callable[[Measured], float]
CLUSTERS = 8
EVEN, SPREAD = 1000, 160
"""1,250 ± 200 of 10,000 samples, of the 8,000 that are trained on."""
PROBED = 40
"""Steps over which gradients are looked at."""


def everything(root: Path, seeds: Sequence[int], data: Path | None) -> str:
    """All tables, in the order of the document."""
    return "\n".join(
        (
            presets(root, seeds),
            causes(root, seeds),
            refits(root, seeds),
            promised(root, seeds),
            candidates(root),
            gradients(data),
            closed_forms(),
            diagnoses(root, seeds, data),
        )
    )


def _cell(runs: Sequence[Measured], figure: Figure, digits: int = 3) -> str:
    return spread(figure(run) for run in runs).text(digits)


def best(run: Measured) -> float:
    """Greatest correlation on unseen photographs over the epochs, of raw or averaged weights: the best checkpoint."""
    values = [*run.validation("srcc").values(), *run.validation("srcc", "ema").values()]
    return max((value for value in values if not math.isnan(value)), default=math.nan)


def sizes(run: Measured) -> list[int]:
    """Training samples in each cluster over the last epoch, the smallest first."""
    epoch = run.steps["epoch"] == run.steps["epoch"].max()
    return sorted(round(float(run.steps[f"scalar.cluster.{k}"][epoch].sum())) for k in range(CLUSTERS))


def ratio(run: Measured) -> float:
    """Largest to smallest cluster of the last epoch of training; infinite where one is empty."""
    found_sizes = sizes(run)
    return found_sizes[-1] / found_sizes[0] if found_sizes[0] else math.inf


def num_empty(run: Measured) -> float:
    """Clusters without a sample in the last epoch of training."""
    return float(sum(size == 0 for size in sizes(run)))


def drop_at_refit(run: Measured) -> float:
    """Greatest loss of correlation between the validations before and after a refit; not a number without one."""
    before, after = run.validation("srcc"), run.validation("srcc", after="refit")
    return max((before[epoch] - after[epoch] for epoch in after), default=math.nan)


def presets(root: Path, seeds: Sequence[int]) -> str:
    """Every preset, its whole length."""
    rows: list[list[str]] = []
    for experiment in quality.PRESETS:
        runs = found(root, experiment, seeds)
        rows.append(
            [
                experiment.name,
                _cell(runs, best),
                _cell(runs, lambda run: last(run.validation("srcc"))),
                _cell(runs, lambda run: last(run.train("quality")), 4),
                _cell(runs, lambda run: last(run.by_epoch("scalar.max_posterior")), 4),
                _cell(runs, lambda run: last(run.train("balance"))),
                "; ".join(f"{low} … {high}" for low, *_, high in map(sizes, runs)),
                _cell(runs, ratio, 2),
                _cell(runs, num_empty, 1),
                _refit_cell(runs),
            ]
        )
    titles = ["preset", "srcc best", "srcc last", "quality (train)", "max posterior", "balance", "clusters (seeds)"]
    return section("Presets", markdown([*titles, "largest/smallest", "empty", "lost at a refit"], rows))


def _refit_cell(runs: Sequence[Measured]) -> str:
    return _cell(runs, drop_at_refit) if runs[0].events(EventKind.REFIT) else "no refit"


def causes(root: Path, seeds: Sequence[int]) -> str:
    """`original` with one thing changed."""
    rows: list[list[str]] = []
    for experiment in (*quality.DIMENSIONS, *quality.WEIGHTS):
        runs = found(root, experiment, seeds)
        options: Any = experiment.config(seeds[0])
        rows.append(
            [
                experiment.name,
                str(options.model.projection or options.model.features),
                f"{options.loss_weights['cluster']:g}",
                _cell(runs, lambda run: float(run.steps["scalar.max_posterior"][0]), 4),
                _cell(runs, lambda run: last(run.by_epoch("scalar.max_posterior")), 4),
                _cell(runs, lambda run: last(run.train("quality")), 4),
                _cell(runs, best),
                _cell(runs, num_empty, 1),
                _cell(runs, lambda run: float(np.median(run.steps["grad_norm.backbone"])), 2),
                _cell(runs, lambda run: float(np.quantile(run.steps["grad_norm.backbone"], 0.99)), 1),
            ]
        )
    titles = [
        "experiment",
        "D",
        "cluster weight",
        "max posterior, step 1",
        "last epoch",
        "quality (train)",
        "srcc best",
    ]
    return section(
        "Causes: `original` without its refit, one thing changed",
        markdown([*titles, "empty", "backbone gradient, median", "99 %"], rows),
    )


def refits(root: Path, seeds: Sequence[int]) -> str:
    """What a refit does, matched or not, to a regressor that reads features and posteriors, or posteriors alone."""
    rows: list[list[str]] = []
    for experiment in (*quality.REFITS, quality.PRESETS[0], quality.PRESETS[4]):
        runs = found(root, experiment, seeds)
        rows.append(
            [
                experiment.name,
                _cell(runs, lambda run: _of_refits(run, "agreement"), 2),
                _cell(runs, lambda run: _of_refits(run, "matched_agreement"), 2),
                _cell(runs, lambda run: _mean(run.validation("srcc")[epoch] for epoch in _refit_epochs(run))),
                _cell(runs, lambda run: _mean(run.validation("srcc", after="refit").values())),
                _cell(runs, drop_at_refit),
                _cell(runs, best),
            ]
        )
    titles = ["experiment", "keep their number", "after renumbering", "srcc before", "srcc after", "largest loss"]
    return section("Refits", markdown([*titles, "srcc best"], rows))


def _of_refits(run: Measured, name: str) -> float:
    return _mean(float(data[name]) for data in run.events(EventKind.REFIT) if not data.get("failed"))


def _refit_epochs(run: Measured) -> list[int]:
    return list(run.validation("srcc", after="refit"))


def _mean(values: Any) -> float:
    figures = list(values)
    return sum(figures) / len(figures) if figures else math.nan


def promised(root: Path, seeds: Sequence[int]) -> str:
    """What the document promises beside what was measured, a column for each preset that it recommends or we do."""
    measured: dict[str, tuple[Figure, int]] = {
        "srcc of .75 to .85": (best, 3),
        "no collapse: srcc best − last": (lambda run: best(run) - last(run.validation("srcc")), 3),
        f"clusters of {EVEN} ± {SPREAD}, of {CLUSTERS}": (_num_even, 1),
        "balance loss below .05": (lambda run: last(run.train("balance")), 3),
        "cluster loss above −.99": (lambda run: last(run.train("cluster")), 4),
    }
    chosen = quality.PRESETS[1:]
    rows = [
        [promise, *(_cell(found(root, each, seeds), figure, digits) for each in chosen)]
        for promise, (figure, digits) in measured.items()
    ]
    return section("Promised", markdown(["promised", *(each.name for each in chosen)], rows))


def _num_even(run: Measured) -> float:
    """Clusters whose size in the last epoch of training is as promised."""
    return float(sum(abs(size - EVEN) <= SPREAD for size in sizes(run)))


def candidates(root: Path) -> str:
    """What `repaired` was chosen from, on seeds that are not reported."""
    rows: list[list[str]] = []
    for experiment in quality.CANDIDATES:
        runs = found(root, experiment, quality.SELECTION_SEEDS)
        rows.append(
            [
                experiment.name.removeprefix("candidate-"),
                _cell(runs, best),
                _cell(runs, lambda run: last(run.validation("srcc"))),
                _cell(runs, ratio, 2),
                _cell(runs, num_empty, 1),
                _cell(runs, lambda run: last(run.by_epoch("scalar.max_posterior"))),
            ]
        )
    titles = ["candidate", "srcc best", "srcc last", "largest/smallest", "empty", "max posterior"]
    seeds = ", ".join(map(str, quality.SELECTION_SEEDS))
    return section(f"Candidates for `repaired`, seeds {seeds}", markdown(titles, rows))


def gradients(data: Path | None) -> str:
    """Gradient of each term on the backbone, unweighted, over batches of the first steps of `original`.

    The network takes the steps of the quality loss alone, so that all experiments see the same backbone.
    """
    rows: list[list[str]] = []
    for name in ("dim-512", "dim-32", "dim-2", "dim-512-tempered"):
        experiment = next(each for each in quality.DIMENSIONS if each.name == name)
        norms = _term_gradients(experiment, data)
        rows.append([name, *(f"{np.median(values):.2f} ({max(values):.1f})" for values in norms.values())])
    titles = ["experiment", "quality, median (most)", "cluster", "balance", "entropy"]
    return section(f"Gradients on the backbone over the first {PROBED} steps", markdown(titles, rows))


def _term_gradients(experiment: Experiment, data: Path | None) -> dict[str, list[float]]:
    config = experiment.config(quality.SELECTION_SEEDS[0])
    assert isinstance(config, QualityConfig)
    seed_everything(config.seed)
    task = QualityTask(config, data)
    splits = task.load()
    model = task.build_model(splits).train()
    optimizer = torch.optim.Adam(model.parameters(), config.optimizer.lr)
    backbone = list(model.backbone.parameters())
    norms: dict[str, list[float]] = {}
    for rows in task.sampler(splits.train).batches(0)[:PROBED]:
        batch = task.prepare({name: tensor[rows] for name, tensor in splits.train.tensors.items()})
        terms = task.step(model, batch).terms
        for name, term in terms.items():
            parts = torch.autograd.grad(term, backbone, retain_graph=True)
            squares = [part.square().sum() for part in parts]
            norms.setdefault(name, []).append(float(sum(squares, torch.zeros(()))) ** 0.5)
        optimizer.zero_grad()
        terms["quality"].backward()
        optimizer.step()
    return norms


def closed_forms() -> str:
    """What the weights of each preset ask for, and the least balance term of one-hot batches."""
    rows: list[list[str]] = []
    for experiment in quality.PRESETS:
        config = resolve(experiment.preset, scale="small").config
        cluster, entropy = (config.loss_weights[name] for name in ("cluster", "entropy"))
        wanted = best_max_posterior(cluster, entropy, CLUSTERS)
        balance = expected_batch_balance(CLUSTERS, config.train.batch_size)
        rows.append([experiment.name, f"{cluster:g}", f"{entropy:g}", f"{wanted:.3f}", f"{balance:.4f}"])
    titles = ["preset", "cluster", "entropy", "mean max posterior they ask for", "balance of ideal one-hot batches"]
    table = section("Closed forms", markdown(titles, rows))
    return f"{table}\nThe level alone, as a prediction of the table's scores: srcc {level_alone():.3f}.\n"


def level_alone() -> float:
    """Correlation of the level with the scores of the 125 kinds."""
    scores = [kind.score(level) for kind in DISTORTIONS for level in range(1, LEVELS + 1)]
    levels = [-float(level) for _ in DISTORTIONS for level in range(1, LEVELS + 1)]
    return regression_metrics.srcc(torch.tensor(levels), torch.tensor(scores))


def diagnoses(root: Path, seeds: Sequence[int], data: Path | None) -> str:
    """What is found of each preset, before training (first seed) and from the records of every seed."""
    rows: list[list[str]] = []
    for experiment in quality.PRESETS:
        runs = found(root, experiment, seeds)
        before = [diagnose(replace(experiment, data=data).options(seeds[0]))]
        after = [diagnose([str(run.paths.root)]) for run in runs]
        rows.append([experiment.name, _codes(before), _codes(after)])
    return section("Diagnosed", markdown(["preset", "before training", "from the records"], rows))


def _codes(answers: Sequence[Diagnosis]) -> str:
    """Of each seed, the primary cause first; one answer where all are the same."""
    words = [
        " ".join(filter(None, (f"**{answer.primary}**" if answer.primary else "clean", *answer.others)))
        for answer in answers
    ]
    return words[0] if len(set(words)) == 1 else "; ".join(words)
