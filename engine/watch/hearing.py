"""Who listens to which optimiser: gives each moment of this process to the watch whose loop it belongs to.

One for the process, as torch's hooks are. Knows hooks and boundaries, no rows and no files.
"""

from __future__ import annotations

import threading
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
from trainctl.engine.watch.first_steps.early import Answers
from trainctl.engine.watch.heard import Ears, Heard
from trainctl.engine.watch.moments import apart, is_in_backward, listen, stop_listening
from trainctl.engine.watch.norms import norm_of
from trainctl.engine.watch.passes import MARK, Fetched, Passes


class Loop(Protocol):
    """A watch, as the hooks see it."""

    def claim(self, optimizer: Optimizer) -> Boundary | None:
        """An optimiser that nobody has is about to step: its boundary, or None if it is none of this loop's."""
        ...

    def labels(self, batch: Any) -> Any:
        """See `Heard`; raises AttributeError-like errors for a batch of another kind."""
        ...

    @property
    def asks_for_graph(self) -> bool:
        """Whether it is still to be found out what kind of loss it has."""
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


class Hearing:
    """The watches of this process and the optimisers that they hear.

    Attributes:
        has_inner: whether an optimiser has stepped within a backward pass since the last one was over.
        answers: the classes in the losses of the first steps.
    """

    def __init__(self) -> None:
        self._passes = Passes()
        self._ears, self._fetched = Ears(), Fetched()
        self._loops: list[Loop] = []
        self._take_labels: Callable[[Any], Any] | None = None
        self._of: dict[int, tuple[Boundary, Loop]] = {}
        self._strangers: weakref.WeakSet[Optimizer] = weakref.WeakSet()
        self._handles: list[RemovableHandle] = []
        self._changing = threading.RLock()
        """Two threads may begin to watch at once: torch would be made to tell everything twice."""
        self._asks_for_graph = False
        self.has_inner = False
        self.answers = Answers(is_open=False)

    def join(self, loop: Loop, boundaries: Sequence[Boundary]) -> None:
        """Tell `loop` of its optimisers from now on."""
        with self._changing:
            self._join(loop, boundaries)

    def _join(self, loop: Loop, boundaries: Sequence[Boundary]) -> None:
        if not self._loops:
            self._ears, self._fetched = Ears(), Fetched()  # what was heard of earlier loops is nothing of this one's
            listen(self)
            self._handles = [
                register_optimizer_step_pre_hook(apart(self._before_step, self.fail)),
                register_optimizer_step_post_hook(apart(self._after_step, self.fail)),
            ]
        self.answers = Answers(is_open=not self._loops)  # of several it would not be known whose losses they are
        self._loops.append(loop)
        self._asks_for_graph = True
        self._take_labels = next((one.labels for one in self._loops if one.has_labels), None)
        self._strangers.clear()
        for boundary in boundaries:
            self.know(boundary, loop)

    def leave(self, loop: Loop) -> None:
        """Tell it no more; again is harmless. After the last one torch is as it was."""
        with self._changing:
            self._of = {key: entry for key, entry in self._of.items() if entry[1] is not loop}
            if loop in self._loops:
                self._loops.remove(loop)
            if not self._loops:
                stop_listening()
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
        if entry is not None and entry[0].refer() is optimizer:
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

    def _before_step(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        entry = self._of.get(id(optimizer))
        if entry is None or entry[0].refer() is not optimizer:
            entry = self._entry(optimizer)
            if entry is None:
                return None
        boundary, loop = entry
        if is_in_backward():
            boundary.is_inner = self.has_inner = True
        else:
            boundary.is_inner = False
        if len(args) > 1 or kwargs:
            changed = with_closure(args, kwargs, lambda: self._measure_apart(optimizer, boundary, loop))
            if changed is not None:
                return changed
        heard = self._ears.heard
        loop.begin(boundary, heard)
        boundary.before(optimizer, heard)
        return None

    def _measure_apart(self, optimizer: Optimizer, boundary: Boundary, loop: Loop) -> None:
        """From within a closure, which may be called again within its step."""
        if boundary.is_stepping:
            return
        try:
            loop.begin(boundary, self._ears.heard)
            boundary.before(optimizer, self._ears.heard)
        except Exception as err:
            self.fail(err)

    def _after_step(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        del args, kwargs
        entry = self._of.get(id(optimizer))
        if entry is None or not entry[0].is_stepping or entry[0].refer() is not optimizer:
            self._ears.heard = Heard()
            return
        boundary, loop = entry
        if not boundary.is_inner:  # else the backward pass that was heard is not over
            self._ears.heard = Heard()
        boundary.after(optimizer)
        loop.after(boundary)

    def scaled(self, scaler: GradScaler, loss: Tensor, scaled: Tensor) -> None:
        """See `moments.Listener`."""
        heard = self._ears.heard
        heard.scaler, heard.scaled = scaler, (scaled, loss.detach())

    def backward(self, loss: Tensor) -> None:
        """See `moments.Listener`."""
        heard = self._ears.heard
        scaled, heard.scaled = heard.scaled, None  # it would keep the graph alive
        heard.losses.append(loss.detach() if scaled is None or scaled[0] is not loss else scaled[1])
        if self.answers.is_open:
            self.answers.look(loss.grad_fn, heard.losses[-1])
        if self._asks_for_graph and heard.graph is None:
            heard.graph = loss.grad_fn
            self._asks_for_graph = any(one.asks_for_graph for one in self._loops)
        batch = self._fetched.take()
        if batch is not None:
            heard.batches.append(batch)

    def backward_over(self) -> None:
        """See `moments.Listener`."""
        if self.has_inner:
            self.has_inner = False
            if any(loop.after_backward(self._ears.heard) for loop in self._loops):
                self._ears.heard = Heard()

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
            norms = {found: norm_of(grad.detach()) for found, grad in grads.items()}
            heard.unclipped = {**(heard.unclipped or {}), **norms}

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

    def loader_begun(self, loader: DataLoader[Any], iterator: object, is_passed_on: bool) -> None:
        """See `moments.Listener`."""
        self._passes.begun(loader, iterator, is_passed_on)

    def fetched(self, iterator: Any, batch: object, seconds: float) -> None:
        """See `moments.Listener`."""
        turn = iterator.__dict__.get(MARK) or self._passes.of(iterator)
        size, labels = turn.reader.read(batch, self._take_labels)
        turn.waiting.append((size, labels, seconds))
        self._fetched.newest = turn


HEARING = Hearing()
"""Of this process."""
