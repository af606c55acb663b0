"""A checkpoint that each of several ranks writes its part of: the run of one file, whatever befalls, and nothing runs
that lies in it."""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed.checkpoint  # once here, not in every process
from parted_runs import SHORT, assert_same, folders, in_parts, losses, state_of, step_of, texts, whole
from rank_runs import PlainToy, codes, kill_self, run_ranks, stop_at
from sharded_toys import BlocksToy
from toy import ToyTask, resolved, run_toy

from trainctl.engine.ranks import present_ranks
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.tasks.task import Task
from trainctl.engine.training.state import parts_files, saving_in_parts
from trainctl.engine.training.state.checkpoint import load_checkpoint, load_rest

assert torch.distributed.checkpoint


@pytest.mark.parametrize("task_type", [ToyTask, BlocksToy])
def test_a_resume_with_as_many_ranks_is_the_uninterrupted_run(tmp_path: Path, task_type: type[Task]) -> None:
    straight, parted = tmp_path / "straight", tmp_path / "parted"
    run_ranks(straight, whole(shard=True), task_type=task_type)
    assert codes(run_ranks(parted, in_parts(), task_type=task_type, befall=stop_at(7))) == [143, 143]
    assert codes(run_ranks(parted, in_parts(), task_type=task_type, resume=True)) == [0, 0]
    np.testing.assert_array_equal(losses(straight), losses(parted))
    for which in ("latest", "best"):
        one, two = (getattr(RunPaths(root), which) for root in (straight, parted))
        assert_same(state_of(one), state_of(two))
        assert load_checkpoint(one)["about"] == load_checkpoint(two)["about"]


def test_each_rank_writes_its_rows_and_the_file_holds_the_rest(tmp_path: Path) -> None:
    run_ranks(tmp_path / "run", in_parts())
    paths = RunPaths(tmp_path / "run")
    for path in (paths.latest, paths.best):
        (only,) = folders(paths.root, path.stem)
        rest = load_rest(path)
        assert rest["parts"]["folder"] == f"{path.stem}.parts/{only}"
        assert only.startswith(f"{rest['about']['step']}-")
        assert set(rest["state"]["model"].values()) == {None} == set(rest["state"]["ema"]["module"].values())
        written = {file.name for file in (paths.root / f"{path.stem}.parts" / only).iterdir()}
        assert written == {".metadata", "__0_0.distcp", "__1_0.distcp"}
        sizes = [size for size, _ in rest["parts"]["files"].values()]
        assert max(sizes) < 1.2 * min(sizes)
        assert {"model.0.weight", "ema.module.2.bias", "optimizer.state.0.exp_avg"} < rest["parts"]["tensors"].keys()
    assert not [path for path in paths.root.iterdir() if path.name.endswith(".tmp")]


@pytest.mark.parametrize(
    ("before", "after", "size"),
    [
        (2, {"shard": False}, 1),
        (2, {"shard": True, "checkpoint": "parts"}, 1),
        (2, {"shard": False}, 2),
        (2, {"shard": True}, 2),
        pytest.param(2, {"shard": True, "checkpoint": "parts"}, 3, marks=pytest.mark.slow),
        pytest.param(2, {"shard": True, "checkpoint": "parts"}, 4, marks=pytest.mark.slow),
        pytest.param(4, {"shard": True, "checkpoint": "parts"}, 2, marks=pytest.mark.slow),
        pytest.param(4, {"shard": True, "checkpoint": "parts"}, 8, marks=pytest.mark.slow),
    ],
)
def test_a_run_goes_on_in_parts_or_whole_with_any_number_of_ranks(
    tmp_path: Path, before: int, after: dict[str, Any], size: int
) -> None:
    alone, moved = tmp_path / "alone", tmp_path / "moved"
    run_toy(alone, resolved(**SHORT), task_type=PlainToy)
    assert codes(run_ranks(moved, in_parts(), size=before, befall=stop_at(7))) == [143] * before
    if size == 1:
        run_toy(moved, whole(**after), task_type=PlainToy, resume=True)
    else:
        assert codes(run_ranks(moved, whole(**after), size=size, resume=True)) == [0] * size
    np.testing.assert_allclose(losses(alone), losses(moved), rtol=2e-5)
    if size == 1 or "checkpoint" not in after:
        assert not (moved / "latest_model.parts").exists(), "nothing of before is left behind"
        assert "parts" not in load_rest(RunPaths(moved).latest)


def test_a_run_with_whole_checkpoints_goes_on_with_parts(tmp_path: Path) -> None:
    alone, moved = tmp_path / "alone", tmp_path / "moved"
    run_toy(alone, resolved(**SHORT), task_type=PlainToy)
    run_ranks(moved, whole(shard=True), befall=stop_at(7))
    assert codes(run_ranks(moved, in_parts(), resume=True)) == [0, 0]
    np.testing.assert_allclose(losses(alone), losses(moved), rtol=2e-5)
    assert "parts" in load_rest(RunPaths(moved).latest)


def when_saved(count: int, do: Any) -> Any:
    """What commits a checkpoint, and does something else at its `count`-th time."""
    commit, calls = saving_in_parts.save_checkpoint, iter(range(1, 1000))

    def save(*given: Any) -> None:
        if next(calls) == count:
            do()
        commit(*given)

    return save


def test_a_kill_before_the_new_one_counts_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    straight, root = tmp_path / "straight", tmp_path / "run"
    run_ranks(straight, in_parts())
    monkeypatch.setattr(saving_in_parts, "save_checkpoint", when_saved(3, lambda: kill_self(signal.SIGKILL)))
    first, second = run_ranks(root, in_parts())
    assert first is None and second is not None and second["reason"].startswith("rank 0 is gone")
    monkeypatch.undo()
    paths = RunPaths(root)
    assert len(folders(root)) + len(folders(root, "best_model")) == 3, "one is torn"
    assert load_checkpoint(paths.latest)["about"]["step"] == 5 == step_of(paths.latest)
    assert codes(run_ranks(root, in_parts(), resume=True)) == [0, 0]
    np.testing.assert_array_equal(losses(straight), losses(root))
    assert [len(folders(root, name)) for name in ("latest_model", "best_model")] == [1, 1]


def test_a_kill_before_the_old_one_is_removed_leaves_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "run"
    calls = iter(range(1, 1000))

    def forget(path: Path, keep: str = "") -> None:
        if path.stem == "latest_model" and next(calls) == 2:
            kill_self(signal.SIGKILL)

    monkeypatch.setattr(saving_in_parts, "forget_parts", forget)
    run_ranks(root, in_parts())
    monkeypatch.undo()
    assert len(folders(root)) == 2
    step = step_of(RunPaths(root).latest)
    assert step == 10
    assert codes(run_ranks(root, in_parts(), resume=True)) == [0, 0]
    assert len(folders(root)) == 1


def test_a_rank_that_is_killed_when_the_new_one_counts_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, commit, calls = tmp_path / "run", saving_in_parts.save_checkpoint, iter(range(1, 1000))

    def note(rank: int, step: int) -> None:
        (tmp_path / f"pid{rank}").write_text(str(os.getpid()))

    def save(*given: Any) -> None:
        commit(*given)
        if next(calls) == 4:
            os.kill(int((tmp_path / "pid1").read_text()), signal.SIGKILL)
            time.sleep(0.2)

    monkeypatch.setattr(saving_in_parts, "save_checkpoint", save)
    first, second = run_ranks(root, in_parts(), befall=note)
    assert second is None and first is not None and first["reason"].startswith("rank 1 is gone")
    monkeypatch.undo()
    steps = [load_checkpoint(path)["about"]["step"] for path in (RunPaths(root).latest, RunPaths(root).best)]
    assert max(steps) > 5, "the fourth counts"
    assert codes(run_ranks(root, in_parts(), resume=True)) == [0, 0]


class Dying(parts_files.Written):
    """Rank 1 is killed while it writes its third file."""

    files = 0

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        type(self).files += 1
        if present_ranks().rank == 1 and type(self).files == 3:
            kill_self(signal.SIGKILL)


def test_a_rank_that_is_killed_while_it_writes_costs_the_checkpoint_that_was_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "run"
    monkeypatch.setattr(parts_files, "Written", Dying)
    first, second = run_ranks(root, in_parts())
    assert second is None and first is not None and first["reason"].startswith("rank 1 is gone")
    assert first["seconds"] < 30
    monkeypatch.undo()
    assert load_checkpoint(RunPaths(root).latest)["about"]["step"] == 5
    assert codes(run_ranks(root, in_parts(), resume=True)) == [0, 0]
    assert [len(folders(root, name)) for name in ("latest_model", "best_model")] == [1, 1]


class Refusing(parts_files.Written):
    """A disk that takes no more from rank 1."""

    number, times = errno.ENOSPC, 1000
    files = 0
    """Begun by this rank; the first two are whole."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        type(self).files += path.suffix == ".distcp"

    def write(self, data: Any, /) -> int:
        cls = type(self)
        if present_ranks().rank == 1 and 2 < cls.files <= 2 + cls.times:
            self.refusal = OSError(cls.number, os.strerror(cls.number))
            raise self.refusal
        return super().write(data)


def test_a_disk_that_is_full_for_one_rank_ends_all_and_the_checkpoint_before_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts_files, "Written", Refusing)
    endings = run_ranks(tmp_path / "run", in_parts())
    assert codes(endings) == [2, 2]
    assert all(ending is not None and "disk full" in ending["reason"] and ending["seconds"] < 30 for ending in endings)
    root = tmp_path / "run"
    step = step_of(RunPaths(root).latest)
    assert step == 5 and len(folders(root)) == 1, "of the first epoch; what was begun is gone"
    monkeypatch.undo()
    assert codes(run_ranks(root, in_parts(), resume=True)) == [0, 0]


@pytest.mark.parametrize("times", [2, 4])
def test_a_disk_that_fails_for_a_while_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    class Failing(Refusing):
        number = errno.EIO

    Failing.times = times
    monkeypatch.setattr(parts_files, "Written", Failing)
    assert codes(run_ranks(tmp_path / "run", in_parts())) == [0, 0]
    warnings = texts(tmp_path / "run", EventKind.WARNING)
    assert len(warnings) == (times == 4)
    assert all("no latest checkpoint at step 10" in text and "tried again" in text for text in warnings)
    assert load_checkpoint(RunPaths(tmp_path / "run").latest)["about"]["step"] == 15


def test_a_rank_that_sees_another_disk_ends_all_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_files, "PATIENCE_S", 0.2)
    monkeypatch.setattr(parts_files, "is_folder", lambda *_, **__: present_ranks().rank != 1)
    endings = run_ranks(tmp_path / "run", in_parts())
    assert codes(endings) == [2, 2]
    for ending in endings:
        assert ending is not None and "rank 1 does not see what the others write there" in ending["reason"]
    assert not folders(tmp_path / "run", "best_model") and not RunPaths(tmp_path / "run").latest.exists()


def test_a_shared_folder_may_be_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter(range(1000))
    monkeypatch.setattr(parts_files, "is_folder", lambda *_, **__: next(looks) % 3 == 2)
    monkeypatch.setattr(saving_in_parts, "is_file", lambda *_: next(looks) % 5 > 2)
    assert codes(run_ranks(tmp_path / "run", in_parts())) == [0, 0]
    assert texts(tmp_path / "run", EventKind.WARNING) == []
    assert load_checkpoint(RunPaths(tmp_path / "run").latest)["about"]["step"] == 15
