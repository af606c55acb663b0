"""Network, gradient flow and regularisation."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.trainfault.cases import fault
from benchmarks.trainfault.change import Change
from benchmarks.trainfault.host import Host
from benchmarks.trainfault.parts import first, matrices, replaced
from trainctl.engine.data.batch import Batch

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


class Times(nn.Module):
    """Multiplies by a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


@fault("frozen-random", "the body is frozen by accident, at its random start", cause="G702", near="G701 G703 R802 O613")
class FrozenRandom(Change):
    def network(self, host: Host, model: nn.Module) -> nn.Module:
        for name, child in model.named_children():
            if name != "head" and name != "decoder":
                child.requires_grad_(False)
        return model


@fault("only-biases", "only biases and norms are trained", cause="G702", near="G701 G703 R802 O613 O604")
class OnlyBiases(Change):
    def network(self, host: Host, model: nn.Module) -> nn.Module:
        for weight in matrices(model):
            weight.requires_grad_(False)
        return model


@fault(
    "detached-body", "the body's output is detached from the graph", cause="G703 G709 G701", near="G702 R802 O613 O604"
)
class DetachedBody(Change):
    def network(self, host: Host, model: nn.Module) -> nn.Module:
        body = model.get_submodule("norm") if "transformer" in host.traits else first(model)
        last = model.get_submodule("body") if "image" in host.traits else body
        last.register_forward_hook(lambda _module, _inputs, output: output.detach())
        return model


@fault("zero-init", "all weights begin at zero", cause="G708", near="G701 G704 O604 E1007 L201 K403 G703")
class ZeroInit(Change):
    @torch.no_grad()
    def network(self, host: Host, model: nn.Module) -> nn.Module:
        for weight in matrices(model):
            weight.zero_()
        return model


@fault(
    "huge-init",
    "the weights begin many times too large",
    cause="C306 G712",
    near="O601 N901 G706 G705 O607 O603 R801 G707",
    doses=(4, 15, 100),
)
class HugeInit(Change):
    @torch.no_grad()
    def network(self, host: Host, model: nn.Module) -> nn.Module:
        for weight in matrices(model):
            weight.mul_(self.dose)
        return model


@fault(
    "tiny-init",
    "the weights begin so small that no signal passes",
    cause="G712 G704 G708",
    near="O604 E1007 O602 G701 G706",
    doses=(1e-2, 1e-3, 1e-6),
)
class TinyInit(Change):
    @torch.no_grad()
    def network(self, host: Host, model: nn.Module) -> nn.Module:
        for parameter in model.parameters():
            parameter.mul_(self.dose)
        return model


@fault(
    "dead-relu",
    "biases so negative that hardly a unit ever speaks",
    cause="G706",
    near="G701 G704 O604 E1007 G703 L201 K403",
    needs="relu",
    doses=(1, 3, 20),
)
class DeadRelu(Change):
    @torch.no_grad()
    def network(self, host: Host, model: nn.Module) -> nn.Module:
        for parent in model.modules():
            children = list(parent.children())
            for layer, after in pairwise(children):
                bias = getattr(layer, "bias", None)
                if isinstance(after, nn.ReLU) and isinstance(bias, Tensor):
                    bias.fill_(-self.dose)
        return model


@fault(
    "saturated",
    "activations sit at the ends of their range from the start",
    cause="G707 G704 G712",
    near="O604 E1007 G701 C306 R801",
    lacks="transformer",
    doses=(5, 30, 300),
)
class Saturated(Change):
    @torch.no_grad()
    def network(self, host: Host, model: nn.Module) -> nn.Module:
        for kind in (nn.ReLU, nn.Tanh):
            replaced(model, kind, lambda _old: nn.Sequential(Times(self.dose), nn.Tanh()))
        return model


@fault(
    "vanishing",
    "ten layers of sigmoids, through which no gradient comes back",
    cause="G704",
    near="O604 E1007 G701 L201 K401 K403 G707 R803",
    needs="dense",
    doses=(3, 8, 12),
)
class Vanishing(Change):
    def network(self, host: Host, model: nn.Module) -> nn.Module:
        part = first(model)
        assert isinstance(part, nn.Sequential)
        width = next(layer.out_features for layer in reversed(part) if isinstance(layer, nn.Linear))
        for _ in range(int(self.dose)):
            part.append(nn.Linear(width, width)).append(nn.Sigmoid())
        return model


@fault(
    "no-activation", "there is no activation between the layers", cause="G711", near="R802 O604", lacks="transformer"
)
class NoActivation(Change):
    def network(self, host: Host, model: nn.Module) -> nn.Module:
        for kind in (nn.ReLU, nn.Tanh):
            replaced(model, kind, lambda _old: nn.Identity())
        return model


@fault("bottleneck", "far too few units in the middle", cause="R802", near="O604 E1007 K404", doses=(3, 2, 1))
class Bottleneck(Change):
    def network(self, host: Host, model: nn.Module) -> nn.Module:
        def narrow(width: int) -> nn.Module:
            return nn.Sequential(nn.Linear(width, int(self.dose)), nn.Linear(int(self.dose), width))

        widths = {"transformer": ("norm", 48), "image": ("body", 512), "generative": ("encoder", 96)}
        name, width = next((at for trait, at in widths.items() if trait in host.traits), ("body", 0))
        part = model.get_submodule(name)
        width = width or next(
            layer.out_features for layer in reversed(list(part.modules())) if isinstance(layer, nn.Linear)
        )
        setattr(model, name, nn.Sequential(part, narrow(width)))
        return model


@fault(
    "dropout-strong",
    "dropout takes nearly everything away",
    cause="R804",
    near="R802 O604 E1003 E1007 E1010",
    doses=(0.6, 0.85, 0.97),
)
class DropoutStrong(Change):
    def network(self, host: Host, model: nn.Module) -> nn.Module:
        for kind in (nn.ReLU, nn.Tanh):
            replaced(model, kind, lambda old: nn.Sequential(type(old)(), nn.Dropout(self.dose)))
        return model


@fault(
    "eval-in-training",
    "the network is left in evaluation mode: statistics are never learnt",
    cause="G713",
    near="E1003 R801 O601",
    needs="dropout",
)
class EvalInTraining(Change):
    def outputs(self, host: Host, model: nn.Module, batch: Batch) -> Any:
        model.eval()
        return host.forward(model, batch)


@fault(
    "training-in-validation",
    "validation happens in training mode, with strong dropout",
    cause="E1001",
    near="E1003 R804",
    needs="dropout",
    doses=(0.3, 0.6, 0.8),
)
class TrainingInValidation(Change):
    def network(self, host: Host, model: nn.Module) -> nn.Module:
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = self.dose
        return model

    def outputs(self, host: Host, model: nn.Module, batch: Batch) -> Any:
        was = model.training
        model.train()
        try:
            return host.forward(model, batch)
        finally:
            model.train(was)


@fault(
    "stale-statistics",
    "BatchNorm's averages move so slowly that evaluation uses those of the start",
    cause="E1003",
    near="R801 L201 E1015 E1007",
    needs="batchnorm",
    doses=(3e-3, 1e-3, 1e-5),
)
class StaleStatistics(Change):
    def network(self, host: Host, model: nn.Module) -> nn.Module:
        for module in model.modules():
            if isinstance(module, BATCH_NORMS):
                module.momentum = self.dose
        return model


@fault(
    "collapsed",
    "every sample gets nearly the same embedding",
    cause="K403",
    near="K401 O604 G701 E1007",
    needs="contrastive",
    doses=(3, 30, 1000),
)
class Collapsed(Change):
    @torch.no_grad()
    def network(self, host: Host, model: nn.Module) -> nn.Module:
        head: Any = model.get_submodule("head")
        head.bias.fill_(self.dose)
        return model


@fault(
    "one-answer",
    "the last activation cuts off half of what can be answered",
    cause="G706 G707",
    near="O604 E1007 R802 G701 C306",
    lacks="contrastive",
)
class OneAnswer(Change):
    def outputs(self, host: Host, model: nn.Module, batch: Batch) -> Any:
        return _cut(host.forward(model, batch))

    def answer(self, host: Host, outputs: Any) -> Any:
        return _cut(outputs)


def _cut(outputs: Any) -> Any:
    return (-(outputs.relu())) if isinstance(outputs, Tensor) else (-(outputs[0].relu()), *outputs[1:])
