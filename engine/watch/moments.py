"""The moments at which a foreign loop can be heard: backward pass, clipping, loss scaling, a batch that is fetched.

The only place that replaces functions of torch, some by private names (`tests/engine/watch/test_moments.py` holds that
they exist). Each calls the original with what it was given and returns what that returned. They are replaced while
somebody listens, and put back after. Knows nothing of what is made of what is heard.
"""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import inspect
import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from torch.nn.utils import clip_grad
from torch.optim import Optimizer
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _BaseDataLoaderIter


class Listener(Protocol):
    """Who is told of each moment, in the thread in which it happens."""

    def scaled(self, scaler: GradScaler, loss: Tensor, scaled: Tensor) -> None:
        """A loss was multiplied by a gradient scaler's factor."""
        ...

    def backward(self, loss: Tensor) -> None:
        """A backward pass begins."""
        ...

    @property
    def has_inner(self) -> bool:
        """Whether it is to be told when a backward pass is over."""
        ...

    def backward_over(self) -> None:
        """It is over."""
        ...

    def before_clipping(self, params: list[Tensor]) -> None:
        """The gradients of these are about to be clipped by their norm."""
        ...

    def scaler_stepped(self, scaler: GradScaler, optimizer: Optimizer) -> None:
        """A gradient scaler has stepped the optimiser, or left the step out."""
        ...

    def loader_begun(self, loader: DataLoader[Any], iterator: object, is_passed_on: bool) -> None:
        """A pass over a loader begins; whether somebody else's iteration passes its batches on, and may keep some."""
        ...

    def fetched(self, iterator: object, batch: object, seconds: float) -> None:
        """A batch has come; how long it was waited for."""
        ...

    def fail(self, error: Exception) -> None:
        """What one of these came to."""
        ...


Tell = Callable[..., None]
"""Tells the listener of a moment; harmless, see `apart`."""


class _Ear:
    """Whether what was put in torch's place is to tell anything: what others have wrapped since stays in theirs."""

    is_open = True


_undo: list[Callable[[], None]] = []
_ear = _Ear()
_is_told_of_forks = False


def listen(listener: Listener) -> None:
    """Tell `listener` of every moment from now on, in this process: one that is forked off hears nothing."""
    global _ear, _is_told_of_forks
    if not _is_told_of_forks:
        os.register_at_fork(after_in_child=_close)  # to ask at each moment which process this is takes a system call
        _is_told_of_forks = True
    if not _undo:
        _ear = _Ear()
        _replace_all(listener)


def stop_listening() -> None:
    """Tell nobody any more: torch is as it was. Again is harmless."""
    _close()
    while _undo:
        _undo.pop()()


def _close() -> None:
    _ear.is_open = False


def is_here() -> bool:
    """Whether this is the process that listens, not one that was forked off."""
    return _ear.is_open


def apart(tell: Callable[..., Any], fail: Callable[[Exception], None]) -> Callable[..., Any]:
    """`tell` as torch may call it while somebody listens: what goes wrong in it is told to `fail`, and nobody else.

    A compiler that meets it in what it compiles calls it as it is and does not look into it.
    """
    ear = _ear

    def heard(*args: Any) -> Any:
        if ear.is_open:
            try:
                return tell(*args)
            except Exception as err:
                fail(err)
        return None

    guarded = torch._disable_dynamo(heard)  # pyright: ignore[reportPrivateImportUsage]

    def call(*args: Any) -> Any:
        # True in what is compiled, where it is a constant, as long as it is called by its full name. The guard costs
        # each call some microseconds.
        return guarded(*args) if torch.compiler.is_compiling() else heard(*args)

    return call


def is_in_backward() -> bool:
    """Whether this thread is within a backward pass, as a hook of a gradient is."""
    return torch._C._current_graph_task_id() != -1


def _replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Put what `make` makes of a function in its place; undone only where nobody else has replaced it since."""
    original = owner.__dict__[name]
    replacement = make(original)
    for said in ("__name__", "__qualname__", "__doc__", "__module__"):
        setattr(replacement, said, getattr(original, said))
    replacement.__wrapped__ = original
    setattr(owner, name, replacement)

    def undo() -> None:
        if owner.__dict__.get(name) is replacement:
            setattr(owner, name, original)

    _undo.append(undo)


def _replace_all(listener: Listener) -> None:
    def told(tell: Callable[..., None]) -> Callable[..., None]:
        return apart(tell, listener.fail)

    begun, over, clipping = told(listener.backward), told(listener.backward_over), told(listener.before_clipping)
    scaled, stepped = told(listener.scaled), told(listener.scaler_stepped)
    passing, fetched = told(listener.loader_begun), told(listener.fetched)
    _replace(torch.autograd, "backward", lambda original: _heard_backward(original, listener, begun, over))
    _replace(clip_grad, "_clip_grads_with_norm_", lambda original: _heard_clipping(original, clipping))
    _replace(GradScaler, "scale", lambda original: _heard_scale(original, scaled))
    _replace(GradScaler, "step", lambda original: _heard_scaler_step(original, stepped))
    _replace(DataLoader, "__iter__", lambda original: _heard_iter(original, passing))
    _replace(_BaseDataLoaderIter, "__next__", lambda original: _heard_next(original, fetched))


def _heard_backward(original: Callable[..., None], listener: Listener, begun: Tell, over: Tell) -> Callable[..., None]:
    def backward(tensors: Any, *args: Any, **kwargs: Any) -> None:
        # `Tensor.backward` comes through here too. A loss is one number; what else is differentiated is none.
        if isinstance(tensors, Tensor) and tensors.numel() == 1:
            begun(tensors)
            original(tensors, *args, **kwargs)
            if torch.compiler.is_compiling() or listener.has_inner:
                over()
            return None
        return original(tensors, *args, **kwargs)

    return backward


def _heard_clipping(original: Callable[..., None], clipping: Tell) -> Callable[..., None]:
    def clip(parameters: Any, *args: Any, **kwargs: Any) -> None:
        params: list[Tensor] = [parameters] if isinstance(parameters, Tensor) else list(parameters)
        clipping(params)
        return original(params, *args, **kwargs)

    return clip


def _heard_scale(original: Callable[..., Any], heard: Tell) -> Callable[..., Any]:
    def scale(self: GradScaler, outputs: Tensor | Iterable[Tensor]) -> Any:
        scaled = original(self, outputs)
        if isinstance(outputs, Tensor) and scaled is not outputs:
            heard(self, outputs, scaled)
        return scaled

    return scale


def _heard_scaler_step(original: Callable[..., Any], stepped: Tell) -> Callable[..., Any]:
    def step(self: GradScaler, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        result = original(self, optimizer, *args, **kwargs)
        if self.is_enabled():
            stepped(self, optimizer)
        return result

    return step


def _heard_iter(original: Callable[..., Any], begun: Tell) -> Callable[..., Any]:
    def begin(self: DataLoader[Any]) -> Any:
        iterator = original(self)
        caller = sys._getframe(1).f_code  # Accelerate's loaders begin one of torch's in their own `__iter__`
        is_passed_on = caller.co_name == "__iter__" and bool(caller.co_flags & inspect.CO_GENERATOR)
        begun(self, iterator, is_passed_on)
        return iterator

    return begin


def _heard_next(original: Callable[..., Any], fetched: Tell) -> Callable[..., Any]:
    now = time.perf_counter

    def fetch(self: _BaseDataLoaderIter) -> Any:
        started = now()
        batch = original(self)
        fetched(self, batch, now() - started)
        return batch

    return fetch


def scale_of(scaler: GradScaler) -> Tensor | None:
    """A scaler's factor where it lies, without waiting for it; None before its first loss."""
    return scaler._scale


def is_unscaled(scaler: GradScaler, optimizer: Optimizer) -> bool:
    """Whether the gradients of an optimiser have been divided by the factor since its last update."""
    stage: Any = scaler._per_optimizer_states[id(optimizer)]["stage"]
    return str(stage.name) != "READY"
