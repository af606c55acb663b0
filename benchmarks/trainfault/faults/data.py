"""Inputs, sampling, augmentation and the split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.trainfault.cases import fault
from benchmarks.trainfault.change import Change
from benchmarks.trainfault.host import Host, HostConfig
from benchmarks.trainfault.parts import rows_of, share, swapped, with_inputs
from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.data.samplers.sampler import Sampler

UNSCALED_NEAR = "C306 O601 O603 O607 N901 G706 G712 O604 E1007"


@fault(
    "input-large",
    "inputs are not scaled: hundreds in place of ones",
    cause="D106",
    near=UNSCALED_NEAR,
    needs="floats",
    doses=(16, 255, 5000),
)
class InputLarge(Change):
    def inputs(self, host: Host, batch: Batch) -> Batch:
        return with_inputs(batch, lambda x: x * self.dose)


@fault(
    "input-small",
    "inputs are scaled twice: thousandths in place of ones",
    cause="D106",
    near="O602 O604 E1007 G704 G712",
    needs="floats",
    doses=(16, 255, 1e5),
)
class InputSmall(Change):
    def inputs(self, host: Host, batch: Batch) -> Batch:
        return with_inputs(batch, lambda x: x / self.dose)


@fault(
    "input-offset",
    "inputs have a mean many times their deviation",
    cause="D106",
    near=UNSCALED_NEAR,
    needs="floats",
    doses=(5, 50, 1000),
)
class InputOffset(Change):
    def inputs(self, host: Host, batch: Batch) -> Batch:
        return with_inputs(batch, lambda x: x + self.dose)


@fault(
    "feature-large",
    "one feature is in another unit and drowns the others",
    cause="D106",
    near=UNSCALED_NEAR,
    needs="floats vector",
    doses=(100, 1e4, 1e6),
)
class FeatureLarge(Change):
    def inputs(self, host: Host, batch: Batch) -> Batch:
        x = batch["x"].clone()
        x[:, 4] = x[:, 4] * self.dose + (batch["x"][:, 3] - 0.5) * self.dose
        return {**batch, "x": x}


@fault(
    "input-constant",
    "the loader gives every sample the same input",
    cause="D108",
    near="L207 E1007 L201 O604 K403 R803",
)
class InputConstant(Change):
    def splits(self, host: Host, splits: Splits) -> Splits:
        x = splits.train.tensors["x"]
        return Splits(swapped(splits.train, x=x[:1].expand_as(x).clone()), splits.val, splits.classes)


@fault(
    "features-dead",
    "most features are zero: a source was not read",
    cause="D108",
    near="R802 E1007 L201 O604",
    needs="floats",
    doses=(0.5, 0.8, 0.95),
)
class FeaturesDead(Change):
    def inputs(self, host: Host, batch: Batch) -> Batch:
        width = batch["x"].shape[1]
        keep = torch.rand(width, generator=torch.Generator().manual_seed(3)) >= self.dose
        keep[0] = True
        return with_inputs(batch, lambda x: x * keep)


@fault(
    "input-nan", "a few cells of the input are NaN", cause="D107", near="N901", needs="floats", doses=(0.002, 0.01, 0.1)
)
class InputNan(Change):
    def splits(self, host: Host, splits: Splits) -> Splits:
        x = splits.train.tensors["x"].clone()
        x[share(len(x), self.dose, self.generator(host)), 3] = torch.nan
        return Splits(swapped(splits.train, x=x), splits.val, splits.classes)


@fault(
    "target-inf", "a few targets are infinite", cause="D107", near="N901", needs="regression", doses=(0.002, 0.01, 0.1)
)
class TargetInf(Change):
    def splits(self, host: Host, splits: Splits) -> Splits:
        y = splits.train.tensors["y"].clone()
        y[share(len(y), self.dose, self.generator(host))] = torch.inf
        return Splits(swapped(splits.train, y=y), splits.val, splits.classes)


@fault(
    "conflicting",
    "most samples are there several times, each with another label",
    cause="L207",
    near="L202 L201 R801",
    needs="labels",
    doses=(0.4, 0.7, 0.95),
)
class Conflicting(Change):
    def splits(self, host: Host, splits: Splits) -> Splits:
        train, draw = splits.train, self.generator(host)
        x, y = train.tensors["x"].clone(), train.tensors["y"]
        rows = share(len(x), self.dose, draw)
        x[rows] = x[rows[torch.randint(len(rows) // 5 + 1, (len(rows),), generator=draw)]]
        return Splits(swapped(train, x=x, y=y), splits.val, splits.classes)


class Batches:
    """The same batches at every epoch, or in a new order.

    Args:
        batches: rows of each.
        seed: of the order; none: as they are.
    """

    def __init__(self, batches: Sequence[Tensor], seed: int | None = None) -> None:
        self._batches, self._seed = batches, seed

    def __len__(self) -> int:
        return len(self._batches)

    def batches(self, epoch: int) -> Sequence[Tensor]:
        """Rows of the batches of an epoch."""
        if self._seed is None:
            return self._batches
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(self._seed + epoch))
        return [self._batches[index] for index in order.tolist()]


def _whole(rows: Tensor, size: int) -> list[Tensor]:
    return [part for part in rows.split(size) if len(part) == size]


@fault(
    "one-class-batches", "every batch holds a single class", cause="D101", near="D102 K401 O603 L201", needs="labels"
)
class OneClassBatches(Change):
    def sampler(self, host: Host, split: Split) -> Sampler | None:
        size, y = host.config.train.batch_size, split.tensors["y"]
        parts = [part for label in y.unique() for part in _whole((y == label).nonzero().squeeze(1), size)]
        return Batches(parts, host.config.seed)


@fault(
    "sorted",
    "the data are sorted by their target and not shuffled",
    cause="D102 D101",
    near="O603 L201 R801 K401 K402 E1015",
    needs="vector",
    lacks="generative",
)
class Sorted(Change):
    def sampler(self, host: Host, split: Split) -> Sampler | None:
        return Batches(_whole(split.tensors["y"].argsort(stable=True), host.config.train.batch_size))


@fault(
    "sorted-images",
    "the data are sorted by class and not shuffled",
    cause="D102 D101",
    near="O603 L201 R801 E1015",
    needs="image",
)
class SortedImages(Sorted):
    pass


@fault(
    "few-samples-drawn",
    "the sampler draws from a handful of the samples only",
    cause="R801 R806 D102 D114",
    near="D112 D113 E1015",
    doses=(4, 2, 1),
)
class FewSamplesDrawn(Change):
    def sampler(self, host: Host, split: Split) -> Sampler | None:
        size = host.config.train.batch_size
        rows = torch.randperm(len(split), generator=torch.Generator().manual_seed(5))[: int(self.dose) * size]
        return Batches(_whole(rows, size) * (len(split) // len(rows)))


@fault(
    "tiny-data",
    "so few samples that they are learnt by heart",
    cause="R801 R806",
    near="D112 D113 E1005 E1015",
    doses=(120, 50, 20),
)
class TinyData(Change):
    def settings(self, config: HostConfig) -> Mapping[str, Any]:
        """As many steps as the host takes, in ten times as many epochs."""
        size = min(config.train.batch_size, int(self.dose) // 2)
        return {"train.batch_size": size, "train.epochs": config.train.epochs * 8, "train.eval_every": 8}

    def splits(self, host: Host, splits: Splits) -> Splits:
        return Splits(rows_of(splits.train, torch.arange(int(self.dose))), splits.val, splits.classes)


@fault("leak", "the validation is made of training samples", cause="D104", near="E1010 R801", doses=(0.7, 1, 1))
class Leak(Change):
    def settings(self, config: HostConfig) -> Mapping[str, Any]:
        return {"train.epochs": config.train.epochs * 2}

    def splits(self, host: Host, splits: Splits) -> Splits:
        train = rows_of(splits.train, torch.arange(300))
        leaked, kept = round(300 * self.dose), splits.val
        val = swapped(
            kept,
            **{
                name: torch.cat([train.tensors[name][:leaked], tensor[: 300 - leaked]])
                for name, tensor in kept.tensors.items()
                if name != "labels"
            },
        )
        return Splits(train, val, splits.classes)


@fault(
    "val-other",
    "the validation comes from elsewhere: other inputs than those of training and use",
    cause="D115",
    near="R801 L201 E1015 E1003 E1007 E1021",
    doses=(0.5, 1, 3),
)
class ValOther(Change):
    def splits(self, host: Host, splits: Splits) -> Splits:
        x, draw = splits.val.tensors["x"], self.generator(host)
        if x.is_floating_point():
            other = x.flip(1) * self.dose
        else:
            rows = torch.randperm(96, generator=draw)
            hit = torch.rand(x.shape, generator=draw) < 0.3 * self.dose
            other = torch.where(hit, rows[x], x)
        return Splits(splits.train, swapped(splits.val, x=other), splits.classes)


@fault("val-tiny", "sixteen samples validate", cause="E1005", near="", doses=(24, 16, 8))
class ValTiny(Change):
    def splits(self, host: Host, splits: Splits) -> Splits:
        return Splits(splits.train, rows_of(splits.val, torch.arange(int(self.dose))), splits.classes)


@fault(
    "augmentation",
    "the augmentation destroys what is to be learnt",
    cause="D109",
    near="R802 O604 L201 E1003 E1010",
    needs="floats",
    doses=(1, 4, 20),
)
class Augmentation(Change):
    def augment(self, host: Host, batch: Batch, generator: torch.Generator) -> Batch:
        x = batch["x"]
        noise = torch.randn(x.shape, generator=generator)
        order = torch.randperm(x.shape[1], generator=generator)
        return {**batch, "x": torch.where(noise.abs() < 0.3 * self.dose, x[:, order], x) + 0.5 * self.dose * noise}


@fault(
    "scaled-in-training-only",
    "inputs are standardised in training, and not in validation or use",
    cause="E1003 D106 D115",
    near="R801 L201 E1015 E1007",
    needs="floats",
    doses=(3, 8, 30),
)
class ScaledInTrainingOnly(Change):
    def augment(self, host: Host, batch: Batch, generator: torch.Generator) -> Batch:
        return with_inputs(batch, lambda x: (x - 0.3) * self.dose)


@fault(
    "samples-mixed",
    "a view in the wrong order mixes the samples of a batch",
    cause="G710 C313",
    near="O604 L201 E1007",
    needs="floats",
    lacks="image",
)
class SamplesMixed(Change):
    def network(self, host: Host, model: nn.Module) -> nn.Module:
        model.register_forward_pre_hook(lambda _module, inputs: (inputs[0].t().reshape(inputs[0].shape),))
        return model
