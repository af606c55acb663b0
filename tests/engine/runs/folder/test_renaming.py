"""Which names a run can be given."""

from __future__ import annotations

from pathlib import Path

import pytest
from sample_run_directories import NAME, SampleRun

from trainctl.engine.errors import UserError
from trainctl.engine.runs.folder.renaming import label_of, rename_run, renamed
from trainctl.engine.runs.index import find_run, run_names


@pytest.mark.parametrize(
    ("name", "wish", "new"),
    [
        (NAME, "my best", "20260101-120000-my best-00aa"),
        (NAME, " spaced ", "20260101-120000-spaced-00aa"),
        (NAME, "20260101-120000-other-00aa", "20260101-120000-other-00aa"),
        (NAME, "最好", "20260101-120000-最好-00aa"),
        ("char_gpt", "first", "first"),
    ],
)
def test_date_and_id_stay(name: str, wish: str, new: str):
    assert renamed(name, wish) == new


@pytest.mark.parametrize(
    "wish",
    [
        *("", "  ", "a/b", "..", ".", ".hidden", "-x", "latest", "last", "a\nb", "a\x1b[31m", "x" * 250),
        *("\N{RIGHT-TO-LEFT OVERRIDE}x", "20270101-120000-other-00aa", "20260101-120000-other-00ab"),
    ],
)
def test_a_name_that_is_none_is_refused(wish: str):
    with pytest.raises(UserError):
        renamed(NAME, wish)


def test_a_renamed_run_is_found_by_its_new_name_and_its_id(tmp_path: Path):
    SampleRun(tmp_path).end()
    (tmp_path / "latest").symlink_to(NAME)
    moved = rename_run(tmp_path, NAME, "best")
    assert run_names(tmp_path) == [moved.root.name] == ["20260101-120000-best-00aa"]
    for ref in ("best", "00aa", "latest"):
        assert find_run(tmp_path, ref).root.resolve() == moved.root.resolve()
    assert moved.summary.is_file() and label_of(moved.root.name) == "best"


def test_a_name_that_is_taken_is_refused_even_by_an_empty_folder(tmp_path: Path):
    run = SampleRun(tmp_path)
    run.end()
    taken = tmp_path / "20260101-120000-best-00aa"
    taken.mkdir()
    with pytest.raises(UserError, match="already"):
        rename_run(tmp_path, NAME, "best")
    taken.rmdir()
    taken.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match="already"):
        rename_run(tmp_path, NAME, "best")
    assert run.paths.summary.is_file()


def test_a_live_run_keeps_its_name(tmp_path: Path):
    SampleRun(tmp_path)
    with pytest.raises(UserError, match="stop it first"):
        rename_run(tmp_path, NAME, "best")


def test_its_own_name_changes_nothing(tmp_path: Path):
    SampleRun(tmp_path).end()
    assert rename_run(tmp_path, NAME, label_of(NAME)).root == tmp_path / NAME
    assert run_names(tmp_path) == [NAME]
