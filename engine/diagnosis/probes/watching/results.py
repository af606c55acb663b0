"""What a step makes of each sample: the network's own outputs where it is called as a whole, else the step's columns.

Judges nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from trainctl.engine.data.batch import Batch
from trainctl.engine.diagnosis.probes.bench import Bench
from trainctl.engine.diagnosis.probes.isolation import undisturbed
from trainctl.engine.diagnosis.probes.watching.watch import Feed, Watch


def size_of(batch: Batch) -> int:
    """Samples of a batch."""
    return len(next(iter(batch.values())))


def results_of(
    bench: Bench, batch: Batch, *, is_training: bool, feeds: Mapping[str, Feed] | None = None
) -> list[Tensor]:
    """Floating-point results of each sample, first dimension B, double, on the CPU; empty where nothing is per sample.

    Args:
        bench: its network is back in its mode afterwards; statistics of norms change in training mode.
        batch: as the loop makes it.
        is_training: the mode of the network.
        feeds: see `Watch`.
    """
    with undisturbed(bench.task.config.seed), _in_mode(bench.model, is_training=is_training), torch.no_grad():
        seen: list[Tensor] = []
        handle = bench.model.register_forward_hook(lambda _, __, output: seen.extend(tensors_in(output)))
        try:
            with Watch(bench.model, feeds=feeds):
                output = bench.step(batch)
        finally:
            handle.remove()
        for found in (seen, output.columns.values()):
            kept = [t.detach().double().cpu() for t in found if _is_of_samples(t, size_of(batch))]
            if kept:
                return kept
        return []


def tensors_in(value: object) -> Iterator[Tensor]:
    """All tensors in nested tuples, lists, mappings and objects of plain fields."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for entry in cast("Mapping[Any, object]", value).values():
            yield from tensors_in(entry)
    elif isinstance(value, list | tuple):
        for entry in cast("list[object]", value):
            yield from tensors_in(entry)
    elif hasattr(value, "__dict__") and not isinstance(value, nn.Module | type):
        yield from tensors_in(list(vars(value).values()))


def _is_of_samples(tensor: Tensor, size: int) -> bool:
    return tensor.is_floating_point() and tensor.dim() > 0 and len(tensor) == size


@contextlib.contextmanager
def _in_mode(model: nn.Module, *, is_training: bool) -> Generator[None]:
    modes = {module: module.training for module in model.modules()}
    model.train(is_training)
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
