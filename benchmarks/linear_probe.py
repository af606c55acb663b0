"""How well a linear classifier on raw inputs tells the built-in data apart: the bar a network must clear.

Usage: python benchmarks/linear_probe.py [--task eyes|weld|emotion] [--seed 42] [--samples 6000]

Several strengths of regularisation are tried and the best on the *validation* split is reported, so the figure
is, if anything, too kind to the linear classifier. For welds also what the nearest neighbours on raw inputs say, by
the rule of the task's own `knn_accuracy`. For emotions F1 is weighted by the classes' shares; each utterance alone, and
with the mean of those around it, which is what its dialogue tells a linear classifier.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from trainctl.engine.config.schema import TrainConfig
from trainctl.engine.data.batch import Split, Splits
from trainctl.engine.data.emotion.load import load_emotion
from trainctl.engine.data.emotion.options import MODALITIES as SENSES
from trainctl.engine.data.emotion.options import EmotionData
from trainctl.engine.data.eyes.load import load_eyes
from trainctl.engine.data.eyes.options import EyesData
from trainctl.engine.data.weld.load import load_weld
from trainctl.engine.data.weld.options import MODALITIES, WeldData
from trainctl.engine.tasks.embedding_metrics import knn_classes

STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
"""Inverse regularisation strengths C."""
NEAR = 4
"""Utterances before and after, of which the mean is taken."""
SERIES = "sensor"
"""The modality whose rows are time steps of a raw series."""
Floats = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Raw:
    """Inputs of two splits, a scaled row for each sample, and their classes."""

    train: Floats
    val: Floats
    train_labels: Tensor
    val_labels: Tensor
    average: str
    """How F1 is taken over classes, as scikit-learn calls it."""


@dataclass(frozen=True)
class Probe:
    """What one strength of regularisation reaches on the validation split."""

    strength: float
    f1: float
    """Of the positive class where there are two, else over classes as the task does it."""
    accuracy: float


def eyes(seed: int, samples: int | None) -> dict[str, Raw]:
    """Pixels of the built-in eyes, each scaled by mean and deviation of the training split."""
    data = EyesData() if samples is None else EyesData(samples=samples)
    splits = load_eyes(data, seed, None)
    train, val = (split.tensors["images"].flatten(1).float().div(255) for split in (splits.train, splits.val))
    return {"pixels": _raw(splits, train, val)}


def welds(seed: int, samples: int | None) -> dict[str, Raw]:
    """All four modalities of the built-in welds in one row, 0 where missing: as they are, and averaged over rows.

    The mean helps a linear classifier, as long as it is the mean of frames and not of a series.
    """
    data = WeldData() if samples is None else WeldData(samples=samples)
    splits = load_weld(data, seed, None, val_batch_size=TrainConfig().validation_batch_size)

    def whole(split: Split) -> Tensor:
        return torch.cat([split.tensors[name].flatten(1) for name in MODALITIES], 1)

    def averaged(split: Split) -> Tensor:
        means = [split.tensors[name].mean(1) for name in MODALITIES if name != SERIES]
        return torch.cat([*means, split.tensors[SERIES].flatten(1)], 1)

    kinds = {"all features": whole, "features averaged over rows": averaged}
    return {kind: _raw(splits, of(splits.train), of(splits.val)) for kind, of in kinds.items()}


def emotions(seed: int, samples: int | None) -> dict[str, Raw]:
    """Utterances of the built-in dialogues (`samples` dialogues): all features in one row, alone and with context."""
    splits = load_emotion(EmotionData() if samples is None else EmotionData(dialogues=samples), seed, None)
    found: dict[str, Raw] = {}
    for kind, with_context in (("one utterance", False), ("with the utterances around it", True)):
        train, val = (_utterances(split, with_context=with_context) for split in (splits.train, splits.val))
        labels = [split.tensors["labels"][split.tensors["labels"] >= 0] for split in (splits.train, splits.val)]
        found[kind] = _scaled(train, val, labels, "weighted")
    return found


def _utterances(split: Split, *, with_context: bool) -> Tensor:
    """Features (N, D) of the utterances that are there; with context (N, 3 D): the mean of its own speaker's and of all
    within `NEAR` places beside each."""
    features_BLD = torch.cat([split.tensors[name] for name in SENSES], -1)
    valid_BL, speakers_BL = split.tensors["labels"] >= 0, split.tensors["speakers"]
    if not with_context:
        return features_BLD[valid_BL]
    places = torch.arange(features_BLD.shape[1])
    near_BLL = ((places[:, None] - places).abs() <= NEAR) & valid_BL[:, None]
    rows = [features_BLD[valid_BL]]
    for among_BLL in (near_BLL & (speakers_BL[:, :, None] == speakers_BL[:, None]), near_BLL):
        mean_BLD = among_BLL.float() @ features_BLD / among_BLL.sum(-1, keepdim=True).clamp(min=1)
        rows.append(mean_BLD[valid_BL])
    return torch.cat(rows, -1)


TASKS: dict[str, Callable[[int, int | None], dict[str, Raw]]] = {"eyes": eyes, "weld": welds, "emotion": emotions}


def _raw(splits: Splits, train: Tensor, val: Tensor) -> Raw:
    labels = [split.tensors["labels"].long() for split in (splits.train, splits.val)]
    return _scaled(train, val, labels, "binary" if int(labels[0].max()) == 1 else "macro")


def _scaled(train: Tensor, val: Tensor, labels: Sequence[Tensor], average: str) -> Raw:
    scaler: Any = StandardScaler()
    return Raw(scaler.fit_transform(train.numpy()), scaler.transform(val.numpy()), labels[0], labels[1], average)


def probes(raw: Raw) -> list[Probe]:
    """A linear classifier for each strength."""
    answers = raw.val_labels.numpy()
    found: list[Probe] = []
    for strength in STRENGTHS:
        guess = LogisticRegression(C=strength, max_iter=100).fit(raw.train, raw.train_labels.numpy()).predict(raw.val)
        f1 = float(f1_score(answers, guess, average=raw.average))
        found.append(Probe(strength, f1, float(accuracy_score(answers, guess))))
    return found


def raw_knn(raw: Raw) -> float:
    """Accuracy of the nearest neighbours by the cosine of raw inputs, each validation sample judged by the others."""
    classes_N = knn_classes(torch.from_numpy(raw.val), raw.val_labels)
    return float((classes_N == raw.val_labels).float().mean())


def main() -> None:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--task", choices=tuple(TASKS), default="eyes")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument(
        "--samples",
        type=int,
        default=None,
        help="training samples (emotion: dialogues); default: the task's own number",
    )
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # 100 iterations do not always converge; more change the figures by .002
    for kind, raw in TASKS[options.task](options.seed, options.samples).items():
        print_kind(kind, raw, options.seed, with_knn=options.task == "weld")


def print_kind(kind: str, raw: Raw, seed: int, *, with_knn: bool) -> None:
    """Every strength, and the best."""
    found = probes(raw)
    print(f"{kind}\n{'C':>8}  {'F1':>6}  {'accuracy':>8}")
    for probe in found:
        print(f"{probe.strength:8.0e}  {probe.f1:6.3f}  {probe.accuracy:8.3f}")
    best = max(found, key=lambda probe: probe.f1)
    where = f"on {len(raw.val_labels)} validation samples, seed {seed}"
    print(f"linear probe F1 {best.f1:.3f}, accuracy {best.accuracy:.3f} {where}")
    if with_knn:
        print(f"nearest neighbours {raw_knn(raw):.3f} {where}")


if __name__ == "__main__":
    main()
