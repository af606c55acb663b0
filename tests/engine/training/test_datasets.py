"""Data that are read sample by sample: one run whatever the workers, resumed exactly, ended in good order."""

from __future__ import annotations

import multiprocessing
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from same_run import OPTIONS, assert_same_run
from torch.utils.data import Dataset
from toy import NUM_CLASSES, NUM_TRAIN, NUM_VAL, ToyTask, reader_of, resolved, run_toy

from trainctl.engine.data.batch import Split, Splits
from trainctl.engine.data.feed import Feed
from trainctl.engine.data.reading import Samples
from trainctl.engine.errors import ExitCode, UserError
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.training.evaluate import chosen_split

CPU = torch.device("cpu")


class Blobs(Dataset[Any]):
    """Samples made when they are asked for, with noise from all three sources people use."""

    def __init__(self, count: int) -> None:
        self.count, self.targets = count, [index % NUM_CLASSES for index in range(count)]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        x = torch.full((8,), float(self.targets[index])) + torch.randn(8) + random.random() + np.random.rand()
        return {"x": x.double(), "y": self.targets[index]}


class Pairs(Blobs):
    def __getitem__(self, index: int) -> Any:
        sample = super().__getitem__(index)
        return sample["x"], sample["y"]


class Ragged(Blobs):
    def __getitem__(self, index: int) -> Any:
        return {"x": torch.ones(1 + index % 2), "y": 0}


class Lacking(Blobs):
    def __getitem__(self, index: int) -> Any:
        sample = super().__getitem__(index)
        return sample if index % 2 == 0 else {"x": sample["x"]}


class WithGraph(Blobs):
    def __getitem__(self, index: int) -> Any:
        sample = super().__getitem__(index)
        return {**sample, "x": sample["x"].float().requires_grad_()}


class Broken(Blobs):
    def __getitem__(self, index: int) -> Any:
        if index == 80:
            raise OSError("cannot read sample 80")
        return super().__getitem__(index)


class FromDatasets(ToyTask):
    kind: type[Blobs] = Blobs
    fields: tuple[str, ...] = ()

    def load(self) -> Splits:
        train, val = (Split(dataset=self.kind(count), fields=self.fields) for count in (NUM_TRAIN, NUM_VAL))
        return Splits(train, val, classes=("a", "b", "c"))


class FromPairs(FromDatasets):
    kind, fields = Pairs, ("x", "y")


def config(workers: int, **more: Any) -> Any:
    return resolved(**{**OPTIONS, "train": {"epochs": 3, "batch_size": 16, "workers": workers}, **more})


def test_the_number_of_workers_changes_nothing(tmp_path: Path) -> None:
    for workers in (0, 2):
        run_toy(tmp_path / str(workers), config(workers), task_type=FromDatasets)
    assert_same_run(tmp_path / "0", tmp_path / "2")
    records = reader_of(tmp_path / "0").steps.all()
    assert (records["classes"].sum(1) == 16).all()  # the labels are those that the Dataset names itself
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_resume_draws_the_samples_that_the_whole_run_drew(tmp_path: Path, workers: int) -> None:
    run_toy(tmp_path / "whole", config(0), task_type=FromPairs)
    assert run_toy(tmp_path / "parts", config(workers), task_type=FromPairs, signal_at=7).code == ExitCode.TERMINATED
    run_toy(tmp_path / "parts", config(workers), task_type=FromPairs, resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_what_is_random_differs_between_epochs_and_not_between_validations() -> None:
    split = Split(dataset=Blobs(12))
    for workers in (0, 1):
        feed, order = Feed(split, CPU, workers, seed=5), [torch.arange(4)]
        first, again, next_epoch = (next(iter(feed.batches(order, draw)))["x"] for draw in (1, 1, 2))
        assert torch.equal(first, again)
        assert not torch.equal(first, next_epoch)
        assert not torch.equal(first, next(iter(Feed(split, CPU, workers, seed=6).batches(order, 1)))["x"])
        one, other = (torch.cat([batch["x"] for batch in feed.slices(5)]) for _ in range(2))
        assert torch.equal(one, other)
        assert one.shape == (12, 8)
        assert one.dtype == torch.float32


def test_reading_leaves_the_random_numbers_of_the_run_alone() -> None:
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)
    feed = Feed(Split(dataset=Blobs(12)), CPU, 0)
    expected = torch.get_rng_state().clone(), random.getstate()
    numpy_before = np.random.get_state()[1]  # pyright: ignore[reportArgumentType, reportCallIssue, reportIndexIssue]
    list(feed.slices(4))
    assert torch.equal(torch.get_rng_state(), expected[0])
    assert random.getstate() == expected[1]
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_before)  # pyright: ignore


def test_samples_without_names_are_one_line_before_there_is_a_run(tmp_path: Path) -> None:
    class Nameless(FromPairs):
        fields: tuple[str, ...] = ()

    with pytest.raises(UserError, match=r"a sample of Pairs has 2 parts without names.*fields=\('x', 'y'\)"):
        run_toy(tmp_path / "run", config(0), task_type=Nameless)
    assert not RunPaths(tmp_path / "run").meta.exists()


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("samples", "said"),
    [(Ragged, "the samples of a batch do not fit together"), (Lacking, "a sample of a batch lacks 'y'")],
)
def test_samples_that_do_not_fit_together_are_one_line(
    tmp_path: Path, workers: int, samples: type[Blobs], said: str
) -> None:
    class Unequal(FromDatasets):
        kind = samples

    with pytest.raises(UserError, match=said):
        run_toy(tmp_path / "run", config(workers), task_type=Unequal)


def test_samples_with_a_graph_are_read_without_it_by_workers_too(tmp_path: Path) -> None:
    class Graphs(FromDatasets):
        kind = WithGraph

    codes = [run_toy(tmp_path / str(workers), config(workers), task_type=Graphs).code for workers in (0, 1)]
    assert codes == [ExitCode.OK] * 2


def test_a_sample_that_cannot_be_read_fails_the_run_and_keeps_what_it_has(tmp_path: Path, capsys: Any) -> None:
    class Breaking(FromDatasets):
        kind = Broken

    ending = run_toy(tmp_path / "run", config(1), task_type=Breaking)
    assert ending.code == ExitCode.RUN_FAILED
    assert "cannot read sample 80" in ending.reason + capsys.readouterr().err
    assert not multiprocessing.active_children()


def test_all_of_the_data_is_both_parts_one_after_the_other() -> None:
    splits = FromPairs(resolved().config).load()
    whole = chosen_split(splits, "all")
    assert len(whole) == NUM_TRAIN + NUM_VAL
    assert whole.labels is not None
    assert set(whole.at(torch.tensor([0, NUM_TRAIN]))) == {"x", "y"}
    torch.testing.assert_close(Samples(Blobs(3)).batch(torch.tensor([1]))["y"], torch.tensor([1]))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the kernel for it")
def test_workers_go_with_a_loop_that_is_killed(tmp_path: Path) -> None:
    """Also from the middle of a sample that takes for ever."""
    (tmp_path / "stuck.py").write_text(
        "import os, pathlib, time\n"
        "import torch\n"
        "from trainctl.engine.data.reading import Samples, Workers\n"
        "class Stuck:\n"
        "    def __len__(self): return 4\n"
        "    def __getitem__(self, index):\n"
        "        pathlib.Path(f'{os.getpid()}.pid').touch()\n"
        "        time.sleep(600)\n"
        "workers = Workers(Samples(Stuck()), 2, pinned=False)\n"
        "next(iter(workers.batches([torch.tensor([0]), torch.tensor([1])], 0)))\n"
    )
    loop = subprocess.Popen([sys.executable, "stuck.py"], cwd=tmp_path)
    assert until(lambda: len([*tmp_path.glob("*.pid")]) == 2), "both read"
    workers = [int(path.stem) for path in tmp_path.glob("*.pid")]
    loop.kill()
    loop.wait()
    assert until(lambda: not any(map(is_running, workers)))


def until(holds: Callable[[], bool], seconds: float = 60) -> bool:
    """Wait for something; whether it came."""
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    return holds()


def is_running(pid: int) -> bool:
    """Whether a process is there, and no mere entry that nobody has waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("length", [-1, 2.5, "three"])
def test_a_length_that_is_no_count_is_one_line(tmp_path: Path, length: Any) -> None:
    class Endless(Blobs):
        def __len__(self) -> int:
            return length

    class FromEndless(FromDatasets):
        def load(self) -> Splits:
            return Splits(*(Split(dataset=Endless(3)) for _ in range(2)), classes=("a", "b", "c"))

    with pytest.raises(UserError, match=r"the Dataset of the train split has no length: .*; define __len__"):
        run_toy(tmp_path / "run", config(0), task_type=FromEndless)
