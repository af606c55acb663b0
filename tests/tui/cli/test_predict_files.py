"""Which files `trainctl predict` takes from folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trainctl.engine.errors import UserError
from trainctl.tui.cli.commands.predict import chosen, expand

IMAGES = frozenset({".png"})


def names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in chosen(expand([folder]), [folder], IMAGES)]


def test_what_is_hidden_is_passed_over_and_what_is_no_file_is_named(tmp_path: Path) -> None:
    for name in ("b.png", "a/c.PNG", "notes.txt", ".d.png", ".git/e.png", "__MACOSX/._b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    # Pipes and links to nothing look like images: reading them says what they are, and leaves them out.
    assert names(tmp_path) == ["a/c.PNG", "b.png", "gone.png", "pipe.png"]


def test_links_that_lead_up_give_no_file_twice(tmp_path: Path) -> None:
    (tmp_path / "photos" / "day").mkdir(parents=True)
    for name in ("photos/a.png", "photos/day/b.png", "other.png"):
        (tmp_path / name).touch()
    for name, target in (("up", "../.."), ("self", "."), ("again", "../day")):
        (tmp_path / "photos" / "day" / name).symlink_to(target)
    assert names(tmp_path / "photos") == ["a.png", "day/b.png"]


def test_a_folder_without_files_for_the_task_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match="no files in"):
        names(tmp_path)
