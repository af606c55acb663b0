"""What a simple learner makes of the samples: within each split, from one to the other, and of augmented ones.

Works on a private copy of the task, from generators of its own. Judges nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from trainctl.engine.data.batch import Split, Splits
from trainctl.engine.diagnosis.facts.samples.relation import Augmented, Learnt, RelationFacts, Shift
from trainctl.engine.diagnosis.logs.table import Floats
from trainctl.engine.diagnosis.probes.copies import private
from trainctl.engine.diagnosis.probes.isolation import undisturbed
from trainctl.engine.diagnosis.probes.samples.learner import Fitted, answers_for_others, fit, standardised
from trainctl.engine.diagnosis.probes.samples.views import View, few_rows, view
from trainctl.engine.diagnosis.probes.watching.notices import quiet
from trainctl.engine.tasks.task import Task

MOST, MOST_READ, MOST_COMPARED = 400, 128, 200
"""Samples of a split that are looked at; of a Dataset, whose samples are read one by one; and of which the inputs are
compared with those of the other split."""
FEWEST, OF_CLASS = 30, 3
"""Samples of a split, and of a class in it, below which nothing is asked."""
STRETCHES = 4
"""Parts of a split that are left out one after the other."""
VARIES = 0.1
"""Of the largest deviation of a column, from which on one counts as varying."""


@dataclass(frozen=True)
class Asked:
    """Samples with what is to be answered."""

    x: Floats
    """Standardised columns."""
    truth: Floats
    """One column a class, or the one figure; shape (n, outputs)."""
    classes: NDArray[np.int64] | None

    def at(self, rows: NDArray[np.int64]) -> Asked:
        """Some of them."""
        return Asked(self.x[rows], self.truth[rows], None if self.classes is None else self.classes[rows])

    def score(self, answers: Floats) -> float:
        """How right answers (n, outputs) are: 0 at chance, 1 where all are."""
        if self.classes is None:
            a, b = answers[:, 0] - answers.mean(), self.truth[:, 0] - self.truth.mean()
            return float((a * b).sum() / max(float(np.sqrt((a**2).sum() * (b**2).sum())), 1e-12))
        told = answers.argmax(1)
        recalls = [float((told[self.classes == label] == label).mean()) for label in np.unique(self.classes)]
        chance = 1 / answers.shape[1]
        return (float(np.mean(recalls)) - chance) / (1 - chance)


def measure_relation(task: Task, splits: Splits) -> RelationFacts:
    """Facts about a few hundred samples of each split."""
    with undisturbed(task.config.seed), quiet():
        task = private(task)
        most = MOST if splits.train.dataset is None else MOST_READ
        rows = [few_rows(split, most) for split in (splits.train, splits.val)]
        train, val = view(task, splits.train, rows[0]), view(task, splits.val, rows[1])
        generator = torch.Generator().manual_seed(task.config.seed)
        augmented = view(task, splits.train, rows[0], generator)
    order = [_origins(split, found.numpy()) for split, found in zip((splits.train, splits.val), rows, strict=True)]
    is_enough = min(len(found) for found in rows) >= FEWEST and bool(train.blocks)
    is_enough = is_enough and all(name in val.blocks for name in train.blocks)
    learnt = _learnt(train, val, order) if is_enough else None
    return RelationFacts(
        learnt=learnt,
        shift=_shift(train, val) if is_enough else None,
        augmented=_augmented(train, augmented, val) if is_enough else None,
        total_train=len(splits.train),
        total_val=len(splits.val),
    )


def _origins(split: Split, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows' places in an order in which samples of one origin lie beside each other."""
    if len(split.groups) == len(split):
        names = np.array([split.groups[row] for row in rows])
        return np.argsort(names, kind="stable")
    return np.arange(len(rows))


def _columns(found: View, by: View) -> Floats:
    """All inputs beside each other, each input as much as any other, standardised by the samples `by`."""
    width = sum(block.shape[1] for block in by.blocks.values())
    parts = []
    for name, block in by.blocks.items():
        weight = np.sqrt(width / (len(by.blocks) * block.shape[1]))
        parts.append(standardised(found.blocks[name], block) * weight)
    return np.concatenate(parts, 1)


def _asked(found: View, by: View, known: NDArray[np.int64] | None) -> tuple[Asked, NDArray[np.int64]] | None:
    """The samples that can be asked, and their rows; None: there is nothing to answer. `known`: classes that count."""
    x, rows = _columns(found, by), np.arange(len(next(iter(found.blocks.values()))))
    if found.classes is not None and known is not None:
        rows = np.flatnonzero(np.isin(found.classes, known))
        classes = np.searchsorted(known, found.classes[rows])
        return Asked(x[rows], np.eye(len(known))[classes], classes), rows
    if found.target is None or not np.isfinite(found.target).all() or np.ptp(found.target) == 0:
        return None
    return Asked(x, found.target[:, None], None), rows


def _common(train: View, val: View) -> NDArray[np.int64] | None:
    """Classes that both have; None: there are no classes, or fewer than two such."""
    if train.classes is None or val.classes is None:
        return None
    often = [set(np.flatnonzero(np.bincount(v[v >= 0]) >= OF_CLASS)) for v in (train.classes, val.classes)]
    common = np.array(sorted(often[0] & often[1]), np.int64)
    return common if len(common) > 1 else None


def _learnt(train: View, val: View, order: list[NDArray[np.int64]]) -> Learnt | None:
    known = _common(train, val)
    if known is None and train.classes is not None:
        return None
    pairs = _asked(train, train, known), _asked(val, train, known), _asked(val, val, known)
    if any(pair is None for pair in pairs):
        return None
    (own, rows), (other, rows_val), (alone, _) = (pair for pair in pairs if pair is not None)
    if min(len(own.x), len(alone.x)) < FEWEST:
        return None
    fitted, fitted_val = fit(own.x, own.truth), fit(alone.x, alone.truth)
    answers = fitted.answers(other.x)
    return Learnt(
        num_train=len(own.x),
        num_val=len(alone.x),
        num_classes=0 if known is None else len(known),
        train=own.score(fitted.left_out),
        val=alone.score(fitted_val.left_out),
        across=other.score(answers),
        train_apart=_apart(own, fitted, rows, order[0]),
        val_apart=_apart(alone, fitted_val, rows_val, order[1]),
        renumbered=_renumbered(other, answers),
        unlike=_unlike(own, alone),
    )


def _apart(asked: Asked, fitted: Fitted, rows: NDArray[np.int64], order: NDArray[np.int64]) -> float:
    """The score of samples that are left out by the stretch, of each class its own."""
    place = np.argsort(order)[rows]
    stretch = np.zeros(len(rows), np.int64)
    groups = [np.arange(len(rows))]
    if asked.classes is not None:
        groups = [np.flatnonzero(asked.classes == label) for label in np.unique(asked.classes)]
    for members in groups:
        stretch[members[np.argsort(place[members])]] = np.arange(len(members)) * STRETCHES // len(members)
    return asked.score(answers_for_others(fitted, asked.truth, stretch))


def _renumbered(asked: Asked, answers: Floats) -> float:
    """The score after each answer is taken for the class that it mostly meets."""
    if asked.classes is None:
        return 0.0
    told, size = answers.argmax(1), answers.shape[1]
    met = np.zeros((size, size))
    np.add.at(met, (told, asked.classes), 1)
    meant = met.argmax(1)
    return asked.score(np.eye(size)[meant[told]]) if len(set(meant.tolist())) == size else 0.0


def _unlike(train: Asked, val: Asked) -> float:
    if train.classes is None or val.classes is None:
        return 1.0
    size = train.truth.shape[1]
    ratios = np.bincount(train.classes, minlength=size) / len(train.x)
    ratios = ratios / (np.bincount(val.classes, minlength=size) / len(val.x))
    return float(max(ratios.max(), 1 / ratios.min()))


def _shift(train: View, val: View) -> Shift:
    x, other = _columns(train, train), _columns(val, train)
    varies = (x.std(0) > 0) | (other.std(0) > 0)
    x, other = x[:, varies], other[:, varies]
    half, deviation = len(x) // 2, x.std(0)
    counts = deviation > VARIES * deviation.max(initial=0.0)
    return Shift(
        area=_area(_few(x), _few(other)),
        within=_area(_few(x[:half]), _few(x[half:])),
        distance=float(np.sqrt(((other.mean(0) - x.mean(0)) ** 2).mean())),
        scale=float(np.median(other.std(0)[counts] / deviation[counts])) if counts.any() else 1.0,
    )


def _few(x: Floats) -> Floats:
    return x[np.linspace(0, len(x) - 1, min(MOST_COMPARED, len(x))).round().astype(np.int64)]


def _area(a: Floats, b: Floats) -> float:
    """How well a learner tells two sets of samples apart, left-one-out."""
    sides = np.concatenate([-np.ones(len(a)) / len(a), np.ones(len(b)) / len(b)])[:, None] * len(a)
    told = fit(np.concatenate([a, b]), sides).left_out[:, 0]
    lower, higher = told[: len(a)], told[len(a) :]
    return float((higher[:, None] > lower[None]).mean())


def _augmented(stored: View, given: View, val: View) -> Augmented | None:
    """None where both are the same."""
    names = [name for name in stored.blocks if name in given.blocks]
    if not names or all(np.array_equal(stored.blocks[name], given.blocks[name]) for name in names):
        return None
    a = np.concatenate([stored.blocks[name] for name in names], 1)
    b = np.concatenate([given.blocks[name] for name in names], 1)
    deviation = a.std(0)
    varies = deviation > VARIES * deviation.max()
    if not varies.any() or a.shape != b.shape:
        return None
    a, b, deviation = a[:, varies], b[:, varies], deviation[varies]
    covariance = ((a - a.mean(0)) * (b - b.mean(0))).mean(0)
    explained = float((covariance**2 / deviation**2).sum() / max(float(b.var(0).sum()), 1e-30))
    return Augmented(
        num_samples=len(a),
        kept=explained,
        gain=float(np.median(covariance / deviation**2)),
        offset=float(np.median(np.abs(b.mean(0) - a.mean(0)) / deviation)),
        alike=float(np.median(b.std(0) / deviation)),
        across=_across(given, val),
    )


def _across(given: View, val: View) -> float:
    """The score on the validation of a learner that saw augmented samples; NaN: there is nothing to answer."""
    known = _common(given, val)
    learns, answers = _asked(given, given, known), _asked(val, given, known)
    if learns is None or answers is None or (known is None and given.classes is not None):
        return float("nan")
    return answers[0].score(fit(learns[0].x, learns[0].truth).answers(answers[0].x))
