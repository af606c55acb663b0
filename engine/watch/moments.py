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


_listeners: list[Listener] = []
_undo: list[Callable[[], None]] = []
_pid = 0


def listen(listener: Listener) -> None:
    """Tell `listener` of every moment from now on, in this process: one that is forked off hears nothing."""
    global _pid
    if _pid != os.getpid():
        _listeners.clear()
        _pid = os.getpid()
    if not _listeners and not _undo:
        _replace_all()
    _listeners.append(listener)


def stop_listening(listener: Listener) -> None:
    """Tell it no more; after the last one, torch is as it was. Again is harmless."""
    if listener in _listeners:
        _listeners.remove(listener)
    if not _listeners:
        while _undo:
            _undo.pop()()


def is_here() -> bool:
    """Whether this is the process that listens, not one that was forked off."""
    return os.getpid() == _pid


def uncompiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function; a compiler that meets it in what it compiles calls it as it is and does not look into it."""

    def plain(*args: Any) -> Any:  # the guard is kept as an attribute, which a method cannot have
        return function(*args)

    guarded = torch._disable_dynamo(plain)  # pyright: ignore[reportPrivateImportUsage]

    def call(*args: Any) -> Any:
        # True in what is compiled, where it is a constant. The guard costs each call some microseconds.
        return guarded(*args) if torch.compiler.is_compiling() else function(*args)

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


def _tell_all(tell: Callable[[Listener], None]) -> None:
    if is_here():
        for listener in _listeners:
            tell(listener)


_tell: Callable[[Callable[[Listener], None]], None] = uncompiled(_tell_all)


def _replace_all() -> None:
    _replace(torch.autograd, "backward", _heard_backward)
    _replace(clip_grad, "_clip_grads_with_norm_", _heard_clipping)
    _replace(GradScaler, "scale", _heard_scale)
    _replace(GradScaler, "step", _heard_scaler_step)
    _replace(DataLoader, "__iter__", _heard_iter)
    _replace(_BaseDataLoaderIter, "__next__", _heard_next)


def _heard_backward(original: Callable[..., None]) -> Callable[..., None]:
    def backward(tensors: Any, *args: Any, **kwargs: Any) -> None:
        # `Tensor.backward` comes through here too. A loss is one number; what else is differentiated is none.
        if isinstance(tensors, Tensor) and tensors.numel() == 1:
            _tell(lambda one: one.backward(tensors))
            original(tensors, *args, **kwargs)
            _tell(lambda one: one.backward_over())
            return None
        return original(tensors, *args, **kwargs)

    return backward


def _heard_clipping(original: Callable[..., None]) -> Callable[..., None]:
    def clip(parameters: Any, *args: Any, **kwargs: Any) -> None:
        params: list[Tensor] = [parameters] if isinstance(parameters, Tensor) else list(parameters)
        _tell(lambda one: one.before_clipping(params))
        return original(params, *args, **kwargs)

    return clip


def _heard_scale(original: Callable[..., Any]) -> Callable[..., Any]:
    def scale(self: GradScaler, outputs: Tensor | Iterable[Tensor]) -> Any:
        scaled = original(self, outputs)
        if isinstance(outputs, Tensor) and scaled is not outputs:
            _tell(lambda one: one.scaled(self, outputs, scaled))
        return scaled

    return scale


def _heard_scaler_step(original: Callable[..., Any]) -> Callable[..., Any]:
    def step(self: GradScaler, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        result = original(self, optimizer, *args, **kwargs)
        if self.is_enabled():
            _tell(lambda one: one.scaler_stepped(self, optimizer))
        return result

    return step


def _heard_iter(original: Callable[..., Any]) -> Callable[..., Any]:
    def begin(self: DataLoader[Any]) -> Any:
        iterator = original(self)
        if is_here():
            caller = sys._getframe(1).f_code  # Accelerate's loaders begin one of torch's in their own `__iter__`
            is_passed_on = caller.co_name == "__iter__" and bool(caller.co_flags & inspect.CO_GENERATOR)
            for listener in _listeners:
                listener.loader_begun(self, iterator, is_passed_on)
        return iterator

    return begin


def _heard_next(original: Callable[..., Any]) -> Callable[..., Any]:
    def fetch(self: _BaseDataLoaderIter) -> Any:
        started = time.perf_counter()
        batch = original(self)
        if is_here():
            seconds = time.perf_counter() - started
            for listener in _listeners:
                listener.fetched(self, batch, seconds)
        return batch

    return fetch


def scale_of(scaler: GradScaler) -> Tensor | None:
    """A scaler's factor where it lies, without waiting for it; None before its first loss."""
    return scaler._scale


def is_unscaled(scaler: GradScaler, optimizer: Optimizer) -> bool:
    """Whether the gradients of an optimiser have been divided by the factor since its last update."""
    stage: Any = scaler._per_optimizer_states[id(optimizer)]["stage"]
    return str(stage.name) != "READY"
