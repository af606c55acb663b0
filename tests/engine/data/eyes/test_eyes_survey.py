"""What is known of eyes before any is decoded: from folders, tables and Parquet, and of odd or useless data."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from eyes_files import options, picture, write_classes
from PIL import Image
from present import present

from trainctl.engine.data.eyes.survey import MOST_HEADERS, survey_eyes


def write_sizes(root: Path, sizes: Sequence[tuple[int, int]]) -> Path:
    """An open and a closed eye of each size."""
    for name in ("open", "closed"):
        (root / name).mkdir(parents=True)
        for k, (height, width) in enumerate(sizes):
            Image.new("L", (width, height)).save(root / name / f"{k:04}.png")
    return root


def test_folders_are_counted_and_measured(tmp_path: Path) -> None:
    found = present(survey_eyes(options()[0], write_classes(tmp_path)))
    assert (found.num_images, found.num_train, found.median_size) == (20, 16, (8, 16))
    assert str(found) == "20 images of 8x16"


def test_pictures_of_several_sizes_have_a_usual_one(tmp_path: Path) -> None:
    found = present(survey_eyes(options()[0], write_sizes(tmp_path, [(20, 30), (24, 40), (90, 50)])))
    assert (found.median_size, str(found)) == ((24, 40), "6 images of about 24x40")


def test_a_split_of_the_data_says_how_many_train(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", 7)
    write_classes(tmp_path / "val", 3)
    write_classes(tmp_path / "test", 4)
    found = present(survey_eyes(options()[0], tmp_path))
    assert (found.num_images, found.num_train) == (20, 14)
    regrouped = present(survey_eyes(options(group_by="eye_[0-9]+")[0], tmp_path))
    assert regrouped.num_train == 16


def test_the_count_is_that_of_every_seed(tmp_path: Path) -> None:
    write_classes(tmp_path)
    grouped = options(group_by="(open|closed)/eye_[0-3]", val_fraction=0.25)[0]
    assert present(survey_eyes(grouped, tmp_path)).num_train == 15


def test_a_table_names_the_pictures(tmp_path: Path) -> None:
    write_classes(tmp_path, 3)
    rows = [f"{name}/eye_{k}.png,{label}" for label, name in enumerate(("closed", "open")) for k in range(3)]
    (tmp_path / "eyes.csv").write_text("\n".join(["path,class_id", *rows]))
    assert str(survey_eyes(options()[0], tmp_path / "eyes.csv")) == "6 images of 8x16"


def test_stored_bytes_are_measured(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    contents: list[bytes] = []
    for k in range(4):
        stream = io.BytesIO()
        picture(k, (10, 12)).save(stream, "PNG")
        contents.append(stream.getvalue())
    file = tmp_path / "eyes.parquet"
    pq.write_table(pa.table({"class_id": [0, 1, 0, 1], "image_bytes": contents}), file)
    assert str(survey_eyes(options()[0], file)) == "4 images of 10x12"


def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    write_sizes(tmp_path, [(1, 1), (24, 24), (10, 10_000)])
    (tmp_path / "open" / "0000.png").write_bytes(b"no picture")
    assert present(survey_eyes(options()[0], tmp_path)).sizes == ((24, 24), (10, 10_000)) * 2


@pytest.mark.parametrize("what", ["nothing there", "a file of another kind", "one class", "no image that can be read"])
def test_of_useless_data_nothing_is_known(what: str, tmp_path: Path) -> None:
    path = tmp_path / "eyes"
    if what == "a file of another kind":
        path.write_text("eyes")
    elif what == "one class":
        write_sizes(path, [(8, 8)])
        (path / "closed" / "0000.png").unlink()
    elif what == "no image that can be read":
        write_sizes(path, [(1, 1)])
    assert survey_eyes(options()[0], path) is None


def test_no_image_is_decoded_and_few_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_sizes(tmp_path, [(4, 4)] * MOST_HEADERS)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda _: pytest.fail("an image was decoded"))
    found = present(survey_eyes(options()[0], tmp_path))
    assert (found.num_images, len(found.sizes)) == (2 * MOST_HEADERS, MOST_HEADERS)
