"""Eyes from CSV: rows, columns, and the line that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from eyes_files import options, write_images

from trainctl.engine.data.eyes.load import load_eyes
from trainctl.engine.errors import UserError


def write_csv(root: Path, header: str = "path,class_id", extra: str = "", count: int = 10) -> Path:
    """A CSV of alternating classes with images beside it."""
    rows = [
        f"images/{path.name},{k % 2}{extra.format(k=k)}" for k, path in enumerate(write_images(root / "images", count))
    ]
    file = root / "eyes.csv"
    file.write_text("\n".join([header, *rows]) + "\n")
    return file


def test_rows_become_images_with_paths_relative_to_the_file(tmp_path: Path) -> None:
    splits = load_eyes(*options(), write_csv(tmp_path))
    assert (len(splits.train), len(splits.val)) == (8, 2)
    for split in (splits.train, splits.val):
        numbers = [int(name.split("_")[1].split(".")[0]) for name in split.names]
        assert [number % 2 for number in numbers] == split.tensors["labels"].tolist()


def test_a_split_column_is_followed(tmp_path: Path) -> None:
    file = write_csv(tmp_path, "path,class_id,split", ",train")
    file.write_text(
        file.read_text().replace("eye_8.png,0,train", "eye_8.png,0,val").replace("9.png,1,train", "9.png,1,val")
    )
    assert list(load_eyes(*options(), file).val.names) == ["images/eye_8.png", "images/eye_9.png"]


def test_a_column_can_group(tmp_path: Path) -> None:
    file = write_csv(tmp_path, "path,class_id,person", ",", count=12)
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], *(f"{line}p{k // 4}" for k, line in enumerate(lines[1:]))]))
    splits = load_eyes(*options(group_by="person"), file)
    assert set(splits.train.groups).isdisjoint(splits.val.groups)
    assert set(splits.train.groups) | set(splits.val.groups) == {"p0", "p1", "p2"}


def test_grouping_replaces_the_split_of_the_data_and_says_so(tmp_path: Path) -> None:
    file = write_csv(tmp_path, "path,class_id,split", ",train")
    notes = load_eyes(*options(group_by=r"eye_(\d)"), file).notes
    assert any("the split named by the data was replaced" in note for note in notes)


@pytest.mark.parametrize("value", ["2", "open", "", "-1", "nan"])
def test_a_class_id_outside_0_and_1_is_named_with_its_line(tmp_path: Path, value: str) -> None:
    file = write_csv(tmp_path)
    file.write_text(file.read_text().replace("eye_3.png,1", f"eye_3.png,{value}"))
    with pytest.raises(UserError, match=f"eyes.csv line 5: class_id is '{value}'"):
        load_eyes(*options(), file)


def test_a_missing_column_is_named_beside_those_found(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no column class_id \(found: path, label\)"):
        load_eyes(*options(), write_csv(tmp_path, "path,label"))


def test_an_unknown_split_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="line 2: unknown split 'mine'"):
        load_eyes(*options(), write_csv(tmp_path, "path,class_id,split", ",mine"))


def test_a_row_of_another_length_is_named(tmp_path: Path) -> None:
    file = write_csv(tmp_path)
    file.write_text(file.read_text() + "a.png,1,2\n")
    with pytest.raises(UserError, match="line 12: 3 values for 2 columns"):
        load_eyes(*options(), file)


def test_an_empty_path_is_named(tmp_path: Path) -> None:
    file = write_csv(tmp_path)
    file.write_text(file.read_text() + ",1\n")
    with pytest.raises(UserError, match="line 12: path is empty"):
        load_eyes(*options(), file)


def test_missing_images_are_named_and_counted(tmp_path: Path) -> None:
    file = write_csv(tmp_path)
    (tmp_path / "images" / "eye_0.png").unlink()
    with pytest.raises(UserError, match=r"1 of 10 images that cannot be decoded: images/eye_0.png \(no such file\)"):
        load_eyes(*options(), file)


@pytest.mark.parametrize("content", [b"path,class_id\n\xff\xfe\xfa,1\n", b'path,class_id\n"a,1\n'])
def test_an_unreadable_csv_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bad.csv"
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"cannot read .*bad.csv as CSV"):
        load_eyes(*options(), file)


@pytest.mark.parametrize(("content", "message"), [("", "found: none"), ("path,class_id\n", "has no rows")])
def test_an_empty_csv_is_refused(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "empty.csv"
    file.write_text(content)
    with pytest.raises(UserError, match=message):
        load_eyes(*options(), file)


def test_one_class_in_a_split_is_refused(tmp_path: Path) -> None:
    file = write_csv(tmp_path, "path,class_id,split", ",train")
    file.write_text(file.read_text().replace("eye_8.png,0,train", "eye_8.png,0,val"))
    with pytest.raises(UserError, match="the validation split has 1 closed and 0 open eyes"):
        load_eyes(*options(), file)


@pytest.mark.parametrize(("third", "kept"), [("", 0), ("dev", 4)])
def test_the_test_split_validates_where_there_is_no_other_and_is_else_kept_out(
    tmp_path: Path, third: str, kept: int
) -> None:
    file = write_csv(tmp_path, "path,class_id,split", ",Training", count=16)
    lines = file.read_text().splitlines()
    lines[9:13] = [line.replace("Training", third or "Training") for line in lines[9:13]]
    lines[13:] = [line.replace("Training", " TESTING ") for line in lines[13:]]
    file.write_text("\n".join(lines))
    splits = load_eyes(*options(), file)
    names = [f"images/eye_{k}.png" for k in range(16)]
    validates, rest = (names[8:12], names[12:]) if third else (names[12:], [])
    assert list(splits.val.names) == validates and len(splits.train) == 16 - len(validates) - kept
    assert (list(splits.test().names) if splits.test else []) == rest
    (note,) = (note for note in splits.notes if note.startswith("split:"))
    assert (f"{kept} of TEST are kept out" in note) == bool(kept) and ("is chosen on TEST" in note) == (not kept)


@pytest.mark.parametrize("name", ["eyes.csv.backup", "eyes.CSV", "eyes.csv.1", "eyes.txt", "eyes.tsv", "eyes"])
@pytest.mark.parametrize("mark", [",", "\t", ";"])
def test_a_table_is_known_by_its_content(tmp_path: Path, name: str, mark: str) -> None:
    file = write_csv(tmp_path)
    text = file.read_text().replace(",", mark)
    file.unlink()
    (tmp_path / name).write_text(text)
    assert len(load_eyes(*options(), tmp_path / name).train) == 8


@pytest.mark.parametrize("column", ["Split", "SPLIT", "subset", "Usage"])
def test_a_split_column_of_another_name_keeps_the_test_split_out(tmp_path: Path, column: str) -> None:
    file = write_csv(tmp_path, f"path,class_id,{column}", ",train", count=16)
    lines = file.read_text().splitlines()
    lines[9:13] = [line.replace("train", "dev") for line in lines[9:13]]
    lines[13:] = [line.replace("train", "Test") for line in lines[13:]]
    file.write_text("\n".join(lines))
    splits = load_eyes(*options(), file)
    assert (len(splits.train), len(splits.val)) == (8, 4)
    assert splits.test is not None and len(splits.test()) == 4
    said = any(note == f"the column {column} names the split" for note in splits.notes)
    assert said == (column.lower() != "split")
