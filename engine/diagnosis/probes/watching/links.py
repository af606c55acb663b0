"""The dense layers inside a network, as they follow one another: what autograd remembers between them. Judges nothing.

Layers that read the data as it is are not among them (`entries`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from trainctl.engine.data.batch import Batch
from trainctl.engine.diagnosis.facts.watched.links import LinkFacts
from trainctl.engine.diagnosis.probes.bench import Bench
from trainctl.engine.diagnosis.probes.watching.entries import CONVOLUTIONS, operands
from trainctl.engine.diagnosis.probes.watching.loss_calls import NODE, SAME_VALUES
from trainctl.engine.diagnosis.probes.watching.results import results_of
from trainctl.engine.diagnosis.probes.watching.watch import Call, Look

LAYERS = ("linear", *CONVOLUTIONS)
AFFINE = SAME_VALUES | {"NativeBatchNorm", "CudnnBatchNorm", "MiopenBatchNorm", "NativeDropout", "FusedDropout"}
"""Operations of autograd that are affine in what they are given first."""
BY_CONSTANTS = frozenset({"Mul", "Div", "Add", "Sub"})
"""Affine where all else that they are given asks for no gradient: a mask, a scale."""
SAME = 1e-3
"""Share of what tells the samples apart up to which nothing of it is left."""


class Links:
    """Collects facts about the layers that read what others made, each as it was called first.

    Args:
        model: names the weights.
    """

    def __init__(self, model: nn.Module) -> None:
        self._names = {id(p): name for name, p in model.named_parameters()}
        self._called: set[int] = set()
        self._makers: dict[Any, int] = {}
        """What each layer reads, by the node of autograd that stands for what it gave."""
        self._widest = 0
        self._weights: dict[str, int] = {}
        self.found: list[LinkFacts] = []

    @property
    def looks(self) -> dict[str, Look]:
        """For `Watch`."""
        return dict.fromkeys(LAYERS, self._look)

    def weight_of(self, name: str) -> int:
        """Identity of the weights of the layer called `name`."""
        return self._weights[name]

    def _look(self, call: Call) -> None:
        pair = operands(call)
        if pair is None or id(pair[1]) not in self._names:
            return
        read, weight = pair
        groups = call.argument(6, "groups", 1) if call.name in CONVOLUTIONS else 1
        width = weight.shape[1] * groups
        if isinstance(call.output, Tensor) and call.output.grad_fn is not None and groups == 1:
            self._makers[call.output.grad_fn] = width
        key = id(weight)
        if key not in self._called:
            self._called.add(key)
            if read.requires_grad:
                name = self._names[key].rpartition(".")[0] or self._names[key]
                self._weights[name] = key
                before = self._before(read) if groups == 1 else 0
                self.found.append(LinkFacts(name, width, weight.shape[0], before, bool(before), self._widest))
        self._widest = max(self._widest, width)

    def _before(self, read: Tensor) -> int:
        """What the layer reads that made this tensor, with affine operations at most behind it; 0: there is none."""
        node: Any = read.grad_fn
        while node is not None and node not in self._makers:
            given = [entry for entry, _ in node.next_functions]
            kind = NODE.fullmatch(type(node).__name__)
            name = kind[1] if kind else ""
            if name in BY_CONSTANTS:
                asking = [entry for entry in given if entry is not None]
                node = asking[0] if len(asking) == 1 else None
            else:
                node = given[0] if name in AFFINE and given else None
        return self._makers.get(node, 0)


def with_passage(links: Links, bench: Bench, batch: Batch) -> tuple[LinkFacts, ...]:
    """The facts, and of very narrow layers whether all that the results know of a sample comes through them."""
    return tuple(
        replace(link, carries_all=_carries_all(bench, batch, links.weight_of(link.name))) if link.is_narrow else link
        for link in links.found
    )


def _carries_all(bench: Bench, batch: Batch, key: int) -> bool | None:
    def feed(call: Call) -> tuple[Any, ...] | None:
        pair = operands(call)
        if pair is None or id(pair[1]) != key:
            return None
        return (pair[0].mean(0, keepdim=True).expand_as(pair[0]), *call.args[1:])

    try:
        before = results_of(bench, batch, is_training=False)
        after = results_of(bench, batch, is_training=False, feeds=dict.fromkeys(LAYERS, feed))
    except Exception:  # the task's code is the user's, and was promised a mode of its own
        return None
    apart = [(_apart(a), _apart(b)) for a, b in zip(before, after, strict=False) if a.shape == b.shape]
    known = [(a, b) for a, b in apart if a > 0]
    return max(b / a for a, b in known) < SAME if known else None


def _apart(results: Tensor) -> float:
    return float((results - results.mean(0)).norm())
