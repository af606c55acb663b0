"""Optimiser, learning rate and schedule."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.trainfault.cases import fault
from benchmarks.trainfault.change import Change
from benchmarks.trainfault.host import Host, HostConfig
from trainctl.engine.data.batch import Batch


@fault(
    "lr-high",
    "the learning rate is many times too high",
    cause="O601 O607",
    near="N901 O603 E1007 G706 O604 L201 E1015",
    doses=(10, 50, 500),
)
class LrHigh(Change):
    def settings(self, config: HostConfig) -> Mapping[str, Any]:
        return {"optimizer.lr": config.optimizer.lr * self.dose}


@fault("lr-low", "the learning rate is far too low", cause="O602", near="O604 O617 G701", doses=(30, 300, 1e6))
class LrLow(Change):
    def settings(self, config: HostConfig) -> Mapping[str, Any]:
        return {"optimizer.lr": config.optimizer.lr / self.dose}


@fault(
    "decay-early",
    "the rate is cut every epoch and is spent long before the end",
    cause="O606",
    near="O602 O604 O605",
    doses=(0.5, 0.2, 0.05),
)
class DecayEarly(Change):
    def settings(self, config: HostConfig) -> Mapping[str, Any]:
        return {"schedule.name": "exponentiallr", "schedule.arguments": {"gamma": self.dose}, **EVERY_EPOCH}


@fault(
    "schedule-per-batch",
    "a schedule meant for epochs is stepped at every batch",
    cause="O606",
    near="O602 O604 O605",
    doses=(0.99, 0.95, 0.8),
)
class SchedulePerBatch(Change):
    def settings(self, config: HostConfig) -> Mapping[str, Any]:
        arguments = {"gamma": self.dose}
        return {"schedule.name": "exponentiallr", "schedule.arguments": arguments, "schedule.interval": "step"}


@fault(
    "restarts",
    "the rate restarts every few steps, from far too high",
    cause="O606 O601",
    near="O603 O604 N901",
    doses=(5, 20, 100),
)
class Restarts(Change):
    def settings(self, config: HostConfig) -> Mapping[str, Any]:
        rate = {"optimizer.lr": config.optimizer.lr * self.dose, "schedule.warmup_epochs": 0}
        name = {"schedule.name": "cosineannealingwarmrestarts", "schedule.interval": "step"}
        return {**rate, **name, "schedule.arguments": {"T_0": 9}}


@fault(
    "plateau-mode",
    "the plateau schedule takes a falling loss for no improvement",
    cause="O606 O605 E1006",
    near="O602 O604",
    doses=(0.5, 0.3, 0.1),
)
class PlateauMode(Change):
    def settings(self, config: HostConfig) -> Mapping[str, Any]:
        watched = {"schedule.metric": "loss", "schedule.mode": "max"}
        shape = {"schedule.name": "plateau", "schedule.factor": self.dose, "schedule.patience": 0}
        return {**shape, **watched, **EVERY_EPOCH}


@fault(
    "warmup-endless",
    "the warmup is as long as the training, from next to nothing",
    cause="O608 O606",
    near="O602 O617 O604",
    doses=(0.05, 0.005, 0.0005),
)
class WarmupEndless(Change):
    def settings(self, config: HostConfig) -> Mapping[str, Any]:
        peak = config.optimizer.lr * self.dose
        rate = {"optimizer.lr": peak, "schedule.warmup_start_lr": peak * 1e-3}
        return {"schedule.name": "constant", "schedule.warmup_epochs": config.train.epochs, **rate}


@fault(
    "no-warmup",
    "no warmup and no clip, at a rate that needs both",
    cause="O601 O607",
    near="O603 N901 O604 E1007 L201",
    needs="clip",
    doses=(4, 10, 30),
)
class NoWarmup(Change):
    def settings(self, config: HostConfig) -> Mapping[str, Any]:
        rate = {"optimizer.lr": config.optimizer.lr * self.dose}
        return {**rate, "schedule.warmup_epochs": 0, "schedule.name": "constant", "clip.grad_norm": None}


@fault(
    "weight-decay",
    "the weight decay is so strong that the weights shrink faster than they learn",
    cause="O611",
    near="E1007 O604 R802 R804 G706 L201",
    doses=(0.02, 0.1, 0.5),
)
class WeightDecay(Change):
    def settings(self, config: HostConfig) -> Mapping[str, Any]:
        """The dose is what a step takes off a weight, of its size."""
        decoupled = config.optimizer.name != "adam"
        return {"optimizer.weight_decay": self.dose / config.optimizer.lr if decoupled else 10 * self.dose}


@fault(
    "momentum",
    "momentum, or its like in Adam, remembers longer than the training lasts",
    cause="O610 O601",
    near="O603 O604 N901 O607",
    doses=(0.99, 0.998, 0.9999),
)
class Momentum(Change):
    def settings(self, config: HostConfig) -> Mapping[str, Any]:
        return {"optimizer.momentum": self.dose, "optimizer.betas": (self.dose, 0.999)}


@fault(
    "adam-eps", "Adam's denominator constant is huge", cause="O610", near="O602 O604", needs="adam", doses=(0.1, 1, 30)
)
class AdamEps(Change):
    def settings(self, config: HostConfig) -> Mapping[str, Any]:
        return {"optimizer.eps": self.dose}


@fault(
    "adam-rate-for-sgd",
    "plain SGD at a rate that was Adam's",
    cause="O602 O610",
    near="O604 O617",
    needs="adam",
    doses=(1, 0.3, 0.1),
)
class AdamRateForSgd(Change):
    def settings(self, config: HostConfig) -> Mapping[str, Any]:
        return {"optimizer.name": "sgd", "optimizer.momentum": 0.0, "optimizer.lr": config.optimizer.lr * self.dose}


@fault(
    "clip-tiny",
    "gradients are clipped to a fraction of their norm",
    cause="O609",
    near="O602 O604",
    doses=(1e-2, 1e-3, 1e-6),
)
class ClipTiny(Change):
    def settings(self, config: HostConfig) -> Mapping[str, Any]:
        return {"clip.grad_norm": self.dose}


@fault("no-zero-grad", "gradients of earlier steps are never cleared", cause="O612", near="O601 O603 O604 N901 O607")
class NoZeroGrad(Change):
    def network(self, host: Host, model: nn.Module) -> nn.Module:
        for parameter in model.parameters():
            parameter.register_hook(_Accumulated())
        return model


class _Accumulated:
    """Gives the sum of all gradients so far."""

    def __init__(self) -> None:
        self.total: Tensor | None = None

    def __call__(self, gradient: Tensor) -> Tensor:
        self.total = gradient.clone() if self.total is None else self.total + gradient
        return self.total


@fault(
    "stale-parameters",
    "the last layer is replaced after the optimiser was made, which goes on with the old one",
    cause="O614 O613 G703 G709",
    near="G701 G702 O604 E1007",
    lacks="generative",
)
class StaleParameters(Change):
    """The engine builds network and optimiser in this order, so the head is exchanged in the first step."""

    is_examined = False
    head: nn.Module | None = None

    def outputs(self, host: Host, model: nn.Module, batch: Batch) -> Any:
        if self.head is None:
            self.head = copy.deepcopy(model.get_submodule("head"))
            for parameter in self.head.parameters():
                parameter.data = parameter.data.roll(1, 0)
        held = _Held(model, self.head)
        return host.forward(held, batch)


class _Held(nn.Module):
    """The network with another head in front of the optimiser's eyes."""

    def __init__(self, model: nn.Module, head: nn.Module) -> None:
        super().__init__()
        object.__setattr__(self, "inner", model)
        object.__setattr__(self, "other", head)

    def forward(self, x: Tensor) -> Tensor:
        model: Any = self.inner
        own, model._modules["head"] = model._modules["head"], self.other
        try:
            return model(x)
        finally:
            model._modules["head"] = own


@fault(
    "stopped-early",
    "the training ends while everything still improves",
    cause="O617 D112",
    near="D113 O604",
    doses=(0.3, 0.1, 0.05),
)
class StoppedEarly(Change):
    def settings(self, config: HostConfig) -> Mapping[str, Any]:
        return {"train.epochs": max(2, round(config.train.epochs * self.dose)), "schedule.warmup_epochs": 0}


@fault(
    "accumulation",
    "so many batches are accumulated that hardly a step is taken",
    cause="D112 O616 D113",
    near="O617 O604 O602",
    doses=(5, 12, 27),
)
class Accumulation(Change):
    def settings(self, config: HostConfig) -> Mapping[str, Any]:
        return {"train.accumulation": min(int(self.dose), 800 // config.train.batch_size)}


@fault(
    "batch-of-two",
    "BatchNorm sees two samples at a time",
    cause="R805",
    near="O601 O603 E1003 L201",
    needs="batchnorm",
    doses=(4, 2, 2),
)
class BatchOfTwo(Change):
    def settings(self, config: HostConfig) -> Mapping[str, Any]:
        return {"train.batch_size": int(self.dose), "train.max_steps": 600, "train.eval_batch_size": 64}


@fault(
    "ema-slow",
    "the averaged weights, which are used, remember the random start",
    cause="S1101 S1102",
    near="L201 E1007",
    doses=(0.999, 0.9999, 0.9999999),
)
class EmaSlow(Change):
    def settings(self, config: HostConfig) -> Mapping[str, Any]:
        return {"ema.decay": self.dose, "ema.ramp": False}


@fault(
    "half-overflow",
    "half precision, with a loss that is scaled beyond its range",
    cause="N902",
    near="N901 C306 O601",
    lacks="transformer",
    doses=(1e2, 1e4, 1e5),
)
class HalfOverflow(Change):
    def settings(self, config: HostConfig) -> Mapping[str, Any]:
        return {"precision.amp": "fp16"}

    def terms(self, host: Host, outputs: Any, batch: Batch) -> dict[str, Tensor]:
        terms = super().terms(host, outputs, batch)
        return {name: (self.dose * term.to(torch.float16)).float() / self.dose for name, term in terms.items()}


EVERY_EPOCH: Mapping[str, Any] = {"schedule.interval": "epoch", "schedule.warmup_epochs": 0}
"""Of a schedule that replaces the host's."""
