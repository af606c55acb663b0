"""Parts of a batch, joined: its own order whatever its length, and gradients as of one process with all of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import torch
from several import together
from torch import Tensor
from torch import distributed as dist

from trainctl.engine.data.samplers.shares import share_of
from trainctl.engine.losses.gather import joined, sharing
from trainctl.engine.losses.reconstruction import last_dialogue
from trainctl.engine.losses.supcon import supcon
from trainctl.engine.ranks import Ranks

SIZES = (8, 7, 1)
"""Of whole batches: one that two ranks share evenly, one that they do not, one of which the second has nothing."""


def batch_and_layer(size: int) -> tuple[Tensor, Tensor, torch.nn.Linear]:
    torch.manual_seed(3)
    layer = torch.nn.Linear(6, 5, dtype=torch.float64)
    return torch.randn(size, 6, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1, 0, 2, 3])[:size], layer


def loss_of(inputs: Tensor, labels: Tensor, layer: torch.nn.Linear) -> tuple[Tensor, Tensor]:
    """A loss over pairs, and all figures of it."""
    outputs, flags = joined(layer(inputs)), joined(inputs[:, 0] > 0)
    result = supcon(outputs, joined(labels))
    loss = result.loss + outputs.sum(1).cumsum(0).square().mean()  # which depends on their order
    return loss, torch.stack([loss, result.positives, result.no_positive, flags.double().cumsum(0).sum()]).detach()


def train_part(rank: int, folder: str) -> None:
    """One rank's part, as DistributedDataParallel does it: own rows, then the mean of the gradients."""
    store = f"file://{folder}/store"
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=2, timeout=timedelta(seconds=30))
    found: list[tuple[Tensor, Tensor]] = []
    for size in SIZES:
        inputs, labels, layer = batch_and_layer(size)
        rows = share_of(torch.arange(size), Ranks(rank, 2))
        rows = rows if len(rows) else torch.tensor([0])
        with sharing(size):
            loss, values = loss_of(inputs[rows], labels[rows], layer)
        loss.backward()
        assert layer.weight.grad is not None
        dist.all_reduce(layer.weight.grad)
        found.append((values, layer.weight.grad / 2))
    torch.save(found, f"{folder}/rank{rank}.pt")
    dist.destroy_process_group()


def test_two_ranks_have_the_loss_and_the_gradient_of_one_process_with_the_whole_batch(tmp_path: Path) -> None:
    together(2, train_part, str(tmp_path))
    found = [torch.load(tmp_path / f"rank{rank}.pt") for rank in range(2)]
    for case, size in enumerate(SIZES):
        inputs, labels, layer = batch_and_layer(size)
        loss, expected = loss_of(inputs, labels, layer)
        loss.backward()
        for rank in range(2):
            values, gradient = found[rank][case]
            torch.testing.assert_close(values, expected, equal_nan=True)
            torch.testing.assert_close(gradient, layer.weight.grad)


@pytest.mark.parametrize("size", SIZES)
def test_one_process_alone_joins_nothing(size: int) -> None:
    inputs, _, layer = batch_and_layer(size)
    outputs = layer(inputs)
    with sharing(size):
        assert joined(outputs) is outputs
    assert joined(outputs) is outputs


def test_alone_the_last_dialogue_is_that_of_the_batch() -> None:
    again, features, valid = torch.zeros(3, 2), torch.ones(3, 2), torch.tensor([[True, False], [True, True]])
    assert last_dialogue(again, 2 * features, valid, "mse") == 8.0
