"""Whether all that the results know of a sample comes through a very narrow layer: asked of the untrained network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor

from trainctl.engine.data.batch import Batch
from trainctl.engine.diagnosis.facts.watched.links import LinkFacts
from trainctl.engine.diagnosis.probes.bench import Bench
from trainctl.engine.diagnosis.probes.watching.links import LAYERS, Links
from trainctl.engine.diagnosis.probes.watching.operands import operands
from trainctl.engine.diagnosis.probes.watching.results import results_of
from trainctl.engine.diagnosis.probes.watching.watch import Call

SAME = 1e-3
"""Share of what tells the samples apart up to which nothing of it is left."""


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
