"""Who listens to which optimiser: gives each moment of this process to the watch whose loop it belongs to.

One for the process, as torch's hooks are. Knows hooks and boundaries, no rows and no files.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils.data import DataLoader
from torch.utils.hooks import RemovableHandle

from trainctl.engine.watch.boundary import Boundary, with_closure
from trainctl.engine.watch.heard import Ears, Heard, Seen
from trainctl.engine.watch.moments import is_here, is_in_backward, listen, stop_listening, uncompiled
from trainctl.engine.watch.norms import norm_of
from trainctl.engine.watch.passes import Fetched, Passes


class Loop(Protocol):
    """A watch, as the hooks see it."""

    def claim(self, optimizer: Optimizer) -> Boundary | None:
        """An optimiser that nobody has is about to step: its boundary, or None if it is none of this loop's."""
        ...

    def labels(self, batch: Any) -> Any:
        """See `Heard`; raises AttributeError-like errors for a batch of another kind."""
        ...

    @property
    def may_claim(self) -> bool:
        """Whether it would claim an optimiser that it does not know."""
        ...

    @property
    def is_gone(self) -> bool:
        """Whether all of its optimisers are: its training is over."""
        ...

    def retire(self, error: Exception | None = None) -> None:
        """Its training is over, or what it records failed with an error."""
        ...

    @property
    def has_labels(self) -> bool:
        """Whether `labels` was given."""
        ...

    def begin(self, boundary: Boundary, heard: Heard) -> None:
        """Gradients of a step are there and are about to be measured."""
        ...

    def after(self, boundary: Boundary) -> None:
        """A step is done, or was left out by a scaler; what was measured of it stands in the boundary."""
        ...

    def after_backward(self, heard: Heard) -> bool:
        """A backward pass is over: whether optimisers of this loop stepped within it, which makes it a step."""
        ...

    def meet_stranger(self, optimizer: Optimizer) -> None:
        """An optimiser that is nobody's has stepped."""
        ...


Method = Callable[..., Any]


def _harmless(method: Method) -> Method:
    """A method whose failure ends the recording, and not the training that is recorded."""

    @functools.wraps(method)
    def heard(self: Hearing, *args: Any) -> Any:
        try:
            return method(self, *args)
        except Exception as err:
            self.fail(err)
            return None

    return heard


class Hearing:
    """The watches of this process and the optimisers that they hear."""

    def __init__(self) -> None:
        self._passes = Passes()
        self._ears, self._fetched = Ears(), Fetched()
        self._loops: list[Loop] = []
        self._take_labels: Callable[[Any], Any] | None = None
        self._of: dict[int, tuple[Boundary, Loop]] = {}
        self._strangers: weakref.WeakSet[Optimizer] = weakref.WeakSet()
        self._handles: list[RemovableHandle] = []

    def join(self, loop: Loop, boundaries: Sequence[Boundary]) -> None:
        """Tell `loop` of its optimisers from now on."""
        if not self._loops:
            self._ears, self._fetched = Ears(), Fetched()  # what was heard of earlier loops is nothing of this one's
            listen(self)
            self._handles = [
                register_optimizer_step_pre_hook(uncompiled(self._before_step)),
                register_optimizer_step_post_hook(uncompiled(self._after_step)),
            ]
        self._loops.append(loop)
        self._take_labels = next((one.labels for one in self._loops if one.has_labels), None)
        self._strangers.clear()
        for boundary in boundaries:
            self.know(boundary, loop)

    def leave(self, loop: Loop) -> None:
        """Tell it no more; again is harmless. After the last one torch is as it was."""
        self._of = {key: entry for key, entry in self._of.items() if entry[1] is not loop}
        if loop in self._loops:
            self._loops.remove(loop)
        if not self._loops:
            stop_listening(self)
            for handle in self._handles:
                handle.remove()
            self._handles = []
            self._fetched = Fetched()  # it keeps a loader alive

    def know(self, boundary: Boundary, loop: Loop) -> None:
        """An optimiser belongs to a loop."""
        optimizer = boundary.optimizer
        if optimizer is not None:
            self._of[id(optimizer)] = boundary, loop

    def _entry(self, optimizer: Optimizer) -> tuple[Boundary, Loop] | None:
        entry = self._of.get(id(optimizer))
        if entry is not None and entry[0].optimizer is optimizer:
            return entry
        if optimizer in self._strangers:
            self._meet(optimizer)
            return None
        for loop in [one for one in self._loops if one.is_gone]:
            loop.retire()
        for loop in self._loops:
            boundary = loop.claim(optimizer)
            if boundary is not None:
                self._of[id(optimizer)] = boundary, loop
                return boundary, loop
        self._strangers.add(optimizer)
        self._meet(optimizer)
        return None

    def _meet(self, optimizer: Optimizer) -> None:
        for loop in list(self._loops):
            loop.meet_stranger(optimizer)

    def fail(self, error: Exception) -> None:
        """Record nothing more: it is not known whose fault it was."""
        for loop in list(self._loops):
            self.leave(loop)
            loop.retire(error)

    @_harmless
    def _before_step(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not is_here():
            return None
        entry = self._entry(optimizer)
        if entry is None:
            return None
        boundary, loop = entry
        boundary.is_inner = is_in_backward()

        def measure() -> None:
            if not boundary.is_stepping:  # a closure may be called again within its step
                loop.begin(boundary, self._ears.heard)
                boundary.before(optimizer, self._ears.heard)

        changed = with_closure(args, kwargs, lambda: self._quietly(measure))
        if changed is None:
            measure()
        return changed

    @_harmless
    def _quietly(self, measure: Callable[[], None]) -> None:
        measure()

    @_harmless
    def _after_step(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        del args, kwargs
        if not is_here():
            return
        entry = self._of.get(id(optimizer))
        if entry is None or not entry[0].is_stepping or entry[0].optimizer is not optimizer:
            self._ears.heard = Heard()
            return
        boundary, loop = entry
        if not boundary.is_inner:  # else the backward pass that was heard is not over
            self._ears.heard = Heard()
        boundary.after(optimizer)
        loop.after(boundary)

    @_harmless
    def scaled(self, scaler: GradScaler, loss: Tensor, scaled: Tensor) -> None:
        """See `moments.Listener`."""
        heard = self._ears.heard
        heard.scaler, heard.scaled = scaler, (scaled, loss.detach())

    @_harmless
    def backward(self, loss: Tensor) -> None:
        """See `moments.Listener`."""
        heard = self._ears.heard
        value = loss.detach()
        if heard.scaled is not None and heard.scaled[0] is loss:
            value = heard.scaled[1]
        heard.scaled = None  # it would keep the graph alive
        heard.losses.append(value)
        heard.graph = heard.graph or loss.grad_fn
        batch = self._fetched.take()
        if batch is not None:
            heard.batches.append(batch)

    @_harmless
    def backward_over(self) -> None:
        """See `moments.Listener`."""
        if any(loop.after_backward(self._ears.heard) for loop in self._loops):
            self._ears.heard = Heard()

    @_harmless
    def before_clipping(self, params: list[Tensor]) -> None:
        """See `moments.Listener`."""
        heard = self._ears.heard
        for boundary, _ in list(self._of.values()):
            optimizer = boundary.optimizer
            if optimizer is not None:
                boundary.before_clipping(params, heard, optimizer)
        if heard.scaler is None and any(loop.may_claim for loop in self._loops):
            mine = {found for boundary, _ in self._of.values() for found in boundary.ids}
            grads = {id(p): p.grad for p in params if p.grad is not None and id(p) not in mine}
            heard.unclipped |= {found: norm_of(grad.detach()) for found, grad in grads.items()}

    @_harmless
    def scaler_stepped(self, scaler: GradScaler, optimizer: Optimizer) -> None:
        """See `moments.Listener`."""
        entry = self._of.get(id(optimizer))
        if entry is None or entry[0].optimizer is not optimizer:
            return
        boundary, loop = entry
        heard = self._ears.heard
        heard.scaler = scaler
        if heard.losses:  # no step came between: it was left out, with gradients that are not finite
            self._ears.heard = Heard()
            loop.begin(boundary, heard)
            boundary.before(optimizer, heard)
            boundary.after(optimizer)
            loop.after(boundary)

    @_harmless
    def loader_begun(self, loader: DataLoader[Any], iterator: object, is_passed_on: bool) -> None:
        """See `moments.Listener`."""
        self._passes.begun(loader, iterator, is_passed_on)

    @_harmless
    def fetched(self, iterator: object, batch: object, seconds: float) -> None:
        """See `moments.Listener`."""
        turn = self._passes.of(iterator)
        loader = turn.loader
        size, labels = self._passes.reader(loader).read(batch, self._take_labels)
        self._fetched.add(turn, Seen(loader, size, labels, turn.number, seconds))


HEARING = Hearing()
"""Of this process."""
