"""Healthy trainings of which a rule may think otherwise: plans, data, networks and losses that are meant so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.trainfault.cases import trap
from benchmarks.trainfault.change import Change, Terms
from benchmarks.trainfault.faults.data import Batches
from benchmarks.trainfault.host import Host, HostConfig
from benchmarks.trainfault.hosts.characters import Characters, windows
from benchmarks.trainfault.parts import first, matrices, replaced, rows_of, share, swapped, with_inputs
from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.data.samplers.sampler import Sampler


@trap("pretrained-frozen", "the body was trained before and is frozen on purpose", lacks="transformer generative")
class PretrainedFrozen(Change):
    def network(self, host: Host, model: nn.Module) -> nn.Module:
        for name, weights in _pretrained(type(host)).items():
            model.get_parameter(name).data.copy_(weights)
        first(model).requires_grad_(False)
        return model


@cache
def _pretrained(kind: type[Host]) -> Mapping[str, Tensor]:
    """Weights after a short training of the host as it is, from one seed, whatever the trial's."""
    from benchmarks.trainfault.trial import Trial, task_of

    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(99)
        host = task_of(Trial(kind.name, "", 99))
        splits = host.load()
        model = host.build_model(splits)
        optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
        for epoch in range(8):
            for rows in host.sampler(splits.train).batches(epoch):
                optimizer.zero_grad()
                torch.stack(list(host.step(model, splits.train.at(rows)).terms.values())).sum().backward()
                optimizer.step()
    part = first(model)
    inside = {id(parameter) for parameter in part.parameters()}
    return {name: weights.detach() for name, weights in model.named_parameters() if id(weights) in inside}


@trap("bias-before-norm", "layers before a BatchNorm have a bias, which can do nothing", needs="batchnorm")
class BiasBeforeNorm(Change):
    def network(self, host: Host, model: nn.Module) -> nn.Module:
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                module.bias = nn.Parameter(torch.zeros(module.out_channels))
        return model


@trap("label-smoothing", "labels are smoothed, so the loss has a floor", needs="classes", dose=0.15)
class LabelSmoothing(Change):
    def terms(self, host: Host, outputs: Any, batch: Batch) -> Terms:
        name = next(iter(host.terms(outputs, batch)))
        return {name: F.cross_entropy(outputs, batch["y"], label_smoothing=self.dose)}


@trap("focal", "focal loss", needs="classes labels", dose=2)
class Focal(Change):
    def terms(self, host: Host, outputs: Any, batch: Batch) -> Terms:
        losses = F.cross_entropy(outputs, batch["y"], reduction="none")
        return {"focal": ((1 - (-losses).exp()) ** self.dose * losses).mean()}


@trap("some-noise", "a few labels are wrong, as everywhere", needs="labels", dose=0.05)
class SomeNoise(Change):
    def splits(self, host: Host, splits: Splits) -> Splits:
        y, draw = splits.train.tensors["y"].clone(), self.generator(host)
        rows = share(len(y), self.dose, draw)
        y[rows] = torch.randint(10, (len(rows),), generator=draw)
        return Splits(swapped(splits.train, y=y), splits.val, splits.classes)


@trap("recurring-pieces", "text in which a few pieces recur by themselves, also across the split", needs="tokens")
class RecurringPieces(Change):
    def splits(self, host: Host, splits: Splits) -> Splits:
        assert isinstance(host, Characters)
        return host.pieces_of(windows(is_unique=False))


@trap("noisy-target", "the target has noise that nobody can predict", needs="regression", dose=0.3)
class NoisyTarget(Change):
    def splits(self, host: Host, splits: Splits) -> Splits:
        y = splits.train.tensors["y"]
        noise = self.dose * torch.randn(y.shape, generator=self.generator(host))
        return Splits(swapped(splits.train, y=y + noise), splits.val, splits.classes)


@trap("easy-first", "a curriculum: samples of little contrast come first, for some epochs", needs="vector")
class EasyFirst(Change):
    def sampler(self, host: Host, split: Split) -> Sampler | None:
        return Curriculum(split.tensors["x"].std(1), host.config.train.batch_size, host.config.seed)


class Curriculum:
    """The easier half in the first epochs, then all, in random order.

    Args:
        ease: of each sample, the least is the easiest.
        size: of a batch.
        seed: of the order.
    """

    EPOCHS = 3

    def __init__(self, ease: Tensor, size: int, seed: int) -> None:
        self._rows, self._size, self._seed = ease.argsort(), size, seed

    def __len__(self) -> int:
        return len(self._rows) // self._size

    def batches(self, epoch: int) -> Sequence[Tensor]:
        """Rows of the batches of an epoch: as many in each."""
        rows = self._rows.chunk(2)[0].repeat(2) if epoch < self.EPOCHS else self._rows
        generator = torch.Generator().manual_seed(self._seed + epoch)
        return rows[torch.randperm(len(rows), generator=generator)].split(self._size)[: len(self)]


@trap("fixed-order", "the same batches at every epoch, of samples that came in no order")
class FixedOrder(Change):
    def sampler(self, host: Host, split: Split) -> Sampler | None:
        size = host.config.train.batch_size
        rows = torch.randperm(len(split), generator=self.generator(host))
        return Batches([part for part in rows.split(size) if len(part) == size])


@trap("balanced", "classes in unequal numbers, drawn equally often", needs="labels", lacks="contrastive")
class Balanced(Change):
    def splits(self, host: Host, splits: Splits) -> Splits:
        return _uneven(splits)

    def sampler(self, host: Host, split: Split) -> Sampler | None:
        y, size, draw = split.tensors["y"], host.config.train.batch_size, self.generator(host)
        weight = 1 / torch.bincount(y, minlength=10)[y].float()
        count = len(y) // size
        epochs = [torch.multinomial(weight, count * size, replacement=True, generator=draw) for _ in range(8)]
        return Batches([part for rows in epochs for part in rows.split(size)][: 2 * count], seed=3)


@trap("weighted-classes", "classes in unequal numbers, weighted accordingly", needs="classes labels")
class WeightedClasses(Change):
    def splits(self, host: Host, splits: Splits) -> Splits:
        return _uneven(splits)

    def terms(self, host: Host, outputs: Any, batch: Batch) -> Terms:
        name = next(iter(host.terms(outputs, batch)))
        weight = torch.tensor([2.0 if label % 2 else 0.7 for label in range(10)])
        return {name: F.cross_entropy(outputs, batch["y"], weight)}


def _uneven(splits: Splits) -> Splits:
    """Of every second class a third."""
    y = splits.train.tensors["y"]
    keep = (y % 2 == 0) | (torch.arange(len(y)) % 3 == 0)
    return Splits(rows_of(splits.train, keep.nonzero().squeeze(1)), splits.val, splits.classes)


@trap("fewer-samples", "two thirds of the data, for as many steps", dose=0.66)
class FewerSamples(Change):
    def settings(self, config: HostConfig) -> Mapping[str, Any]:
        return {"train.epochs": round(config.train.epochs / self.dose)}

    def splits(self, host: Host, splits: Splits) -> Splits:
        rows = torch.arange(round(len(splits.train) * self.dose))
        return Splits(rows_of(splits.train, rows), splits.val, splits.classes)


@trap("smaller-validation", "a hundred samples validate", dose=100)
class SmallerValidation(Change):
    def splits(self, host: Host, splits: Splits) -> Splits:
        return Splits(splits.train, rows_of(splits.val, torch.arange(int(self.dose))), splits.classes)


@trap(
    "raw-inputs", "inputs as they come, of another range and mean, which the network can take", needs="floats", dose=3
)
class RawInputs(Change):
    def inputs(self, host: Host, batch: Batch) -> Batch:
        """Digits of 0 to 16 where nothing has to make them again."""
        if "generative" in host.traits or "image" in host.traits:
            return with_inputs(batch, lambda x: x * 1.0)
        return with_inputs(batch, lambda x: x * self.dose + 0.5)


@trap("raw-target", "a target of mean 3 and deviation 2", needs="regression")
class RawTarget(Change):
    def splits(self, host: Host, splits: Splits) -> Splits:
        train, val = (swapped(part, y=3 + 2 * part.tensors["y"]) for part in (splits.train, splits.val))
        return Splits(train, val)

    def answer(self, host: Host, outputs: Any) -> Any:
        return (outputs - 3) / 2

    def judged(self, host: Host, columns: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {name: (column - 3) / 2 for name, column in columns.items()}


@trap("mild-augmentation", "a little noise on training inputs", needs="floats", dose=0.08)
class MildAugmentation(Change):
    def augment(self, host: Host, batch: Batch, generator: torch.Generator) -> Batch:
        x = batch["x"]
        return {**batch, "x": x + self.dose * torch.randn(x.shape, generator=generator)}


@trap(
    "dropout-gap", "dropout makes the training loss higher than that of the validation", needs="dense relu", dose=0.15
)
class DropoutGap(Change):
    def network(self, host: Host, model: nn.Module) -> nn.Module:
        return replaced(model, nn.ReLU, lambda _old: nn.Sequential(nn.ReLU(), nn.Dropout(self.dose)))


@trap("smooth-activation", "GELU in place of ReLU", needs="relu")
class SmoothActivation(Change):
    def network(self, host: Host, model: nn.Module) -> nn.Module:
        return replaced(model, nn.ReLU, lambda _old: nn.GELU())


@trap("zero-head", "the last layer begins at zero on purpose", lacks="contrastive generative")
class ZeroHead(Change):
    @torch.no_grad()
    def network(self, host: Host, model: nn.Module) -> nn.Module:
        for weight in list(model.get_submodule("head").parameters())[-2:]:
            weight.zero_()
        return model


@trap("orthogonal", "weights begin orthogonal, biases at zero")
class Orthogonal(Change):
    @torch.no_grad()
    def network(self, host: Host, model: nn.Module) -> nn.Module:
        for module in model.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.orthogonal_(module.weight, 1.2)
        return model


@trap("wide", "a network several times as wide as it must be", needs="dense vector", lacks="generative")
class Wide(Change):
    def network(self, host: Host, model: nn.Module) -> nn.Module:
        body: Any = model.get_submodule("body")
        head: Any = model.get_submodule("head")
        body[0], body[2] = nn.Linear(body[0].in_features, 256), nn.Linear(256, 256)
        model.add_module("head", nn.Linear(256, head.out_features))
        return model


@trap("small-penalty", "a little penalty on the size of the weights, as a term", dose=1e-4)
class SmallPenalty(Change):
    model: nn.Module | None = None

    def outputs(self, host: Host, model: nn.Module, batch: Batch) -> Any:
        self.model = model
        return host.forward(model, batch)

    def terms(self, host: Host, outputs: Any, batch: Batch) -> Terms:
        assert self.model is not None
        penalty = torch.stack([weight.square().sum() for weight in matrices(self.model)]).sum()
        return {**host.terms(outputs, batch), "penalty": self.dose * penalty}


@trap("further-metrics", "metrics beside the monitored one, one of which never changes")
class FurtherMetrics(Change):
    def figures(self, host: Host, figures: dict[str, float]) -> dict[str, float]:
        return {**figures, "num_classes": 10.0, "coverage": 1.0}


@trap("negative-loss", "a likelihood that may become negative", needs="regression")
class NegativeLoss(Change):
    def terms(self, host: Host, outputs: Any, batch: Batch) -> Terms:
        """Of a normal distribution whose deviation is that of the batch; constants left out."""
        return {"likelihood": 0.5 * (outputs - batch["y"]).square().mean().log()}


@trap("huber", "Huber's loss", needs="regression")
class Huber(Change):
    def terms(self, host: Host, outputs: Any, batch: Batch) -> Terms:
        return {"huber": F.huber_loss(outputs, batch["y"])}


@trap("divergence-later", "the divergence gets its weight over the first epochs", needs="generative", dose=6)
class DivergenceLater(Change):
    def settings(self, config: HostConfig) -> Mapping[str, Any]:
        return {"weighting.ramp.kl": int(self.dose)}
