"""Exchanges one sample of a batch and looks whether the results of the others change. Judges nothing.

In evaluation mode, where a BatchNorm does not look at the batch; under the same random numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainctl.engine.data.batch import Batch
from trainctl.engine.diagnosis.facts.watched.mixing import MOVED, MixingFacts
from trainctl.engine.diagnosis.probes.bench import Bench
from trainctl.engine.diagnosis.probes.watching.results import results_of, size_of

MOST, LEAST = 16, 4
"""Samples that are tried."""


def measure_mixing(bench: Bench, batch: Batch) -> MixingFacts:
    """Whether the samples of a batch reach each other; never fails."""
    part = {name: tensor[:MOST] for name, tensor in batch.items()}
    size = size_of(part)
    if size < LEAST or any(len(tensor) != size for tensor in part.values()):
        return _unknown(f"needs a batch of {LEAST} samples")
    if any(_has_no_statistics(module) for module in bench.model.modules()):
        return _unknown("a norm takes the statistics of the batch in evaluation mode too")
    try:
        before, again = (results_of(bench, part, is_training=False) for _ in range(2))
        others = {row: results_of(bench, _exchanged(part, row), is_training=False) for row in (0, size - 1)}
    except Exception:  # the task's code is the user's, and was promised batches of its own kind only
        return _unknown("the step does not work on other batches")
    if any(not torch.equal(a, b) for a, b in zip(before, again, strict=True)):
        return _unknown("the step draws random numbers of its own")
    found = [
        _compared(base, other, row)
        for row, results in others.items()
        for base, other in zip(before, results, strict=False)
    ]
    known = [facts for facts in found if facts is not None]
    if not known:
        return _unknown("neither the network nor the step gives results of each sample")
    return max(known, key=lambda facts: facts.moved)


def _unknown(why: str) -> MixingFacts:
    return MixingFacts(0, 0.0, 0, why)


def _has_no_statistics(module: nn.Module) -> bool:
    norm = nn.modules.batchnorm._BatchNorm  # pyright: ignore[reportPrivateUsage]
    return isinstance(module, norm) and module.running_mean is None


def _exchanged(batch: Batch, row: int) -> Batch:
    """The batch with another of its samples in the place of one."""
    changed = {name: tensor.clone() for name, tensor in batch.items()}
    for tensor in changed.values():
        tensor[row] = tensor[(row + len(tensor) // 2) % len(tensor)]
    return changed


def _compared(before: Tensor, after: Tensor, row: int) -> MixingFacts | None:
    """None where the exchange changes not even the sample's own result."""
    if before.shape != after.shape or bool((before == before[:1]).all()):
        return None
    change = (after - before).abs()
    if change.dim() > 1 and change.shape[1] == len(change):
        change[:, row] = 0  # a table of all pairs has its own column
        change[row] = (after - before).abs()[row]
    of_sample = change.flatten(1).amax(1) if change.dim() > 1 else change
    own = float(of_sample[row])
    others = torch.cat([of_sample[:row], of_sample[row + 1 :]])
    if not own > 0 or not bool(of_sample.isfinite().all()):
        return None
    return MixingFacts(
        num_samples=len(before),
        moved=float(others.max()) / own,
        num_moved=int((others > MOVED * own).sum()),
    )
