"""Paths that are no possible names, or that nobody may look at: one line and code 2, from every command."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from trainctl.engine.errors import ExitCode, UserError
from trainctl.engine.files import is_file, is_folder, is_there
from trainctl.tui.cli.main import run_command_line

LONG = "n" * 300
LINES = (
    *(f"diagnose {LONG}", f"tail {LONG}", f"send {LONG} pause", f"compare {LONG} {LONG}", f"ui {LONG}"),
    *(f"evaluate {LONG}", f"evaluate {LONG} --errors {LONG}", f"predict {LONG} {LONG}", f"export {LONG} --to csv"),
    *(f"run --resume {LONG}", f"run --fork {LONG}", f"run -t {LONG}.py:Task", f"run -c {LONG}", f"run --data {LONG}"),
    *(f"data -t {task} --data {LONG}" for task in ("eyes", "weld", "quality", "emotion")),
    *(f"ui --data {LONG}", f"lr-find -t {LONG}.py:Task", f"presets diff {LONG} eyes/balanced"),
    *("run -t a\0b.py:Task", "tail ./a\0b", "diagnose a\0b", "tail ./loop", "run -t loop.py:Task", "diagnose loop"),
)


@pytest.mark.parametrize("line", LINES, ids=[line.replace("\0", "NUL").replace(LONG, "LONG") for line in LINES])
def test_an_impossible_path_is_one_line(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("loop", "loop.py"):
        (tmp_path / name).symlink_to(name)
    assert run_command_line(line.split(" ")) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("trainctl: error: ") and err.count("\n") == 1


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_what_nobody_can_tell_is_refused_or_where_asked_no(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path, **_: object) -> os.stat_result:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "stat", refused)
    for look in (is_there, is_file, is_folder):
        with pytest.raises(UserError, match="permission denied" if number == errno.EACCES else "cannot look at"):
            look(tmp_path)
    assert not is_there(tmp_path, strict=False) and not is_folder(tmp_path, strict=False)


@pytest.mark.parametrize("task", ["eyes", "weld", "quality", "emotion"])
def test_data_in_a_folder_that_may_not_be_searched_is_one_line(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "box").mkdir()
    usual = Path.stat

    def stat(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if path.is_relative_to(tmp_path / "box" / "data"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return usual(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", stat)
    assert run_command_line(["data", "-t", task, "--data", str(tmp_path / "box" / "data")]) == ExitCode.USAGE
    err = capsys.readouterr().err
    assert "permission denied" in err and err.count("\n") == 1
