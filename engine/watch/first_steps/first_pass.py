"""What a network that was named shows in its first forward pass of training: which layers follow one another without an
activation, and which rectifiers let nothing through.

Looks once, by torch's public hooks and function modes; changes nothing and waits for nothing: what lies on a device is
read by whoever asks `told`. Knows no rule and no files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

if TYPE_CHECKING:
    from trainctl.engine.diagnosis.probes.watching.links import Links
    from trainctl.engine.diagnosis.probes.watching.rectifiers import Rectifiers
    from trainctl.engine.diagnosis.probes.watching.watch import Watch

MOST = 256
"""Layers that are told of."""


class FirstPass:
    """Looks on from creation until the first forward pass of training is over, or `stop`.

    Args:
        model: the network.
        named: it, or what is wrapped around it.
    """

    def __init__(self, model: nn.Module, named: nn.Module) -> None:
        self._watch: Watch | None = None
        self._links: Links | None = None
        self._rectifiers: Rectifiers | None = None
        self._links_found: list[list[Any]] = []
        self._is_over = False
        self._identity = id(model)
        self._handles = list[RemovableHandle]()
        if _is_plain(named):
            self._handles.append(model.register_forward_pre_hook(self._begins))
            self._handles.append(model.register_forward_hook(self._ends, always_call=True))

    def _begins(self, model: nn.Module, args: Any) -> None:
        del args
        is_traced = torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
        if torch.compiler.is_compiling() or is_traced:
            return
        # Replicas of DataParallel run in threads of their own.
        is_it = id(model) == self._identity and model.training and torch.is_grad_enabled()
        if not is_it or self._watch is not None or self._is_over:
            return
        try:
            from trainctl.engine.diagnosis.probes.watching.links import Links
            from trainctl.engine.diagnosis.probes.watching.rectifiers import Rectifiers
            from trainctl.engine.diagnosis.probes.watching.watch import Watch

            links, rectifiers = Links(model), Rectifiers()
            watch = Watch(model, [links.looks, rectifiers.looks], is_inside=True)
            watch.__enter__()
        except Exception:  # a network of another make: nothing is known of it then
            self.stop()
            return
        self._watch, self._links, self._rectifiers = watch, links, rectifiers

    def _ends(self, model: nn.Module, args: Any, output: Any) -> None:
        del args, output
        watch, links = self._watch, self._links
        if watch is None or links is None or id(model) != self._identity:
            return
        watch.__exit__(None, None, None)
        # Not the object: it holds on to the graph, and with it to what the forward pass has kept.
        self._links_found = [
            [one.name, one.width, one.after, one.before, one.is_direct, one.widest_before] for one in links.found[:MOST]
        ]
        self._watch = self._links = None
        self.stop()

    def stop(self) -> None:
        """Take the hooks back; again is harmless."""
        self._is_over = True
        while self._handles:
            self._handles.pop().remove()

    def told(self) -> dict[str, Any]:
        """What was seen, as plain data; empty: nothing. May wait for the device."""
        if self._rectifiers is None:
            return {}
        facts = self._rectifiers.facts()[:MOST]
        return {"links": self._links_found, "rectifiers": [[one.name, one.num_units, one.dead] for one in facts]}


def _is_plain(named: nn.Module) -> bool:
    """Whether its forward pass is Python that torch runs as it stands, on tensors that are whole."""
    inner: Any = named
    while isinstance(inner, nn.Module):
        is_compiled = hasattr(inner, "_orig_mod") or getattr(inner, "_compiled_call_impl", None) is not None
        if is_compiled or isinstance(inner, torch.jit.ScriptModule):
            return False
        inner = getattr(inner, "module", None)
    return all(type(p) is nn.Parameter and type(p.data) is Tensor for p in named.parameters())
