"""What is deleted, and what never is."""

from __future__ import annotations

from pathlib import Path

import pytest
from sample_run_directories import NAME, SampleRun

from trainctl.engine.errors import UserError
from trainctl.engine.runs.folder.removal import delete_run, removal
from trainctl.engine.runs.lock import LOCK_NAME, RunLock
from trainctl.engine.runs.states import RunState


def over(root: Path, name: str = NAME, state: RunState = RunState.FINISHED) -> SampleRun:
    run = SampleRun(root, name)
    run.end(state)
    return run


def test_it_is_said_how_much_would_go_and_what_of_it_is_not_ours(tmp_path: Path):
    run = over(tmp_path)
    (run.paths.root / "notes").mkdir()
    (run.paths.root / "notes" / "a.txt").write_text("12345")
    run.paths.latest.write_bytes(b"w" * 1000)
    before = removal(tmp_path, NAME)
    (run.paths.root / "notes" / "b.txt").write_text("123")
    what = removal(tmp_path, NAME)
    assert what.strange == ("notes",)
    assert (what.num_files - before.num_files, what.num_bytes - before.num_bytes) == (1, 3)
    assert run.paths.root.is_dir()


def test_a_deleted_run_is_gone_whole_and_nothing_else_is(tmp_path: Path):
    over(tmp_path)
    other = over(tmp_path, "20260102-120000-eyes-b-00bb")
    delete_run(tmp_path, NAME)
    assert sorted(path.name for path in tmp_path.iterdir()) == [other.paths.root.name]
    assert other.paths.summary.is_file()


def test_the_link_to_the_newest_run_does_not_dangle(tmp_path: Path):
    over(tmp_path)
    (tmp_path / "latest").symlink_to(NAME)
    delete_run(tmp_path, NAME)
    assert not (tmp_path / "latest").is_symlink()


def test_no_link_is_followed_out_of_the_folder(tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    runs = tmp_path / "runs"
    run = over(runs)
    (run.paths.root / "data").symlink_to(outside, target_is_directory=True)
    (run.paths.root / "file").symlink_to(outside / "precious")
    delete_run(runs, NAME)
    assert (outside / "precious").read_text() == "x"


@pytest.mark.parametrize("state", [RunState.RUNNING, RunState.PAUSED, RunState.STARTING, RunState.VALIDATING])
def test_a_run_whose_process_is_there_is_refused(tmp_path: Path, state: RunState):
    SampleRun(tmp_path).beat(state)
    with pytest.raises(UserError, match="stop it first"):
        delete_run(tmp_path, NAME)


def test_a_run_that_fell_silent_is_refused_and_one_that_crashed_is_not(tmp_path: Path):
    run = SampleRun(tmp_path)
    run.beat(age_s=60)
    with pytest.raises(UserError, match="its process may be there"):
        delete_run(tmp_path, NAME)
    run.crash()
    delete_run(tmp_path, NAME)
    assert not run.paths.root.exists()


def test_a_run_that_is_just_being_resumed_is_refused(tmp_path: Path):
    run = over(tmp_path)
    with RunLock(run.paths), pytest.raises(UserError, match="is being written"):
        delete_run(tmp_path, NAME)
    assert run.paths.summary.is_file()


def test_a_lock_that_is_a_link_is_not_opened(tmp_path: Path):
    target = tmp_path / "target"
    target.write_text("x")
    run = over(tmp_path / "runs")
    (run.paths.root / LOCK_NAME).unlink(missing_ok=True)
    (run.paths.root / LOCK_NAME).symlink_to(target)
    with pytest.raises(UserError):
        delete_run(tmp_path / "runs", NAME)
    assert target.read_text() == "x"


@pytest.mark.parametrize("name", ["", ".", "..", "../runs", "a/b", "nowhere", "\0", "/etc", "latest", "x" * 300])
def test_only_the_name_of_a_run_in_the_folder_will_do(tmp_path: Path, name: str):
    run = over(tmp_path / "runs")
    (tmp_path / "runs" / "latest").symlink_to(NAME)
    with pytest.raises(UserError):
        delete_run(tmp_path / "runs", name)
    assert run.paths.summary.is_file()


def test_a_folder_that_holds_no_run_is_refused_whatever_it_is_called(tmp_path: Path):
    for name in ("photos", "20260101-120000-photos-00aa"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cat.jpg").write_text("x")
        with pytest.raises(UserError, match="not a run directory"):
            delete_run(tmp_path, name)
        assert (tmp_path / name / "cat.jpg").is_file()
