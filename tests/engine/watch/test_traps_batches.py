"""Which batch a step was about, and in which epoch, whatever loops do with their loaders."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from foreign_loops import data, network, records_of, watched
from torch import nn
from torch.utils.data import DataLoader


class HeldBack(DataLoader[Any]):
    """Gives a batch when it has the next one, as Accelerate's loaders do to know which is the last."""

    def __iter__(self) -> Iterator[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        ahead = None
        for batch in super().__iter__():
            if ahead is not None:
                yield ahead
            ahead = batch
        yield ahead


def training() -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = network()
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def step(model: nn.Module, opt: torch.optim.Optimizer, *batches: Any) -> list[int]:
    """One step; returns how many samples of each class it had."""
    opt.zero_grad()
    for x, y in batches:
        nn.functional.cross_entropy(model(x), y).backward()
    opt.step()
    return np.bincount(torch.cat([y for _, y in batches]), minlength=2).tolist()


def test_a_loader_that_is_made_anew_each_epoch_counts_epochs(tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    model, opt = training()
    begin(opt)
    samples = data()
    for _ in range(3):
        for batch in DataLoader(samples, batch_size=32, shuffle=True):
            step(model, opt, batch)
    paths = end()
    assert records_of(paths)["epoch"].tolist() == [1] * 4 + [2] * 4 + [3] * 4
    assert json.loads(paths.meta.read_text())["watched"]["loader"]["order"] == "shuffled"
    gc.collect()
    held = [found for found in gc.get_objects() if type(found) is DataLoader and found.dataset is samples]
    assert len(held) == 1, "but for the newest they are gone"


def test_a_look_at_a_batch_and_a_validation_are_no_epochs(tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    model, opt = training()
    begin(opt)
    loader, held_out = DataLoader(data(), batch_size=64), DataLoader(data(), batch_size=64)
    next(iter(loader))
    for _ in range(2):
        for batch in loader:
            step(model, opt, batch)
        for x, _ in (*loader, *held_out):
            model(x)
    assert records_of(end())["epoch"].tolist() == [1, 1, 2, 2]


def test_a_second_training_on_the_same_loader_begins_with_its_first_epoch(tmp_path: Path) -> None:
    loader = DataLoader(data(), batch_size=64)
    for _ in range(2):
        begin, end = watched(tmp_path)
        model, opt = training()
        begin(opt)
        for _ in range(2):
            for batch in loader:
                step(model, opt, batch)
        assert records_of(end())["epoch"].tolist() == [1, 1, 2, 2]


def test_batches_that_are_held_back_are_counted_with_their_own_step(tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    model, opt = training()
    begin(opt)
    loader, held_out = HeldBack(data(72), batch_size=16, shuffle=True), HeldBack(data(), batch_size=64)
    classes: list[list[int]] = []
    for _ in range(2):
        for number, batch in enumerate(loader):
            if number in (2, 4):  # in the middle, and before the last one, which nothing is fetched for any more
                for x, _ in held_out:
                    model(x)
            classes.append(step(model, opt, batch))
    records = records_of(end())
    assert records["batch_size"].tolist() == [16, 16, 16, 16, 8] * 2
    assert records["classes"].tolist() == classes
    assert records["epoch"].tolist() == [1] * 5 + [2] * 5


def test_batches_that_are_fetched_together_are_all_counted(tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    model, opt = training()
    begin(opt)
    fetched = iter(DataLoader(data(), batch_size=8, shuffle=True))
    classes = [step(model, opt, *islice(fetched, 4)) for _ in range(4)]
    records = records_of(end())
    assert (records["batch_size"] == 32).all()
    assert records["classes"].tolist() == classes


def test_a_batch_that_is_left_out_is_not_counted(tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    model, opt = training()
    begin(opt)
    classes = [
        step(model, opt, batch)
        for number, batch in enumerate(DataLoader(data(), batch_size=8, shuffle=True))
        if number % 3
    ]
    assert records_of(end())["classes"].tolist() == classes
