"""What a user sees when eyes are read from folders: the images, the notes, and one clear line when it fails."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from eyes_files import options, picture, write_classes, write_images
from PIL import Image

from trainctl.engine.data import images
from trainctl.engine.data.eyes.load import load_eyes
from trainctl.engine.errors import UserError


def test_class_folders_are_split_within_each_class(tmp_path: Path) -> None:
    splits = load_eyes(*options(), write_classes(tmp_path))
    assert (len(splits.train), len(splits.val)) == (16, 4)
    assert splits.train.tensors["images"].shape == (16, 3, 8, 16)
    assert splits.train.tensors["images"].dtype == torch.uint8
    assert splits.val.tensors["labels"].tolist() == [0, 0, 1, 1]
    assert all(name.startswith("closed/") for name in splits.val.names[:2])
    assert any("held out at random" in note for note in splits.notes)


def test_every_image_lies_beside_its_own_name_and_label(tmp_path: Path) -> None:
    splits = load_eyes(*options(), write_classes(tmp_path))
    for split in (splits.train, splits.val):
        for name, image, label in zip(split.names, split.tensors["images"], split.tensors["labels"], strict=True):
            expected = np.asarray(Image.open(tmp_path / name))
            assert np.array_equal(image.permute(1, 2, 0).numpy(), expected)
            assert name.split("/")[0] == ("closed", "open")[int(label)]


def test_split_folders_are_kept_and_test_is_left_out(tmp_path: Path) -> None:
    for seed, (split, count) in enumerate({"train": 5, "val": 3, "test": 2}.items()):
        write_classes(tmp_path / split, count, seed)
    splits = load_eyes(*options(), tmp_path)
    assert (len(splits.train), len(splits.val)) == (10, 6)
    assert all(name.startswith("val/") for name in splits.val.names)
    assert any("4 of TEST are kept out" in note for note in splits.notes)


def test_a_lone_train_folder_is_split(tmp_path: Path) -> None:
    write_classes(tmp_path / "train")
    assert len(load_eyes(*options(), tmp_path).val) == 4


def test_grey_palette_transparent_16_bit_and_large_images_become_rgb(tmp_path: Path) -> None:
    write_classes(tmp_path, 6)
    folder = tmp_path / "open"
    picture(1).convert("L").save(folder / "a.png")
    picture(2).convert("P").save(folder / "b.gif")
    picture(3).convert("RGBA").save(folder / "c.png")
    Image.fromarray(np.full((8, 16), 128 << 8, dtype=np.uint16)).save(folder / "d.png")
    picture(4, (240, 480)).save(folder / "e.JPG")
    splits = load_eyes(*options(), tmp_path)
    images = {
        name: image
        for split in (splits.train, splits.val)
        for name, image in zip(split.names, split.tensors["images"], strict=True)
    }
    assert len(images) == 17
    grey = images["open/a.png"]
    assert torch.equal(grey[0], grey[1])
    assert images["open/d.png"].unique().tolist() == [128]
    assert float(images["open/e.JPG"].float().std()) < 30  # antialiased, not picked


def test_the_seed_decides_the_split(tmp_path: Path) -> None:
    write_classes(tmp_path)
    names = [load_eyes(*options(seed), tmp_path).val.names for seed in (1, 1, 2)]
    assert names[0] == names[1]
    assert names[0] != names[2]


def test_persons_stay_on_one_side(tmp_path: Path) -> None:
    for person in range(10):
        write_images(tmp_path / "open", 3, person, f"p{person}")
        write_images(tmp_path / "closed", 3, 50 + person, f"p{person}")
    splits = load_eyes(*options(group_by=r"/(p\d+)_"), tmp_path)
    assert set(splits.train.groups).isdisjoint(splits.val.groups)
    assert len(set(splits.val.groups)) == 2
    assert len(splits.val.groups) == len(splits.val) == 12
    assert any("10 groups" in note for note in splits.notes)
    assert not any("leak" in note for note in splits.notes)


def test_images_outside_the_grouping_stand_alone_and_are_counted(tmp_path: Path) -> None:
    write_classes(tmp_path)
    write_images(tmp_path / "open", 4, 9, "p1")
    splits = load_eyes(*options(group_by=r"p\d+"), tmp_path)
    assert any("20 images match no group" in note for note in splits.notes)


def test_copies_across_the_split_are_reported_with_an_example(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", 8)
    write_classes(tmp_path / "val", 4, seed=5)
    Image.open(tmp_path / "train/open/eye_3.png").save(tmp_path / "val/open/copy.png")
    notes = load_eyes(*options(), tmp_path).notes
    leak = next(note for note in notes if note.startswith("leak check"))
    assert "1 of 9 validation images" in leak
    assert "val/open/copy.png and train/open/eye_3.png" in leak


def test_the_leak_check_can_be_turned_off(tmp_path: Path) -> None:
    notes = load_eyes(*options(leak_check=False), write_classes(tmp_path)).notes
    assert not any("leak" in note for note in notes)


def test_corrupt_images_are_named_and_counted(tmp_path: Path) -> None:
    write_classes(tmp_path)
    damaged = tmp_path / "open" / "eye_0.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    (tmp_path / "open" / "eye_1.png").write_bytes(b"")
    (tmp_path / "closed" / "eye_2.png").write_text("hello")
    with pytest.raises(UserError, match=r"3 of 20 images that cannot be decoded: .*eye_.*eye_.*skip_corrupt=true"):
        load_eyes(*options(), tmp_path)
    splits = load_eyes(*options(skip_corrupt=True), tmp_path)
    assert len(splits.train) + len(splits.val) == 17
    note = next(note for note in splits.notes if note.startswith("left out"))
    assert "3 of 20" in note
    assert "eye_1.png (empty file)" in note
    assert "closed/eye_2.png (not an image)" in note
    for split in (splits.train, splits.val):
        for name, image in zip(split.names, split.tensors["images"], strict=True):
            assert np.array_equal(image.permute(1, 2, 0).numpy(), np.asarray(Image.open(tmp_path / name)))


def test_an_image_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_classes(tmp_path)
    read = images.read_limited

    def refuse(path: Path, most: int) -> bytes:
        if path.name == "eye_4.png" and path.parent.name == "open":
            raise PermissionError(13, "Permission denied")
        return read(path, most)

    monkeypatch.setattr(images, "read_limited", refuse)
    with pytest.raises(UserError, match=r"open/eye_4.png \(permission denied\)"):
        load_eyes(*options(), tmp_path)


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_classes(tmp_path)
    scan = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UserError, match=r"permission denied: .*closed"):
        load_eyes(*options(), tmp_path)


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no file or folder .*nowhere"):
        load_eyes(*options(), tmp_path / "nowhere")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is empty.*open and closed"):
        load_eyes(*options(), tmp_path)


def test_photographs_without_class_folders_name_the_task_that_takes_them(tmp_path: Path) -> None:
    write_images(tmp_path, 3)
    with pytest.raises(UserError, match=r"holds no folder.*open and closed.*--preset quality/repaired"):
        load_eyes(*options(), tmp_path)


def test_an_empty_class_folder_is_named(tmp_path: Path) -> None:
    write_images(tmp_path / "open", 3)
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "notes.txt").write_text("x")
    with pytest.raises(UserError, match="closed holds no image"):
        load_eyes(*options(), tmp_path)


def test_a_missing_class_folder_is_named(tmp_path: Path) -> None:
    write_images(tmp_path / "open", 3)
    with pytest.raises(UserError, match="has no folder 'closed'"):
        load_eyes(*options(), tmp_path)


def test_an_unknown_split_folder_is_named(tmp_path: Path) -> None:
    write_classes(tmp_path / "mine")
    with pytest.raises(UserError, match=r"unknown split 'mine'.*train, val"):
        load_eyes(*options(), tmp_path)


def test_a_file_in_place_of_a_class_folder_is_named(tmp_path: Path) -> None:
    write_images(tmp_path / "open", 3)
    (tmp_path / "closed").write_text("x")
    with pytest.raises(UserError, match="closed is a file where a folder is expected"):
        load_eyes(*options(), tmp_path)


def test_a_file_of_unknown_kind_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "eyes.zip"
    file.write_bytes(b"PK\3\4\0\0")
    with pytest.raises(UserError, match=r"eyes.zip is a file, but no Parquet or CSV"):
        load_eyes(*options(), file)


def test_one_image_of_a_class_cannot_be_split(tmp_path: Path) -> None:
    write_images(tmp_path / "open", 5)
    write_images(tmp_path / "closed", 1)
    with pytest.raises(UserError, match="1 closed and 5 open"):
        load_eyes(*options(), tmp_path)


def test_a_split_left_with_one_class_by_corrupt_images_is_refused(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", 4)
    write_classes(tmp_path / "val", 1, seed=3)
    (tmp_path / "val" / "open" / "eye_0.png").write_bytes(b"x")
    with pytest.raises(UserError, match="validation split has 1 closed and 0 open"):
        load_eyes(*options(skip_corrupt=True), tmp_path)


@pytest.mark.parametrize(
    ("expression", "message"),
    [("person", "matches no path"), ("(", "no regular expression"), ("eye", "every sample is in the same group")],
)
def test_a_grouping_that_cannot_work_is_refused(tmp_path: Path, expression: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_eyes(*options(group_by=expression), write_classes(tmp_path))


def test_groups_of_one_class_each_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="choose smaller groups"):
        load_eyes(*options(group_by="open|closed"), write_classes(tmp_path))


def test_progress_reaches_the_number_of_images(tmp_path: Path) -> None:
    seen = list[tuple[int, int]]()
    load_eyes(*options(), write_classes(tmp_path, 40), lambda done, total: seen.append((done, total)))
    assert seen == [(64, 80), (80, 80)]


def test_the_documented_pattern_keeps_the_eyes_of_a_person_together(tmp_path: Path) -> None:
    pattern = re.search(r"--group-by '([^']+)'", (Path(__file__).parents[4] / "docs" / "eyes.md").read_text())
    assert pattern is not None
    for folder in ("open", "closed"):
        (tmp_path / folder).mkdir()
    for k in range(10):
        for eye in "LR":
            kind = ("jpg", "BMP")[k % 2]
            names = [f"open/Ann-Marie_Lee{k}_0001_{eye}", f"open/Ann-Marie_Lee{k}_0012_{eye}"]
            for name in (*names, f"closed/closed_eye_{k:04}.{kind}_face_2_{eye}"):
                picture(k).save(tmp_path / f"{name}.jpg")
    splits = load_eyes(*options(group_by=pattern[1], val_fraction=0.3), tmp_path)
    assert len(splits.train) + len(splits.val) == 60
    assert not set(splits.train.groups) & set(splits.val.groups)
    assert {group for split in (splits.train, splits.val) for group in split.groups} == {
        *(f"Ann-Marie_Lee{k}" for k in range(10)),
        *(f"closed_eye_{k:04}" for k in range(10)),
    }
