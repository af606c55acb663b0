"""Looks at the functions of torch that are called while a block runs, and knows in which module each is.

Changes nothing that is computed, unless whoever looks asks for it. Knows no fault.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle


@dataclass(frozen=True)
class Call:
    """A function of torch that was called."""

    name: str
    """As torch calls it: `linear`, `relu`, `cross_entropy`."""
    module: str | None
    """Dotted name of the innermost module that runs; empty: the network itself. None: no module of it runs."""
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    output: Any = None

    @property
    def place(self) -> str:
        """Where it is called, in words."""
        return self.module or ("the network" if self.module is not None else "the step")

    def argument(self, place: int, name: str, default: Any = None) -> Any:
        """An argument, given by its place or by its name."""
        return self.args[place] if len(self.args) > place else self.kwargs.get(name, default)


Look = Callable[[Call], object]
"""Told of a call after it."""
Feed = Callable[[Call], tuple[Any, ...] | None]
"""Told of a call before it; gives other arguments for it, or None."""


class Watch(TorchFunctionMode):
    """Within it, calls are told to those who ask for functions of their name.

    Functions that others of torch call are not told: of `cross_entropy` no `log_softmax`.

    Args:
        model: whose modules are named.
        looks: by the name of the function.
        feeds: the same, before the call.
        is_inside: the network runs already when it is entered.
    """

    def __init__(
        self,
        model: nn.Module,
        looks: Iterable[Mapping[str, Look]] = (),
        feeds: Mapping[str, Feed] | None = None,
        *,
        is_inside: bool = False,
    ) -> None:
        super().__init__()
        self._model, self._feeds = model, dict(feeds or {})
        self._looks: dict[str, list[Look]] = {}
        for table in looks:
            for name, look in table.items():
                self._looks.setdefault(name, []).append(look)
        self._stack: list[str | None] = [None, ""] if is_inside else [None]
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> Self:
        for name, module in self._model.named_modules():
            self._handles.append(module.register_forward_pre_hook(self._entering(name)))
            self._handles.append(module.register_forward_hook(self._leaving, always_call=True))
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._stack[1:] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        looks, feed = self._looks.get(name), self._feeds.get(name)
        if feed is not None:
            changed = feed(Call(name, self._stack[-1], args, kwargs))
            args = args if changed is None else changed
        output = func(*args, **kwargs)
        if looks:
            call = Call(name, self._stack[-1], args, kwargs, output)
            for look in looks:
                with torch.no_grad(), contextlib.suppress(Exception):  # whoever looks on stands in nobody's way
                    look(call)
        return output

    def _entering(self, name: str) -> Callable[..., None]:
        def enter(*_: object) -> None:
            self._stack.append(name)

        return enter

    def _leaving(self, *_: object) -> None:
        if len(self._stack) > 1:
            self._stack.pop()
