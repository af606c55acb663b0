"""Runs are made private, found by what one types, and listed even when some are broken."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from sample_runs import NOW, STATUS

from trainctl.engine.errors import UserError
from trainctl.engine.runs.commands import send_command
from trainctl.engine.runs.index import create_run, find_run, list_runs, run_names, runs_root
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Liveness, write_status
from trainctl.engine.runs.summary import Best, Summary, write_summary

NAMES = ("20260101-120000-eyes-baseline-00aa", "20260102-120000-eyes-focal-00bb", "20260103-120000-weld-00cc")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / "runs" / name).mkdir(parents=True)
    return tmp_path / "runs"


def test_the_root_is_the_option_then_the_variable_then_runs():
    assert runs_root(Path("a"), {"TRAINCTL_RUNS_DIR": "b"}) == Path("a")
    assert runs_root(None, {"TRAINCTL_RUNS_DIR": "b"}) == Path("b")
    assert runs_root(None, {"TRAINCTL_RUNS_DIR": ""}) == Path("runs")


def test_a_new_run_is_private_and_latest_points_at_it(tmp_path: Path):
    root = tmp_path / "deep" / "runs"
    old_mask = os.umask(0)
    try:
        first, second = create_run(root, "eyes/baseline"), create_run(root, "eyes/baseline")
    finally:
        os.umask(old_mask)
    assert first.root != second.root
    assert "-eyes-baseline-" in first.root.name
    assert stat.S_IMODE(first.root.stat().st_mode) == 0o700
    assert (root / "latest").readlink() == Path(second.root.name)
    assert find_run(root, "latest") == find_run(root, "last") == second
    assert set(run_names(root)) == {first.root.name, second.root.name}


@pytest.mark.parametrize("preset", ["../../etc", "", "my preset.yaml", "/abs/file.yaml", "ü" * 300])
def test_any_preset_name_makes_a_run_inside_the_root(tmp_path: Path, preset: str):
    paths = create_run(tmp_path, preset)
    assert paths.root.parent == tmp_path
    assert run_names(tmp_path) == [paths.root.name]


def test_something_of_the_users_called_latest_is_left_alone(tmp_path: Path):
    (tmp_path / "latest").write_text("mine")
    paths = create_run(tmp_path, "eyes")
    assert (tmp_path / "latest").read_text() == "mine"
    assert find_run(tmp_path, "latest") == paths


def test_a_dangling_latest_means_the_newest(root: Path):
    (root / "latest").symlink_to("gone")
    assert find_run(root, "latest").root.name == NAMES[2]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_root_that_cannot_be_written_is_said(tmp_path: Path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="no permission"):
        create_run(tmp_path / "runs", "eyes")


def test_a_root_that_is_a_file_is_said(tmp_path: Path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(UserError, match="runs"):
        create_run(tmp_path / "runs", "eyes")


@pytest.mark.parametrize(
    ("ref", "index"),
    [(NAMES[0], 0), ("20260102", 1), ("weld", 2), ("00aa", 0), ("focal", 1)],
)
def test_a_run_is_found_by_name_or_a_unique_part(root: Path, ref: str, index: int):
    assert find_run(root, ref).root == root / NAMES[index]


def test_a_run_is_found_by_path(root: Path, monkeypatch: pytest.MonkeyPatch):
    assert find_run(Path("elsewhere"), str(root / NAMES[0])).root == root / NAMES[0]
    monkeypatch.chdir(root / NAMES[0])
    assert find_run(Path("elsewhere"), ".").root == root / NAMES[0]


@pytest.mark.parametrize(
    ("ref", "says"),
    [
        ("eyes", "2 runs fit 'eyes'"),
        ("2026", "3 runs fit"),
        ("nothing", "no run 'nothing'"),
        ("./nothing", "no such run directory"),
        ("", "3 runs fit"),
    ],
)
def test_a_run_that_is_not_clear_is_explained_with_candidates(root: Path, ref: str, says: str):
    with pytest.raises(UserError, match=says) as caught:
        find_run(root, ref)
    assert caught.value.hint


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path):
    (tmp_path / "data").mkdir()
    with pytest.raises(UserError, match="not a run directory"):
        find_run(tmp_path, str(tmp_path / "data"))


def test_no_runs_yet(tmp_path: Path):
    assert list_runs(tmp_path / "runs") == []
    with pytest.raises(UserError, match="no run in"):
        find_run(tmp_path / "runs", "latest")


def test_the_list_is_newest_first_and_ignores_other_folders(root: Path):
    (root / "data").mkdir()
    (root / "file").write_text("")
    (root / "latest").symlink_to(NAMES[0])
    assert [info.name for info in list_runs(root)] == list(reversed(NAMES))
    assert [info.name for info in list_runs(root, limit=1)] == [NAMES[2]]


def test_a_line_of_the_list_says_what_the_small_files_say(root: Path):
    paths = find_run(root, NAMES[0])
    write_status(paths, STATUS)
    (live,) = [info for info in list_runs(root, now=NOW) if info.name == NAMES[0]]
    assert (live.state, live.liveness, live.step, live.preset) == (
        RunState.RUNNING,
        Liveness.LIVE,
        10,
        "eyes/baseline",
    )
    assert (live.seconds, live.age_s, live.best) == (59.0, 1.0, None)
    write_summary(paths, Summary(RunState.FINISHED, 300, 3, 61.5, 320.0, best=Best("f1", 0.9, 2)))
    (over,) = [info for info in list_runs(root, now=NOW) if info.name == NAMES[0]]
    assert (over.best, over.seconds) == (Best("f1", 0.9, 2), 61.5)


@pytest.mark.parametrize("file", ["status.json", "meta.json", "summary.json"])
@pytest.mark.parametrize("content", ["{", '{"schema": 99}', "[]"])
def test_a_broken_run_is_listed_as_broken_beside_the_others(root: Path, file: str, content: str):
    (root / NAMES[1] / file).write_text(content)
    infos = {info.name: info for info in list_runs(root)}
    assert file in infos[NAMES[1]].problem
    assert [infos[NAMES[0]].problem, infos[NAMES[2]].problem] == ["", ""]


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077, 0o277, 0o777])
def test_the_folder_of_runs_is_its_owners_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        run = create_run(tmp_path / "a" / "b" / "runs", "eyes/balanced")
    finally:
        os.umask(before)
    for folder in (run.root, run.root.parent):
        assert folder.stat().st_mode & 0o777 == 0o700
    for folder in (tmp_path / "a", tmp_path / "a" / "b"):  # others may look, as far as the umask lets them
        mode = folder.stat().st_mode & 0o777
        assert mode & 0o700 == 0o700 and not mode & 0o022 and not mode & 0o077 & umask
    assert send_command(run, "stop", {})
