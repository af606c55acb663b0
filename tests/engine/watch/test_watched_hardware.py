"""What a watched loop tells of its time: what its batches were waited for where a loader is heard, and its steps."""

from __future__ import annotations

from pathlib import Path

import torch
from foreign_loops import data, network, watched
from torch import nn
from torch.utils.data import DataLoader

from trainctl.engine.watch.watch import Watch


def seconds_of(watch: Watch) -> dict[str, float]:
    """Of each phase that is measured, when the loop is over."""
    return watch._run.desk.phases.so_far()


def test_a_loop_with_a_loader_tells_of_its_batches_and_steps(tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    model = network()
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    watch = begin(opt)
    for _ in range(20):
        for x, y in DataLoader(data(), batch_size=64):
            nn.functional.cross_entropy(model(x), y).backward()
            opt.step()
    end()
    told = seconds_of(watch)
    assert set(told) == {"data", "step"} and all(seconds > 0 for seconds in told.values())


def test_a_loop_without_a_loader_tells_of_no_wait(tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    model, (x, y) = network(), data().tensors
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    watch = begin(opt)
    for _ in range(20):
        nn.functional.cross_entropy(model(x), y).backward()
        opt.step()
    end()
    told = seconds_of(watch)
    assert set(told) == {"step"} and told["step"] > 0
