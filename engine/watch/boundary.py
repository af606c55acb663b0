"""One optimiser's steps as its hooks show them: when the gradients are there, what they are, when the update is done.

Measures on the device and waits for nothing. Knows torch's hooks, no rows and no files.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from trainctl.engine.optim import foreach
from trainctl.engine.watch import groups
from trainctl.engine.watch.heard import Heard
from trainctl.engine.watch.moments import is_unscaled, scale_of
from trainctl.engine.watch.norms import WatchedMeter


class Measured:
    """What was measured of one step of one optimiser, before its update.

    Args:
        norms: of each parameter tensor, scalars on the device.
        losses: of the backward passes since the step before, scalars.
        rates: learning rate of each parameter group; a tensor is one that lies on the device.
        amp_scale: factor of the gradient scaler; None: there is none.
    """

    __slots__ = ("amp_scale", "losses", "norms", "rates")

    def __init__(
        self,
        norms: Sequence[Tensor],
        losses: Sequence[Tensor],
        rates: Sequence[float | Tensor],
        amp_scale: Tensor | None,
    ) -> None:
        self.norms, self.losses, self.rates, self.amp_scale = norms, losses, rates, amp_scale


class Boundary:
    """The steps of one optimiser.

    Args:
        name: of the optimiser, where there are several.
        optimizer: not held.
        model: the network around its parameters; None: unknown.

    Attributes:
        refer: gives the optimiser; None: it is gone.
        ids: of its parameters, as `id` has them.
        measured: of the newest step; None: its gradients are not there yet, or it was counted.
        is_stepping: whether `step` is under way and its gradients are there.
        is_inner: whether its steps are taken within the backward pass, by a hook of its gradients.
        rate_factor: what learning rates are multiplied by during a step.
        clip: norm to which gradients are clipped before a step; None: as the loop does it.
    """

    def __init__(self, name: str, optimizer: Optimizer, model: nn.Module | None) -> None:
        self.name = name
        self.refer = weakref.ref(optimizer)
        found, self.frozen = groups.grouped(optimizer, model)
        self.meter = WatchedMeter(found, None)
        self.ids = {id(p) for p in self.meter.params}
        self._clip_norms: list[Tensor] | None = None
        self._clipped: set[int] = set()
        self.measured: Measured | None = None
        self.is_stepping = self.is_inner = False
        self.rate_factor = 1.0
        self.clip: float | None = None
        self._own_rates: list[float | Tensor] = []

    @property
    def optimizer(self) -> Optimizer | None:
        """The optimiser; None: it is gone."""
        return self.refer()

    @property
    def num_joined(self) -> int:
        """Parameter tensors that it trains and that were not there, or frozen, when its norms were laid out."""
        optimizer = self.optimizer
        trained = () if optimizer is None else groups.trained(optimizer)
        return sum(1 for p in trained if p.requires_grad and id(p) not in self.ids)

    def before_clipping(self, params: Sequence[Tensor], heard: Heard, optimizer: Optimizer) -> None:
        """Gradients are about to be clipped: the last moment at which their norms can be measured."""
        mine = {id(p) for p in params} & self.ids
        if not mine or (self._clip_norms is not None and not mine & self._clipped):
            return  # another part of the parameters, measured with the first
        self._clipped |= mine
        norms = self.meter.norms()
        scale = None if heard.scaler is None or is_unscaled(heard.scaler, optimizer) else scale_of(heard.scaler)
        if scale is not None:
            _divide(norms, scale)
        self._clip_norms = norms

    def before(self, optimizer: Optimizer, heard: Heard) -> None:
        """The gradients of a step are there, and its update is not."""
        self.is_stepping = True
        norms, unclipped = self._clip_norms, heard.unclipped
        scale = getattr(optimizer, "grad_scale", None)  # a fused kernel divides by it itself
        if norms is None:
            norms = self.meter.norms()
            if unclipped:
                found = zip(self.meter.params, norms, strict=True)
                norms = [unclipped.get(id(p), norm).to(self.meter.device) for p, norm in found]
            if scale is not None:
                _divide(norms, scale)
        amp_scale = scale if scale is not None else None if heard.scaler is None else scale_of(heard.scaler)
        if amp_scale is not None:
            amp_scale = amp_scale.detach().clone()  # the scaler changes it in place
        if self.clip is not None:
            with torch.no_grad():
                self.meter.clip(torch.stack(norms), self.clip * (1.0 if scale is None else scale))
        rates = [group["lr"] for group in optimizer.param_groups]
        if len(rates) > 1 or type(rates[0]) is not float:
            rates = [_kept(rate) for rate in rates]
        self.measured = Measured(norms, heard.losses, rates, amp_scale)
        if self.rate_factor != 1.0:
            self._scale_rates(optimizer)

    def after(self, optimizer: Optimizer) -> None:
        """The update is done, or was left out."""
        self.is_stepping = False
        if self._own_rates:
            self._restore_rates(optimizer)

    def forget(self) -> None:
        """The step is counted; the next one is to come."""
        self.measured = None
        if self._clip_norms is not None:
            self._clip_norms = None
            self._clipped.clear()

    def _scale_rates(self, optimizer: Optimizer) -> None:
        """Right before the update and taken back after, so that no scheduler undoes it or builds on it."""
        if self._own_rates:
            return
        self._own_rates = [group["lr"] for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] * self.rate_factor
        assert self.measured is not None
        self.measured.rates = [_kept(group["lr"]) for group in optimizer.param_groups]

    def _restore_rates(self, optimizer: Optimizer) -> None:
        for group, rate in zip(optimizer.param_groups, self._own_rates, strict=False):
            group["lr"] = rate
        self._own_rates = []


def _kept(rate: Any) -> float | Tensor:
    """A rate as it is now: schedulers change a tensor in place."""
    return rate.detach().clone() if isinstance(rate, Tensor) else float(rate)


def _divide(norms: list[Tensor], scale: Tensor) -> None:
    foreach.scale_(norms, 1.0 / scale.to(norms[0].device))


def with_closure(
    args: tuple[Any, ...], kwargs: dict[str, Any], then: Callable[[], None]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """Arguments of `step` whose closure calls `then` behind itself; None: there is no closure.

    Args:
        args: with the optimiser first.
        kwargs: by name.
        then: called each time.
    """
    closure = args[1] if len(args) > 1 else kwargs.get("closure")
    if closure is None:
        return None

    def heard_closure() -> Any:
        result = closure()
        then()
        return result

    if len(args) > 1:
        return (args[0], heard_closure, *args[2:]), kwargs
    return args, {**kwargs, "closure": heard_closure}
