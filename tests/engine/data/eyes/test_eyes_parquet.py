"""Eyes from Parquet: stored bytes, paths, several files, and what damaged or odd files say."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from eyes_files import options, picture, write_images

from trainctl.engine.data.eyes.load import load_eyes
from trainctl.engine.errors import UserError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def png(seed: int) -> bytes:
    """An encoded random image."""
    stream = io.BytesIO()
    picture(seed).save(stream, "PNG")
    return stream.getvalue()


def columns(count: int = 10, first: int = 0) -> dict[str, list[Any]]:
    """The columns of an OCEC data set with embedded images; the last two rows are for validation."""
    rows = range(first, first + count)
    return {
        "split": ["train"] * (count - 2) + ["val"] * 2,
        "label": [("closed", "open")[k % 2] for k in rows],
        "class_id": [k % 2 for k in rows],
        "image_path": [f"images/eye_{k}.png" for k in rows],
        "source": [f"video {k // 2}" for k in rows],
        "image_bytes": [png(k) for k in rows],
    }


def write(file: Path, table: dict[str, list[Any]]) -> Path:
    pq.write_table(pa.table(table), file)
    return file


def test_embedded_images_are_decoded_in_order(tmp_path: Path) -> None:
    splits = load_eyes(*options(), write(tmp_path / "eyes.parquet", columns()))
    assert (len(splits.train), len(splits.val)) == (8, 2)
    assert list(splits.val.names) == ["images/eye_8.png", "images/eye_9.png"]
    for k, image in enumerate(splits.train.tensors["images"]):
        assert np.array_equal(image.permute(1, 2, 0).numpy(), np.asarray(picture(k)))


def test_without_bytes_the_paths_are_read_relative_to_the_file(tmp_path: Path) -> None:
    table = columns()
    del table["image_bytes"]
    write_images(tmp_path / "images", 10)
    splits = load_eyes(*options(), write(tmp_path / "eyes.parquet", table))
    assert np.array_equal(splits.train.tensors["images"][3].permute(1, 2, 0).numpy(), np.asarray(picture(3)))


def test_a_row_without_bytes_falls_back_to_its_path(tmp_path: Path) -> None:
    table = columns()
    table["image_bytes"][4] = None
    write_images(tmp_path / "images", 5)
    splits = load_eyes(*options(), write(tmp_path / "eyes.parquet", table))
    assert np.array_equal(splits.train.tensors["images"][4].permute(1, 2, 0).numpy(), np.asarray(picture(4)))


def test_a_folder_of_files_is_one_data_set(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", columns(6))
    write(tmp_path / "b.parquet", columns(4, first=6))
    splits = load_eyes(*options(), tmp_path)
    assert (len(splits.train), len(splits.val)) == (6, 4)
    assert splits.val.names[-1] == "images/eye_9.png"


def test_a_column_that_only_some_files_have_is_filled_up(tmp_path: Path) -> None:
    first, second = columns(6), columns(4, first=6)
    del first["source"]
    write(tmp_path / "a.parquet", first)
    write(tmp_path / "b.parquet", second)
    splits = load_eyes(*options(group_by="source"), tmp_path)
    assert set(splits.train.groups).isdisjoint(splits.val.groups)
    assert any("6 images match no group" in note for note in splits.notes)


def test_no_split_column_means_a_random_split(tmp_path: Path) -> None:
    table = columns()
    del table["split"]
    notes = load_eyes(*options(), write(tmp_path / "eyes.parquet", table)).notes
    assert any("held out at random" in note for note in notes)


def test_a_class_id_outside_0_and_1_is_named_with_its_row(tmp_path: Path) -> None:
    table = columns()
    table["class_id"][6] = 7
    with pytest.raises(UserError, match=r"eyes.parquet row 7: class_id is 7; use 0 for closed"):
        load_eyes(*options(), write(tmp_path / "eyes.parquet", table))


def test_a_label_that_contradicts_the_class_id_is_named(tmp_path: Path) -> None:
    table = columns()
    table["label"][2] = "open"
    with pytest.raises(UserError, match="row 3: label is 'open' but class_id is 0"):
        load_eyes(*options(), write(tmp_path / "eyes.parquet", table))


def test_a_missing_column_is_named_beside_those_found(tmp_path: Path) -> None:
    table = columns()
    del table["class_id"]
    with pytest.raises(UserError, match=r"has no column class_id \(found: split, label, image_path"):
        load_eyes(*options(), write(tmp_path / "eyes.parquet", table))


def test_an_unknown_split_is_named(tmp_path: Path) -> None:
    table = columns()
    table["split"][0] = "holdout"
    with pytest.raises(UserError, match="row 1: unknown split 'holdout'"):
        load_eyes(*options(), write(tmp_path / "eyes.parquet", table))


def test_image_bytes_of_another_type_are_refused(tmp_path: Path) -> None:
    table = columns()
    table["image_bytes"] = ["text"] * 10
    with pytest.raises(UserError, match="image_bytes is string"):
        load_eyes(*options(), write(tmp_path / "eyes.parquet", table))


@pytest.mark.parametrize("keep", [0, 10, 3000])
def test_a_truncated_file_is_named(tmp_path: Path, keep: int) -> None:
    file = write(tmp_path / "eyes.parquet", columns())
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"eyes.parquet is no complete Parquet file: .*again") as caught:
        load_eyes(*options(), file)
    assert "\n" not in str(caught.value)


def test_a_damaged_page_is_named(tmp_path: Path) -> None:
    file = tmp_path / "eyes.parquet"
    pq.write_table(pa.table(columns()), file, compression="zstd", use_dictionary=False)
    content = bytearray(file.read_bytes())
    start = content.index(b"\x28\xb5\x2f\xfd")  # the first compressed page
    content[start : start + 40] = bytes(40)
    file.write_bytes(bytes(content))
    with pytest.raises(UserError, match=r"eyes.parquet is no complete Parquet file"):
        load_eyes(*options(), file)


def test_no_rows_are_refused(tmp_path: Path) -> None:
    table = {"class_id": pa.array([], pa.int64()), "image_path": pa.array([], pa.string())}
    pq.write_table(pa.table(table), tmp_path / "eyes.parquet")
    with pytest.raises(UserError, match="has no rows"):
        load_eyes(*options(), tmp_path / "eyes.parquet")


def test_corrupt_bytes_are_named_and_can_be_skipped(tmp_path: Path) -> None:
    table = columns()
    table["image_bytes"][1] = b"nonsense"
    file = write(tmp_path / "eyes.parquet", table)
    with pytest.raises(UserError, match=r"1 of 10 images that cannot be decoded: images/eye_1.png \(not an image\)"):
        load_eyes(*options(), file)
    assert len(load_eyes(*options(skip_corrupt=True), file).train) == 7


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "eyes.parquet", columns())
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match=r"needs pyarrow.*pip install 'trainctl-cockpit\[parquet\]'"):
        load_eyes(*options(), file)
