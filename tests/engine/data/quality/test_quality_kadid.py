"""A KADID-10k folder is read as it is; every mistake in it is one line with file and line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from quality_files import HEADER, options, write_kadid, write_photograph

from trainctl.engine.data.quality.kadid import find_kadid, read_kadid
from trainctl.engine.data.quality.load import load_quality
from trainctl.engine.errors import UserError


def test_opinions_are_rescaled_and_kinds_read_from_the_names(tmp_path: Path) -> None:
    first, *_, last = read_kadid(write_kadid(tmp_path))
    assert (first.line, first.name, first.reference, first.number, first.level) == (2, "I01_01_01.png", "I01.png", 1, 1)
    assert first.score == pytest.approx(0.125)
    assert (last.line, last.number, last.level, last.score) == (17, 25, 3, pytest.approx(0.875))


def test_splits_hold_the_middle_of_the_pictures_by_reference(tmp_path: Path) -> None:
    splits = load_quality(*options(val_fraction=0.25), write_kadid(tmp_path))
    assert (len(splits.train), len(splits.val)) == (15, 5)
    assert not set(splits.train.groups) & set(splits.val.groups)
    row = list(splits.train.names).index(f"{splits.train.groups[0][:-4]}_10_02.png")
    whole = np.asarray(Image.open(tmp_path / "images" / splits.train.names[row])).transpose(2, 0, 1)
    assert (splits.train.tensors["images"][row].numpy() == whole[:, 4:20, 8:24]).all()
    facts = {name: splits.train.tensors[name][row].item() for name in ("score", "type", "level")}
    assert facts == {"score": pytest.approx(0.625), "type": 10, "level": 2}
    assert any("cut to its middle 16×16" in note for note in splits.notes)


def test_references_are_samples_with_score_1_only_where_asked_for(tmp_path: Path) -> None:
    root = write_kadid(tmp_path)
    (root / "images" / "I02.png").unlink()
    with_them, without = load_quality(*options(), root), load_quality(*options(pristine=False), root)
    pristine = [
        score
        for split in (with_them.train, with_them.val)
        for score, kind in zip(split.tensors["score"].tolist(), split.tensors["type"].tolist(), strict=True)
        if kind == 0
    ]
    assert pristine == [1.0] * 3
    assert any("3 of 4 reference pictures" in note for note in with_them.notes)
    assert len(without.train) + len(without.val) == 16


def test_the_table_itself_may_be_named(tmp_path: Path) -> None:
    root = write_kadid(tmp_path)
    assert find_kadid(root) == find_kadid(root / "dmos.csv") == root
    assert find_kadid(tmp_path / "images") is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("image,score\n", "has no columns dist_img, ref_img, dmos (found: image, score)"),
        ("", "has no columns dist_img, ref_img, dmos (found: none)"),
        (HEADER, "has no line"),
        (HEADER + "I01_01_01.png,I01.png,good,1\n", "line 2: dmos is 'good'"),
        (HEADER + "I01_01_01.png,I01.png,nan,1\n", "line 2: dmos is 'nan'"),
        (HEADER + "I01_01_01.png,I01.png,7,1\n", "line 2: dmos is '7'"),
        (HEADER + "I01_01_01.png,I01.png\n", "line 2: 2 values for 4 columns"),
        (HEADER + "I01_01_01.png,I01.png,3,1\n\nI01_26_01.png,I01.png,3,1\n", "line 4: 'I01_26_01.png' names no"),
        (HEADER + "photo.png,I01.png,3,1\n", "line 2: 'photo.png' names no distortion and level"),
        (HEADER + ",I01.png,3,1\n", "line 2: dist_img or ref_img is empty"),
        (
            HEADER + "I01_01_01.png,I01.png,3,1\n\nI01_01_02.png,I01.png,3,1\n",
            "first {root}/images/I01_01_02.png of line 4",
        ),
    ],
)
def test_mistakes_in_the_table_are_one_line_that_says_where(tmp_path: Path, text: str, says: str) -> None:
    write_photograph(tmp_path / "images" / "I01_01_01.png", 0, (24, 32))
    (tmp_path / "dmos.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_kadid(tmp_path)
    assert f"{tmp_path}/dmos.csv" in str(caught.value)
    assert says.format(root=tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_table_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dmos.csv").write_bytes(b"\xff\xfe\x00dist_img")
    with pytest.raises(UserError, match="cannot read"):
        read_kadid(tmp_path)


def test_a_picture_smaller_than_the_cut_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"20 of 20 files: .*images/I0._?.*\.png \(32×24 pixels are fewer than 28×28\)"):
        load_quality(*options(image_size=28), write_kadid(tmp_path))


def test_a_single_reference_cannot_be_split(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"only one reference photograph \(I01.png\)"):
        load_quality(*options(), write_kadid(tmp_path, references=1))
