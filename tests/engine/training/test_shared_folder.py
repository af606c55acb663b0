"""Several processes on a shared folder that is slow, forgetful, late, read-only or gone: all end together, in a clear
line or with the run of a quick folder, and what was trained stays.
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rank_runs import run_ranks
from same_run import assert_same_run
from shared_folder import SharedFolder
from toy import ToyTask, reader_of, resolved

from trainctl.engine.config.resolve import Resolved
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.ranks.side_by_side import read_ranks
from trainctl.engine.training.desk import run_writer
from trainctl.engine.training.state.checkpoint import load_checkpoint

EPOCHS, STEPS = 3, 15


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run on a folder with nothing the matter."""
    root = tmp_path_factory.mktemp("quick") / "run"
    assert codes(run_ranks(root, config(), task_type=ToyTask)) == [0, 0]
    return root


def config(**more: Any) -> Resolved:
    return resolved(train={"epochs": EPOCHS, "batch_size": 16}, **more)


def codes(endings: list[dict[str, Any] | None]) -> list[int | None]:
    return [None if ending is None else int(ending["code"]) for ending in endings]


def installed(root: Path, ranks: tuple[int, ...] = (0, 1), **matter: Any) -> Callable[[int], None]:
    def before(rank: int) -> None:
        if rank in ranks:
            SharedFolder(root, **matter).install()

    return before


def warnings_of(root: Path) -> list[str]:
    return [event.data["text"] for event in reader_of(root).events if event.kind is EventKind.WARNING]


def test_a_slow_disk_is_waited_for_at_the_end_while_it_takes_one_thing_after_another(
    tmp_path: Path, quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_writer, "LAST_S", 0.2)  # of about .03 s a call, five or six calls a file
    root = tmp_path / "run"
    endings = run_ranks(root, config(), task_type=ToyTask, before=installed(root, ranks=(0,), delay_s=(0.02, 0.04)))
    assert codes(endings) == [0, 0] and RunPaths(root).summary.exists()
    assert_same_run(quick, root)


@pytest.mark.parametrize("delay_s", [(0.0, 0.02), pytest.param((0.05, 0.5), marks=pytest.mark.slow)])
def test_a_slow_folder_costs_time_and_nothing_else(tmp_path: Path, quick: Path, delay_s: tuple[float, float]) -> None:
    root = tmp_path / "run"
    endings = run_ranks(root, config(), task_type=ToyTask, before=installed(root, delay_s=delay_s))
    assert codes(endings) == [0, 0]
    assert_same_run(quick, root)
    parts = read_ranks(RunPaths(root))
    assert parts is not None and parts.ranks == (0, 1) and len(parts.steps) == STEPS


MANY = [pytest.param(number, marks=pytest.mark.slow) for number in range(1, 60) if number not in (9, 30)]


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("number", [9, 30, *MANY])
def test_an_opening_that_fails_once_costs_no_step(tmp_path: Path, quick: Path, rank: int, number: int) -> None:
    root, how = tmp_path / "run", errno.ESTALE if number % 2 else errno.EIO
    before = installed(root, ranks=(rank,), stale=number, number=how)
    endings = run_ranks(root, config(), task_type=ToyTask, before=before)
    found = codes(endings)
    if found != [0, 0]:
        assert found[0] in (1, 2) and found[1] in (1, 2)
        words = "Stale file handle" if number % 2 else "Input/output error"
        own, other = endings[rank], endings[1 - rank]
        assert own is not None and words in own["reason"], endings
        assert other is not None and other["reason"].startswith(f"rank {rank}" if rank else ("rank 0", "cannot")), (
            endings
        )
        resume = RunPaths(root).meta.exists()
        assert codes(run_ranks(root, config(), task_type=ToyTask, resume=resume)) == [0, 0]
    assert_same_run(quick, root)


def test_files_that_another_machine_sees_late_cost_nothing(tmp_path: Path, quick: Path) -> None:
    root = tmp_path / "run"
    before = installed(root, ranks=(1,), hidden_s=0.3)

    def stop(paths: RunPaths) -> None:
        from trainctl.engine.runs.commands import Verb, send_command

        send_command(paths, Verb.STOP, {})

    assert codes(run_ranks(root, config(), task_type=ToyTask, before=before, on_open=stop)) == [75, 75]
    assert codes(run_ranks(root, config(), task_type=ToyTask, before=before, resume=True)) == [0, 0]
    assert_same_run(quick, root)


@pytest.mark.parametrize("is_resumed", [False, True])
def test_a_rank_that_may_write_nothing_says_so_once_and_trains_along(
    tmp_path: Path, quick: Path, is_resumed: bool
) -> None:
    root = tmp_path / "run"

    def leave(rank: int, step: int) -> None:
        if step == 8:
            raise ValueError("for now")

    if is_resumed:
        assert codes(run_ranks(root, config(), task_type=ToyTask, befall=leave)) == [1, 1]
    before = installed(root, ranks=(1,), is_read_only=True)
    assert codes(run_ranks(root, config(), task_type=ToyTask, before=before, resume=is_resumed)) == [0, 0]
    assert_same_run(quick, root)
    (warning,) = warnings_of(root)
    assert warning.startswith("rank 1: read-only file system") and warning.endswith("is not recorded")


def test_records_of_ranks_that_have_no_place_cost_nothing_else(tmp_path: Path, quick: Path) -> None:
    root = tmp_path / "run"
    root.mkdir()
    (root / "ranks").write_text("no folder")
    assert codes(run_ranks(root, config(), task_type=ToyTask)) == [0, 0]
    assert_same_run(quick, root)
    assert [warning.partition(":")[0] for warning in warnings_of(root)] == ["rank 0", "rank 1"]
    assert read_ranks(RunPaths(root)) is None


def losing(root: Path, back_after_s: float | None) -> Callable[[int, int], None]:
    def lose(rank: int, step: int) -> None:
        if (rank, step) == (1, 7):
            root.rename(root.with_name("elsewhere"))
            if back_after_s is not None:
                threading.Timer(back_after_s, lambda: root.with_name("elsewhere").rename(root)).start()

    return lose


def test_a_folder_that_comes_back_has_the_whole_run(tmp_path: Path, quick: Path) -> None:
    root = tmp_path / "run"
    assert codes(run_ranks(root, config(), task_type=ToyTask, befall=losing(root, 0.2))) == [0, 0]
    assert_same_run(quick, root)


def test_a_folder_that_stays_away_ends_all_in_a_line_and_what_it_held_goes_on(
    tmp_path: Path, quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_writer, "GONE_S", 0.2)
    root, began = tmp_path / "run", time.monotonic()
    endings = run_ranks(root, config(), task_type=ToyTask, befall=losing(root, None))
    assert codes(endings) == [2, 1] and time.monotonic() - began < 60
    first, second = endings
    assert first is not None and "its folder is gone" in first["reason"]
    assert second is not None and second["reason"].startswith("rank 0")
    kept = root.with_name("elsewhere")
    assert not root.exists() and load_checkpoint(RunPaths(kept).latest)["about"]["step"] == 5
    assert codes(run_ranks(kept, config(), task_type=ToyTask, resume=True)) == [0, 0]
    assert_same_run(quick, kept)
