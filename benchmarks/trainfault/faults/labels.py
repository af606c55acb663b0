"""Labels and targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from benchmarks.trainfault.cases import fault
from benchmarks.trainfault.change import Change
from benchmarks.trainfault.host import Host
from benchmarks.trainfault.parts import rows_of, share, swapped
from trainctl.engine.data.batch import Split, Splits


def retrained(splits: Splits, train: Split) -> Splits:
    """The splits with other training data."""
    return Splits(train, splits.val, splits.classes)


@fault(
    "labels-shuffled",
    "inputs and labels were joined in another order",
    cause="L201",
    near="R801 L202 E1008 E1015 E1007 K401 O604",
    lacks="generative",
    doses=(0.7, 1, 1),
)
class LabelsShuffled(Change):
    def splits(self, host: Host, splits: Splits) -> Splits:
        y, draw = splits.train.tensors["y"].clone(), self.generator(host)
        rows = share(len(y), self.dose, draw)
        y[rows] = y[rows[torch.randperm(len(rows), generator=draw)]]
        return retrained(splits, swapped(splits.train, y=y))


@fault(
    "label-noise",
    "a large part of the labels is wrong",
    cause="L202",
    near="L201 R801 E1015",
    needs="labels",
    doses=(0.3, 0.5, 0.75),
)
class LabelNoise(Change):
    def splits(self, host: Host, splits: Splits) -> Splits:
        y, draw = splits.train.tensors["y"].clone(), self.generator(host)
        rows = share(len(y), self.dose, draw)
        y[rows] = torch.randint(10, (len(rows),), generator=draw)
        return retrained(splits, swapped(splits.train, y=y))


@fault(
    "labels-off-by-one",
    "the classes of training are numbered otherwise than those of validation",
    cause="L201 L203",
    near="R801 E1015 E1008 E1010",
    needs="classes labels",
)
class LabelsOffByOne(Change):
    def splits(self, host: Host, splits: Splits) -> Splits:
        return retrained(splits, swapped(splits.train, y=(splits.train.tensors["y"] + 1) % 10))


@fault(
    "targets-late",
    "the target of each place is one place late",
    cause="L201",
    near="R801 E1015 E1008 L202",
    needs="tokens",
)
class TargetsLate(Change):
    def splits(self, host: Host, splits: Splits) -> Splits:
        return retrained(splits, swapped(splits.train, y=splits.train.tensors["y"].roll(2, 1)))


@fault(
    "labels-constant",
    "every label is the same",
    cause="D101 D103",
    near="E1007 L201 K401 K402 D108 D102",
    needs="labels",
)
class LabelsConstant(Change):
    def splits(self, host: Host, splits: Splits) -> Splits:
        return retrained(splits, swapped(splits.train, y=torch.zeros_like(splits.train.tensors["y"])))


@fault("target-constant", "every target is the same", cause="D108 L205", near="E1007 L201 O604", needs="regression")
class TargetConstant(Change):
    def splits(self, host: Host, splits: Splits) -> Splits:
        return retrained(splits, swapped(splits.train, y=torch.zeros_like(splits.train.tensors["y"])))


@fault(
    "imbalance",
    "one class is nearly all of the training data",
    cause="D103",
    near="E1007 R801 L201 D101 K402",
    needs="labels",
    doses=(8, 3, 1),
)
class Imbalance(Change):
    """The dose is the number of samples of each other class."""

    def splits(self, host: Host, splits: Splits) -> Splits:
        y = splits.train.tensors["y"]
        rows = [(y == label).nonzero().squeeze(1) for label in range(10)]
        few = torch.cat([rows[0].repeat(8), *(part[: int(self.dose)] for part in rows[1:])])
        return retrained(splits, rows_of(splits.train, few[torch.randperm(len(few), generator=self.generator(host))]))


@fault(
    "class-missing",
    "half of the classes are missing from the training data",
    cause="D103 L203",
    near="R801 E1015 L201",
    needs="labels",
    doses=(2, 5, 8),
)
class ClassMissing(Change):
    def splits(self, host: Host, splits: Splits) -> Splits:
        y = splits.train.tensors["y"]
        return retrained(splits, rows_of(splits.train, (y >= int(self.dose)).nonzero().squeeze(1)))


@fault(
    "label-beyond",
    "some labels are beyond the last class",
    cause="L203",
    near="N901",
    needs="classes labels",
    doses=(0.01, 0.05, 0.1),
    refusal="labels outside",
)
class LabelBeyond(Change):
    def splits(self, host: Host, splits: Splits) -> Splits:
        y = splits.train.tensors["y"].clone()
        y[share(len(y), self.dose, self.generator(host))] = 10
        return retrained(splits, swapped(splits.train, y=y))


@fault(
    "targets-ignored",
    "nearly all targets are marked to be ignored",
    cause="L203",
    near="O604 R801 L201 E1015",
    needs="tokens",
    doses=(0.9, 0.99, 0.999),
)
class TargetsIgnored(Change):
    def splits(self, host: Host, splits: Splits) -> Splits:
        y = splits.train.tensors["y"].clone()
        y[torch.rand(y.shape, generator=self.generator(host)) < self.dose] = -100
        y[:, 0] = splits.train.tensors["y"][:, 0]  # a batch of nothing but ignored targets would be NaN
        return retrained(splits, swapped(splits.train, y=y))


@fault(
    "target-unscaled",
    "the target is in the thousands, far from zero",
    cause="L205",
    near="C306 O601 O602 O604 E1007",
    needs="regression",
    doses=(10, 100, 3000),
)
class TargetUnscaled(Change):
    def splits(self, host: Host, splits: Splits) -> Splits:
        train, val = (swapped(part, y=(part.tensors["y"] + 5) * self.dose) for part in (splits.train, splits.val))
        return Splits(train, val)

    def answer(self, host: Host, outputs: Any) -> Any:
        return outputs / self.dose - 5

    def judged(self, host: Host, columns: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {name: column / self.dose - 5 for name, column in columns.items()}


@fault(
    "target-outliers",
    "a few targets are many times too large",
    cause="C311",
    near="O603 C306 R801 L205",
    needs="regression",
    doses=(20, 100, 1000),
)
class TargetOutliers(Change):
    def splits(self, host: Host, splits: Splits) -> Splits:
        y = splits.train.tensors["y"].clone()
        y[share(len(y), 0.01, self.generator(host))] *= self.dose
        return retrained(splits, swapped(splits.train, y=y))
