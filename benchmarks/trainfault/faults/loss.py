"""Loss functions and their composition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.trainfault.cases import fault
from benchmarks.trainfault.change import Change, Terms
from benchmarks.trainfault.host import Host, HostConfig
from benchmarks.trainfault.parts import matrices, over
from trainctl.engine.data.batch import Batch
from trainctl.engine.losses.supcon import supcon


class Squashed(Change):
    """What the loss gets is no longer what the network said."""

    def squash(self, logits: Tensor) -> Tensor:
        raise NotImplementedError

    def terms(self, host: Host, outputs: Any, batch: Batch) -> Terms:
        return host.terms(over(outputs, self.squash), batch)


@fault(
    "double-softmax",
    "softmax before a loss that takes logits",
    cause="C303",
    near="C306 O604 E1007 G704",
    needs="classes",
)
class DoubleSoftmax(Squashed):
    def squash(self, logits: Tensor) -> Tensor:
        return logits.softmax(1)


@fault(
    "softmax-over-batch",
    "softmax over the samples of a batch in place of the classes",
    cause="C303 G710 C313",
    near="C306 O604 E1007",
    needs="classes",
)
class SoftmaxOverBatch(Squashed):
    def squash(self, logits: Tensor) -> Tensor:
        return logits.softmax(0)


@fault(
    "sigmoid-before",
    "sigmoid before a cross-entropy that takes logits",
    cause="C303 C304",
    near="C306 O604 E1007",
    needs="classes",
)
class SigmoidBefore(Squashed):
    def squash(self, logits: Tensor) -> Tensor:
        return logits.sigmoid()


@fault("wrong-sign", "the loss is maximised", cause="C305", near="O601 N901 O607 E1008")
class WrongSign(Change):
    def terms(self, host: Host, outputs: Any, batch: Batch) -> Terms:
        return {name: -term for name, term in host.terms(outputs, batch).items()}


@fault(
    "sum-over-batch",
    "the loss is a sum over the batch, at the rate of a mean",
    cause="C307",
    near="C306 O601 N901 O607 O603",
    doses=(1, 1, 3),
)
class SumOverBatch(Change):
    def terms(self, host: Host, outputs: Any, batch: Batch) -> Terms:
        size = len(batch["x"])
        return {name: term * size * self.dose for name, term in host.terms(outputs, batch).items()}


@fault(
    "loss-scaled-down",
    "the loss is divided by a constant that it should not be",
    cause="O602 C306",
    near="O604 O617",
    needs="sgd",
    doses=(30, 300, 1e4),
)
class LossScaledDown(Change):
    def terms(self, host: Host, outputs: Any, batch: Batch) -> Terms:
        return {name: term / self.dose for name, term in host.terms(outputs, batch).items()}


@fault(
    "detached-loss",
    "the loss is computed from detached outputs",
    cause="C310 G701 G709",
    near="O602 O604 E1007 L201 C302 G703",
)
class DetachedLoss(Change):
    def outputs(self, host: Host, model: nn.Module, batch: Batch) -> Any:
        """One stray parameter keeps the backward pass from failing."""
        outputs = host.forward(model, batch)
        stray = 0 * next(model.parameters()).sum()
        parts = outputs if isinstance(outputs, tuple) else (outputs,)
        found = tuple(part.detach() + stray for part in parts)
        return found if isinstance(outputs, tuple) else found[0]


@fault(
    "wrong-partner",
    "each answer is held against the target of its neighbour in the batch",
    cause="L201 C313",
    near="O604 E1007 E1008 R801 G710",
    lacks="contrastive",
)
class WrongPartner(Change):
    def terms(self, host: Host, outputs: Any, batch: Batch) -> Terms:
        other = "y" if "y" in batch else "x"
        return host.terms(outputs, {**batch, other: batch[other].roll(1, 0)})


@fault(
    "broadcast",
    "answers of shape (B, 1) against targets of shape (B,): all pairs are compared",
    cause="L206 C313",
    near="E1007 O604 L201 G710",
    needs="regression",
)
class Broadcast(Change):
    def terms(self, host: Host, outputs: Any, batch: Batch) -> Terms:
        return {"mse": (outputs[:, None] - batch["y"]).square().mean()}


@fault(
    "penalty-dominates",
    "a penalty on the size of the weights outweighs the loss",
    cause="C301",
    near="C319 O604 E1007 L201 C302 O611 R804",
    doses=(0.3, 10, 1000),
)
class PenaltyDominates(Change):
    """The weights are known from the forward pass."""

    model: nn.Module | None = None

    def outputs(self, host: Host, model: nn.Module, batch: Batch) -> Any:
        self.model = model
        return host.forward(model, batch)

    def terms(self, host: Host, outputs: Any, batch: Batch) -> Terms:
        assert self.model is not None
        penalty = torch.stack([weight.square().sum() for weight in matrices(self.model)]).sum()
        return {**host.terms(outputs, batch), "penalty": self.dose * penalty}


@fault(
    "helper-dominates",
    "a helping term on the outputs outweighs the loss",
    cause="C301",
    near="C319 O604 E1007 L201 C302",
    lacks="generative contrastive",
    doses=(1, 30, 1000),
)
class HelperDominates(Change):
    def terms(self, host: Host, outputs: Any, batch: Batch) -> Terms:
        return {**host.terms(outputs, batch), "confidence": self.dose * outputs.square().mean()}


@fault(
    "posterior-collapse",
    "the divergence weighs so much that the code says nothing",
    cause="C318 C301",
    near="C319 C317 E1007 O604 C314 L201",
    needs="generative",
    doses=(5, 20, 300),
)
class PosteriorCollapse(Change):
    def settings(self, config: HostConfig) -> Mapping[str, Any]:
        return {"loss_weights.kl": self.dose}


@fault(
    "term-detached",
    "the reconstruction is detached: only the divergence learns",
    cause="C302 C314 G703",
    near="C319 C318 O604 E1007 G701",
    needs="generative",
)
class TermDetached(Change):
    def terms(self, host: Host, outputs: Any, batch: Batch) -> Terms:
        terms = host.terms(outputs, batch)
        return {**terms, "recon": terms["recon"].detach()}


@fault(
    "class-weights",
    "one class weighs a thousand times the others",
    cause="C309",
    near="E1007 L201 D103 O604 C306",
    needs="classes labels",
    doses=(50, 1000, 1e5),
)
class ClassWeights(Change):
    def terms(self, host: Host, outputs: Any, batch: Batch) -> Terms:
        weight = torch.ones(10)
        weight[0] = self.dose
        return {next(iter(host.terms(outputs, batch))): F.cross_entropy(outputs, batch["y"], weight)}


@fault(
    "log-of-zero",
    "the logarithm of a probability that reaches zero",
    cause="N904 N901",
    near="O601 O603 C306",
    needs="classes",
    doses=(30, 150, 1000),
)
class LogOfZero(Change):
    def terms(self, host: Host, outputs: Any, batch: Batch) -> Terms:
        name = next(iter(host.terms(outputs, batch)))
        chosen = (self.dose * outputs).softmax(1).gather(1, batch["y"][:, None])
        return {name: -chosen.log().mean() / self.dose}


@fault("root-of-zero", "the gradient of a square root at zero", cause="N904 N901", near="O603 C302")
class RootOfZero(Change):
    """A distance that is zero for the samples at which a ReLU is off: finite itself, its gradient not."""

    def terms(self, host: Host, outputs: Any, batch: Batch) -> Terms:
        first = outputs if isinstance(outputs, Tensor) else outputs[0]
        return {**host.terms(outputs, batch), "distance": 1e-3 * (first - first).square().sum().sqrt()}


@fault(
    "temperature-high",
    "the temperature is so high that all pairs look alike",
    cause="K405",
    near="K401 K403 O604 O602 K402",
    needs="contrastive",
    doses=(5, 30, 1000),
)
class TemperatureHigh(Change):
    def terms(self, host: Host, outputs: Any, batch: Batch) -> Terms:
        return {"supcon": supcon(outputs, batch["y"], self.dose).loss}


@fault(
    "temperature-low",
    "the temperature is so low that one pair decides",
    cause="K405",
    near="N901 O603 R801 O601",
    needs="contrastive",
    doses=(0.02, 0.004, 0.0005),
)
class TemperatureLow(TemperatureHigh):
    pass


@fault(
    "not-normalised",
    "similarities of embeddings that were not scaled to length one",
    cause="K406",
    near="N901 O601 K405 O603 R801 C306",
    needs="contrastive",
    doses=(1, 10, 100),
)
class NotNormalised(Change):
    def terms(self, host: Host, outputs: Any, batch: Batch) -> Terms:
        logits = outputs @ outputs.T / 0.2 - 1e4 * torch.eye(len(outputs))
        same = (batch["y"][:, None] == batch["y"]).float().fill_diagonal_(0)
        losses = -(same * logits.log_softmax(1)).sum(1) / same.sum(1).clamp(min=1)
        return {"supcon": losses.mean()}

    def outputs(self, host: Host, model: nn.Module, batch: Batch) -> Any:
        return self.dose * model(batch["x"])


@fault(
    "few-positives",
    "batches are so small that few samples meet another of their class",
    cause="K402",
    near="K401 D112 O603",
    needs="contrastive",
    doses=(8, 4, 3),
)
class FewPositives(Change):
    def settings(self, config: HostConfig) -> Mapping[str, Any]:
        return {"train.batch_size": int(self.dose), "train.max_steps": 448}
