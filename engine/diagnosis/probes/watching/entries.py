"""The layers that read the data, and how large the data are for them.

A layer reads the data where what it gets asks for no gradient: nothing that is trained stands before it. So tokens that
an embedding looks up, and what a norm with weights gives, are no data any more. Judges nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainctl.engine.data.batch import Batch
from trainctl.engine.diagnosis.facts.watched.layers import EntryFacts
from trainctl.engine.diagnosis.probes.bench import Bench
from trainctl.engine.diagnosis.probes.watching.operands import CONVOLUTIONS, operands
from trainctl.engine.diagnosis.probes.watching.results import results_of
from trainctl.engine.diagnosis.probes.watching.watch import Call, Look

MOST, MOST_PLACES = 64, 64
"""Samples, and places of each, that are measured."""
LEAST, FEW_COLUMNS = 4, 3
PRODUCTS = (
    "linear",
    "matmul",
    "mm",
    "__matmul__",
    "lstm",
    "gru",
    "rnn_tanh",
    "rnn_relu",
    "multi_head_attention_forward",
)
SAME = 0.3
"""Relative change of the results up to which they count as the same: padding is scaled otherwise."""


class Entries:
    """Collects facts about the layers that read the data, each as it was called first.

    Args:
        model: names the weights.
    """

    def __init__(self, model: nn.Module) -> None:
        self._names = {id(p): name for name, p in model.named_parameters()}
        self._called: set[int] = set()
        self._weights: dict[str, int] = {}
        self.found: list[EntryFacts] = []

    @property
    def looks(self) -> dict[str, Look]:
        """For `Watch`."""
        return dict.fromkeys((*CONVOLUTIONS, *PRODUCTS), self._look)

    def weight_of(self, name: str) -> int:
        """Identity of the weights of the layer called `name`."""
        return self._weights[name]

    def _look(self, call: Call) -> None:
        pair = operands(call)
        if pair is None:
            return
        read, weight = pair
        key = id(weight)
        if key not in self._names or key in self._called:
            return
        self._called.add(key)
        if read.requires_grad or not read.is_floating_point() or len(read) < LEAST:
            return
        name = self._names[key].rpartition(".")[0] or self._names[key]
        facts = measured(call, name, read.detach(), weight.detach())
        if facts is not None:
            self._weights[name] = key
            self.found.append(facts)


def measured(call: Call, name: str, read: Tensor, weight: Tensor) -> EntryFacts | None:
    """Facts about a layer; None where its input is the same for every sample, or not finite."""
    read = _thinned(read).double()
    mean = read.mean(0, keepdim=True)
    apart = read - mean
    layer = _layer(call, weight.double())
    spread = float(layer(apart).square().mean().sqrt())
    if not 0 < spread < math.inf:
        return None
    rows = weight.t() if call.name in ("matmul", "mm", "__matmul__") else weight
    rows = rows.double().flatten(2) if rows.dim() > 2 else rows.double()[:, :, None]  # (units, columns, places)
    norm = float(rows.square().sum((1, 2)).mean().sqrt())
    dim = 1 if call.name in CONVOLUTIONS else read.dim() - 1
    constant, varying_zeros = _constant(read, dim)
    facts = EntryFacts(
        name=name,
        kind=call.name if call.name not in ("mm", "__matmul__") else "matmul",
        num_samples=len(read),
        num_columns=read.shape[dim],
        scale=spread / norm if norm > 0 else math.nan,
        spread=spread,
        offset=float(layer(mean).square().mean().sqrt()) / spread,
        zeros=float((read == 0).double().mean()),
        largest=math.nan,
        largest_column=0,
        largest_ratio=math.nan,
        constant=constant,
        varying_zeros=varying_zeros,
        is_scale_free=False,
    )
    return _with_columns(facts, apart, rows, dim)


def _constant(read: Tensor, dim: int) -> tuple[float, float]:
    """Share of the columns that never vary, over samples and places, and of zeros in the others."""
    columns = read.movedim(dim, 0).flatten(1)
    varies = (columns != columns[:, :1]).any(1)
    zeros = float((columns[varies] == 0).double().mean()) if bool(varies.any()) else math.nan
    return float((~varies).double().mean()), zeros


def _with_columns(facts: EntryFacts, apart: Tensor, rows: Tensor, dim: int) -> EntryFacts:
    """The facts with those about the columns: what each adds to the variance of what the layer gives."""
    others = [axis for axis in range(apart.dim()) if axis != dim]
    variance, gain = apart.square().mean(others), rows.square().sum((0, 2))
    varying = variance[variance > 0].sqrt()
    if len(varying) < FEW_COLUMNS or len(gain) != len(variance):  # groups of channels have weights of their own
        return facts
    parts = variance * gain
    if not float(parts.sum()) > 0:
        return facts
    column = int(parts.argmax())
    return replace(
        facts,
        largest=float(parts[column] / parts.sum()),
        largest_column=column,
        largest_ratio=float(variance[column].sqrt() / varying.median()),
    )


def _thinned(read: Tensor) -> Tensor:
    read = read[:: -(-len(read) // MOST)]
    if read.dim() == 3 and read.shape[1] > MOST_PLACES:
        read = read[:, :: -(-read.shape[1] // MOST_PLACES)] if read.shape[2] > 1 else read
    return read


def _layer(call: Call, weight: Tensor) -> Callable[[Tensor], Tensor]:
    """The layer without its bias."""
    if call.name in CONVOLUTIONS:
        rest = {
            key: call.argument(place, key, default)
            for place, key, default in ((3, "stride", 1), (4, "padding", 0), (5, "dilation", 1), (6, "groups", 1))
        }
        return lambda x: CONVOLUTIONS[call.name](x, weight, None, **rest)
    if call.name in ("matmul", "mm", "__matmul__"):
        return lambda x: x @ weight
    return lambda x: F.linear(x, weight)


def with_freedom(entries: Entries, bench: Bench, batch: Batch) -> tuple[EntryFacts, ...]:
    """The facts, and of layers whose input is odd whether that makes any difference to the results."""
    found: list[EntryFacts] = []
    for facts in entries.found:
        is_odd = facts.is_large or facts.is_small or facts.is_far
        is_free = is_odd and _is_scale_free(bench, batch, facts, entries.weight_of(facts.name))
        found.append(replace(facts, is_scale_free=is_free))
    return tuple(found)


def _is_scale_free(bench: Bench, batch: Batch, facts: EntryFacts, key: int) -> bool:
    def feed(call: Call) -> tuple[Any, ...] | None:
        pair = operands(call)
        if pair is None or id(pair[1]) != key:
            return None
        read = pair[0] - pair[0].mean(0, keepdim=True) if facts.is_far else pair[0]
        return (read / facts.scale, *call.args[1:])

    before = results_of(bench, batch, is_training=True)
    after = results_of(bench, batch, is_training=True, feeds=dict.fromkeys((*CONVOLUTIONS, *PRODUCTS), feed))
    moved = [_change(a, b) for a, b in zip(before, after, strict=True) if a.shape == b.shape]
    return bool(moved) and max(moved) < SAME


def _change(before: Tensor, after: Tensor) -> float:
    """How much what tells the samples apart changes, in its own terms."""
    a, b = before - before.mean(0), after - after.mean(0)
    size = float(torch.maximum(a.norm(), b.norm()))
    return float((a - b).norm()) / size if size > 0 else 0.0
