"""A rank that comes late, or goes before the first step or after it: what the others do, and what the resume is."""

from __future__ import annotations

import multiprocessing
import random
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from rank_runs import kill_self, run_ranks
from same_run import assert_same_run, same
from toy import ToyTask, reader_of, resolved

from trainctl.engine.data.batch import Splits
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.training.desk.control import WARNINGS, Signals
from trainctl.engine.training.loop.keeping import Keeping
from trainctl.engine.training.ranks import meeting
from trainctl.engine.training.state.checkpoint import load_checkpoint
from trainctl.engine.training.state.ranks import draw_for_step
from trainctl.engine.training.state.state import Progress, TrainState

CONFIG: dict[str, Any] = {"train": {"epochs": 3, "batch_size": 16}}
OWN = {"rank": -1}
"""Which rank this process is, once it was told."""


def remember(rank: int) -> None:
    OWN["rank"] = rank


def codes(endings: list[dict[str, Any] | None]) -> list[int | None]:
    return [None if ending is None else int(ending["code"]) for ending in endings]


def hit_while_loading(number: signal.Signals, victim: int) -> type[ToyTask]:
    class Hit(ToyTask):
        def load(self) -> Splits:
            if OWN["rank"] == victim:
                kill_self(number)
            return super().load()

    return Hit


@pytest.mark.parametrize("late", [0, 1])
def test_a_rank_that_comes_late_is_waited_for(tmp_path: Path, late: int) -> None:
    is_missed = multiprocessing.get_context("fork").Event()

    def before(rank: int) -> None:
        if rank == late:
            assert is_missed.wait(60)
            return
        name = "_wait_for_host" if late == 0 else "_wait_for_all"
        original: Callable[..., None] = getattr(meeting, name)

        def waiting(*given: Any) -> None:
            is_missed.set()
            original(*given)

        setattr(meeting, name, waiting)

    assert codes(run_ranks(tmp_path / "run", resolved(**CONFIG), task_type=ToyTask, before=before)) == [0, 0]


def test_a_rank_that_never_comes_is_named_and_nothing_was_begun(tmp_path: Path) -> None:
    def before(rank: int) -> None:
        if rank == 1:
            kill_self(signal.SIGKILL)

    config = resolved(**CONFIG, ranks={"timeout_s": 1.0})
    first, second = run_ranks(tmp_path / "run", config, task_type=ToyTask, before=before)
    assert second is None and first is not None and first["code"] == 1
    assert first["reason"].startswith("1 of 2 processes did not come in time: rank 1")
    assert not RunPaths(tmp_path / "run").meta.exists()


def test_a_rank_that_goes_when_all_have_come_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def before(rank: int) -> None:
        if rank == 1:
            monkeypatch.setattr(meeting.dist, "init_process_group", lambda *given, **named: kill_self(signal.SIGKILL))

    config = resolved(**CONFIG, ranks={"timeout_s": 1.0})
    first, second = run_ranks(tmp_path / "run", config, task_type=ToyTask, before=before)
    assert second is None and first is not None and first["code"] == 1
    assert first["reason"].startswith("rank 1 is gone") and first["reason"].endswith("before the first step")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("victim", [0, 1])
def test_a_rank_that_is_ended_while_it_loads_ends_the_others(
    tmp_path: Path, number: signal.Signals, victim: int
) -> None:
    task = hit_while_loading(number, victim)
    endings = run_ranks(tmp_path / "run", resolved(**CONFIG), task_type=task, before=remember)
    assert endings.pop(victim) is None
    (left,) = endings
    assert left is not None and left["code"] == 1 and left["seconds"] < 30
    said = [f"rank {victim}: received SIGTERM, before"] if number == signal.SIGTERM else []
    if number == signal.SIGKILL or victim == 0:  # who leads keeps the place where last words are left
        said.append(f"rank {victim} is gone")
    assert left["reason"].startswith(tuple(said)) and left["reason"].endswith("before the first step")
    assert not RunPaths(tmp_path / "run").meta.exists()


def test_a_warning_while_a_rank_loads_ends_all_after_the_first_step(tmp_path: Path) -> None:
    task = hit_while_loading(signal.SIGUSR1, 1)
    endings = run_ranks(tmp_path / "run", resolved(**CONFIG), task_type=task, before=remember)
    assert [ending and (ending["code"], ending["reason"]) for ending in endings] == [(75, "received SIGUSR1")] * 2


@pytest.mark.parametrize("is_sharded", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_run_of_which_a_rank_was_killed_goes_on_as_the_uninterrupted_one(tmp_path: Path, is_sharded: bool) -> None:
    """With dropout, augmentation and BatchNorm: the leading rank saves alone, amid a step that never ends."""
    whole, parted, config = tmp_path / "whole", tmp_path / "parted", resolved(**CONFIG, ranks={"shard": is_sharded})

    def kill(rank: int, step: int) -> None:
        if (rank, step) == (1, 8):
            kill_self(signal.SIGKILL)

    assert codes(run_ranks(whole, config, task_type=ToyTask)) == [0, 0]
    assert codes(run_ranks(parted, config, task_type=ToyTask, befall=kill)) == [1, None]
    assert codes(run_ranks(parted, config, task_type=ToyTask, resume=True)) == [0, 0]
    assert_same_run(whole, parted)


def test_a_resume_of_many_ranks_adds_up_their_gradients_in_the_order_of_the_uninterrupted_run(tmp_path: Path) -> None:
    """Of two numbers the sum is the same in any order, of three it is not."""
    whole, parted, config = tmp_path / "whole", tmp_path / "parted", resolved(**CONFIG)

    def warn(rank: int, step: int) -> None:
        if (rank, step) == (2, 7):
            kill_self(signal.SIGUSR1)

    assert codes(run_ranks(whole, config, size=3, task_type=ToyTask)) == [0] * 3
    assert codes(run_ranks(parted, config, size=3, task_type=ToyTask, befall=warn)) == [75] * 3
    assert codes(run_ranks(parted, config, size=3, task_type=ToyTask, resume=True)) == [0] * 3
    assert_same_run(whole, parted)


def test_a_rank_that_is_killed_while_it_validates_in_parts_is_named(tmp_path: Path) -> None:
    def kill(rank: int, step: int) -> None:
        if (rank, step) == (1, 0):
            kill_self(signal.SIGKILL)

    config = resolved(**CONFIG, ranks={"shard": True})
    first, second = run_ranks(tmp_path / "run", config, task_type=ToyTask, befall=kill)
    assert second is None and first is not None and first["reason"].startswith("rank 1 is gone")


def test_a_rank_that_is_killed_after_the_last_validation_costs_no_second_one(tmp_path: Path) -> None:
    whole, parted, config = tmp_path / "whole", tmp_path / "parted", resolved(**CONFIG)

    def before(rank: int) -> None:
        if rank == 1:
            original = Keeping.save

            def save(self: Keeping, which: str, *, must: bool = False, **more: Any) -> bool:
                if must:
                    kill_self(signal.SIGKILL)
                return original(self, which, must=must, **more)

            Keeping.save = save

    assert codes(run_ranks(whole, config, task_type=ToyTask)) == [0, 0]
    assert codes(run_ranks(parted, config, task_type=ToyTask, before=before)) == [1, None]
    assert codes(run_ranks(parted, config, task_type=ToyTask, resume=True)) == [0, 0]
    assert_same_run(whole, parted)
    told = [
        [event.data["raw"] for event in reader_of(root).events if event.kind is EventKind.VALIDATION]
        for root in (whole, parted)
    ]
    assert told[0] == told[1] and len(told[0]) == 3


def test_the_best_is_kept_where_a_rank_is_killed_while_it_is_written(tmp_path: Path) -> None:
    whole, parted, config = tmp_path / "whole", tmp_path / "parted", resolved(train={"epochs": 1, "batch_size": 16})

    def before(rank: int) -> None:
        if rank == 1:
            original = Keeping.save

            def save(self: Keeping, which: str, **more: Any) -> bool:
                if which == "best":
                    kill_self(signal.SIGKILL)
                return original(self, which, **more)

            Keeping.save = save

    assert codes(run_ranks(whole, config, task_type=ToyTask)) == [0, 0]
    assert codes(run_ranks(parted, config, task_type=ToyTask, before=before)) == [1, None]
    assert codes(run_ranks(parted, config, task_type=ToyTask, resume=True)) == [0, 0]
    one, two = (load_checkpoint(RunPaths(root).best) for root in (whole, parted))
    assert same(one["state"]["model"], two["state"]["model"]) and one["about"]["step"] == two["about"]["step"] == 5
    assert_same_run(whole, parted)


def test_a_warning_that_comes_when_all_is_done_is_held_back_as_before_it_began() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, WARNINGS)
    try:
        with Signals():
            assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & set(WARNINGS)
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) >= set(WARNINGS)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_each_rank_draws_its_own_at_each_step_whatever_was_drawn_before() -> None:
    def drawn(step: int, rank: int) -> tuple[float, ...]:
        state = cast("TrainState", SimpleNamespace(progress=Progress(step=step), generator=torch.Generator()))
        draw_for_step(state, 7, rank)
        augmentation = torch.rand((), generator=state.generator)
        return (random.random(), float(np.random.rand()), float(torch.rand(())), float(augmentation))

    found = {(step, rank): drawn(step, rank) for step in (0, 1) for rank in (0, 1, 2)}
    assert len({number for numbers in found.values() for number in numbers}) == 24
    assert all(drawn(*place) == numbers for place, numbers in found.items())
