"""Data shows by its columns which task it belongs to."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainctl.engine.tasks.recognise import recognise_task


@pytest.mark.parametrize(
    ("name", "text", "task"),
    [
        ("manifest.csv", "CATEGORY,SUBDIRS,SPLIT\n", "weld"),
        ("dmos.csv", "dist_img,ref_img,dmos,var\n", "quality"),
        ("dmos.csv", "\ufeffdist_img, ref_img, dmos\n", "quality"),
        ("dmos.csv", "image,score\n", None),
        ("other.csv", "path,class_id\n", None),
        ("dmos.csv", "", None),
    ],
)
def test_a_table_and_its_folder_belong_to_a_task(tmp_path: Path, name: str, text: str, task: str | None) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    for path in (tmp_path, tmp_path / name):
        found = recognise_task(path)
        assert (None if found is None else found[0]) == task
        assert found is None or name in found[1]


def test_what_cannot_be_read_belongs_to_none(tmp_path: Path) -> None:
    (tmp_path / "dmos.csv").write_bytes(b"\xff\xfe\x00")
    assert recognise_task(tmp_path) is None
    assert recognise_task(tmp_path / "gone") is None
