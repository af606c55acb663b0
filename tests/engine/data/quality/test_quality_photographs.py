"""References from photographs: how many of each, what is left out and said, and what is refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from quality_files import write_photograph, write_photographs

from trainctl.engine.data.image_files import Found
from trainctl.engine.data.images import UnreadableImageError, cut_image, image_size, whole_image
from trainctl.engine.data.progress import report
from trainctl.engine.data.quality.photographs import (
    References,
    built_in_references,
    list_photographs,
    photograph_references,
)
from trainctl.engine.errors import UserError


def references(root: Path, num: int = 6, size: int = 16, seed: int = 0) -> References:
    return photograph_references(root, list_photographs(root).images, num, size, seed, report)


def test_photographs_in_folders_below_give_equally_many_crops(tmp_path: Path) -> None:
    found = references(write_photographs(tmp_path), num=12)
    assert found.images.shape == (12, 3, 16, 16)
    assert sorted(Counter(found.groups).values()) == [2, 2, 2, 3, 3]
    assert "below/photo1.png" in found.groups


def test_a_crop_is_what_its_name_says_at_the_photographs_own_resolution(tmp_path: Path) -> None:
    found = references(write_photographs(tmp_path))
    for image, name in zip(found.images, found.names, strict=True):
        file, _, corner = name.rpartition(" at ")
        left, top = map(int, corner.split(","))
        whole = np.asarray(Image.open(tmp_path / file))
        assert (image == whole[top : top + 16, left : left + 16].transpose(2, 0, 1)).all()


def test_the_seed_decides_and_nothing_else(tmp_path: Path) -> None:
    root = write_photographs(tmp_path)
    first, again, other = references(root), references(root), references(root, seed=1)
    assert first.names == again.names
    assert (first.images == again.images).all()
    assert first.names != other.names


def test_more_photographs_than_crops_give_one_each(tmp_path: Path) -> None:
    found = references(write_photographs(tmp_path, num=9), num=4)
    assert len(set(found.groups)) == 4


def test_fewer_crops_than_asked_for_are_noted(tmp_path: Path) -> None:
    found = references(write_photographs(tmp_path, num=2, size=(16, 40)), num=50)
    assert len(found.images) == 4
    assert "data.references=50: only 4 crops fit" in found.notes[1]


def test_unusable_photographs_are_counted_and_others_give_more(tmp_path: Path) -> None:
    write_photographs(tmp_path, num=3)
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    write_photograph(tmp_path / "tiny.png", 7, (8, 90))
    whole = write_photograph(tmp_path / "torn.png", 8).read_bytes()
    (tmp_path / "torn.png").write_bytes(whole[: len(whole) // 2])  # its header is whole
    (tmp_path / "notes.txt").write_text("no photograph")
    found = references(tmp_path, num=6)
    assert Counter(Counter(found.groups).values()) == {2: 3}
    assert "3 photographs cannot be used" in found.notes[-1]
    assert "tiny.png (90×8, too small)" in found.notes[-1]


def test_a_folder_without_a_usable_photograph_is_refused_by_name(tmp_path: Path) -> None:
    write_photograph(tmp_path / "tiny.png", 0, (8, 8))
    with pytest.raises(UserError, match=rf"{tmp_path}: 0 of 1 photographs can be used: tiny.png \(8×8, too small\)"):
        references(tmp_path)


@pytest.mark.parametrize(("name", "says"), [("", "holds no photograph"), ("gone", "no folder"), ("file", "is a file")])
def test_what_is_no_folder_of_photographs_is_refused(tmp_path: Path, name: str, says: str) -> None:
    if name == "file":
        (tmp_path / name).write_text("")
    with pytest.raises(UserError, match=says):
        list_photographs(tmp_path / name)


def test_hidden_files_are_passed_over(tmp_path: Path) -> None:
    write_photograph(tmp_path / ".thumbnails" / "a.png", 0)
    write_photograph(tmp_path / "._b.png", 0)
    kept = write_photograph(tmp_path / "c.png", 0)
    assert list_photographs(tmp_path) == Found([kept], [])


def test_a_turned_photograph_is_measured_and_read_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20), "red").save(tmp_path / "turned.jpg", exif=exif)
    assert image_size(tmp_path / "turned.jpg") == (40, 20)
    assert whole_image(tmp_path / "turned.jpg").shape == (3, 40, 20)


def test_a_grey_photograph_has_three_equal_channels(tmp_path: Path) -> None:
    Image.new("L", (4, 3), 7).save(tmp_path / "grey.png")
    assert (whole_image(tmp_path / "grey.png") == np.full((3, 3, 4), 7)).all()


def test_the_middle_of_a_picture_is_cut_without_scaling(tmp_path: Path) -> None:
    file = write_photograph(tmp_path / "a.png", 0, (7, 9))
    whole = np.asarray(Image.open(file)).transpose(2, 0, 1)
    assert (cut_image(file, 3, 5) == whole[:, 2:5, 2:7]).all()
    with pytest.raises(UnreadableImageError, match="9×7 pixels are fewer than 5×8"):
        cut_image(file, 8, 5)


def test_built_in_tiles_are_shared_by_two_photographs_and_do_not_repeat() -> None:
    found = built_in_references(10, 64, 0)
    assert found.images.shape == (10, 3, 64, 64)
    assert len(set(found.names)) == 10
    assert Counter(name.split(" ")[0] for name in found.groups) == {"china": 5, "flower": 5}
    assert "both sides of the split" in found.notes[0]


def test_more_built_in_tiles_than_there_are_is_a_note_and_none_an_error() -> None:
    found = built_in_references(81, 200, 0)
    assert len(found.images) == 12
    assert "only 12 tiles of 200×200" in found.notes[1]
    with pytest.raises(UserError, match="427×640 pixels"):
        built_in_references(81, 500, 0)
