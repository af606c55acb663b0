"""The dense layers inside a network, as they follow one another: what autograd remembers between them. Judges nothing.

Layers that read the data as it is are not among them (`entries`).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from trainctl.engine.diagnosis.facts.watched.links import LinkFacts
from trainctl.engine.diagnosis.probes.watching.loss_calls import NODE, SAME_VALUES
from trainctl.engine.diagnosis.probes.watching.operands import CONVOLUTIONS, operands
from trainctl.engine.diagnosis.probes.watching.watch import Call, Look

LAYERS = ("linear", *CONVOLUTIONS)
AFFINE = SAME_VALUES | {"NativeBatchNorm", "CudnnBatchNorm", "MiopenBatchNorm", "NativeDropout", "FusedDropout"}
"""Operations of autograd that are affine in what they are given first."""
BY_CONSTANTS = frozenset({"Mul", "Div", "Add", "Sub"})
"""Affine where all else that they are given asks for no gradient: a mask, a scale."""


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
