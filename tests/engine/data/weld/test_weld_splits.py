"""The split of a weld manifest: used as it names it, every row accounted for, made anew by recording on request."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainctl.engine.data.batch import Splits
from trainctl.engine.data.weld.load import load_weld, load_weld_labels
from trainctl.engine.data.weld.options import WeldData
from trainctl.engine.errors import UserError

SHAPES = {"video": [2, 8], "image": [5, 6], "audio": [1, 6], "sensor": [16, 3]}
COUNTS = {"TRAIN": 12, "VAL": 6, "TEST": 8}


def split_labels(path: Path, **data: Any) -> Splits:
    """The labels of a manifest without features, split as configured."""
    splits = load_weld_labels(WeldData.model_validate(data), 0, path)
    assert splits is not None
    return splits


def manifest(folder: Path, names: dict[str, str], header: str = "CATEGORY,DIRECTORY,SUBDIRS,SPLIT") -> Path:
    """Two classes; `names`: what the manifest calls each side. Each recording gives two samples."""
    rows: list[str] = []
    for side, name in names.items():
        for k in range(COUNTS[side]):
            number = len(rows)
            category = "Good" if k % 2 else "Overlap"
            rows.append(f"{category},rec_{number // 2},rec_{number // 2}/{number},{name}")
    (folder / "manifest.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return folder / "manifest.csv"


SPELLINGS = [
    ("TRAIN", "VAL", "TEST"),
    ("training", "Valid", "testing"),
    ("Train", "DEV", "eval"),
    ("train", "validation", " Test "),
]


@pytest.mark.parametrize(("train", "val", "test"), SPELLINGS)
def test_the_validation_split_validates_and_the_test_split_is_kept_out(
    tmp_path: Path, train: str, val: str, test: str
) -> None:
    splits = split_labels(manifest(tmp_path, {"TRAIN": train, "VAL": val, "TEST": test}))
    assert [name.partition("/")[2] for name in splits.train.names] == [str(k) for k in range(12)]
    assert [name.partition("/")[2] for name in splits.val.names] == [str(k) for k in range(12, 18)]
    assert splits.test is not None
    assert [name.partition("/")[2] for name in splits.test().names] == [str(k) for k in range(18, 26)]
    assert "12 of TRAIN train, 6 of VAL validate; 8 of TEST are kept out" in splits.notes[-1]


@pytest.mark.parametrize(("train", "val", "test"), SPELLINGS)
def test_the_test_split_validates_where_there_is_no_other(tmp_path: Path, train: str, val: str, test: str) -> None:
    splits = split_labels(manifest(tmp_path, {"TRAIN": train, "TEST": test}))
    assert (len(splits.train), len(splits.val), splits.test) == (12, 8, None)
    assert [name.partition("/")[2] for name in splits.val.names] == [str(k) for k in range(12, 20)]
    assert "the best epoch is chosen on TEST" in splits.notes[-1]


def test_a_training_split_alone_is_divided_and_said_so(tmp_path: Path) -> None:
    splits = split_labels(manifest(tmp_path, {"TRAIN": "TRAIN"}), val_fraction=0.25)
    assert (len(splits.train), len(splits.val)) == (8, 4)
    assert "the data name no validation split" in splits.notes[-1]


def test_nothing_to_train_on_is_refused_with_its_figures_and_the_option_that_helps(tmp_path: Path) -> None:
    path = manifest(tmp_path, {"VAL": "VAL", "TEST": "TEST"})
    with pytest.raises(UserError, match=r"no sample of TRAIN \(6 VAL, 8 TEST\); .*data\.split=stratified"):
        split_labels(path)
    assert len(split_labels(path, split="stratified").train) + len(split_labels(path, split="stratified").val) == 14


@pytest.mark.parametrize("data", [{"split": "grouped"}, {"group_by": "directory"}, {"group_by": r"^(rec_\d+)/"}])
def test_a_split_by_recording_replaces_that_of_the_manifest(tmp_path: Path, data: dict[str, Any]) -> None:
    path = manifest(tmp_path, {"TRAIN": "TRAIN", "VAL": "somewhere", "TEST": "TEST"})
    with pytest.raises(UserError, match="unknown split 'somewhere'"):
        split_labels(path)
    splits = split_labels(path, **data)
    assert len(splits.train) + len(splits.val) == 26 and splits.test is None
    assert not set(splits.train.groups) & set(splits.val.groups)
    assert len(set(splits.train.groups)) + len(set(splits.val.groups)) == 13
    assert "the split that the data name is not used" in splits.notes[-1]


@pytest.mark.parametrize(
    ("header", "rows", "groups"),
    [
        ("CATEGORY,SUBDIRS,SPLIT,RECORDING", ["Good,a,TRAIN,r1", "Good,b,TEST,r1"], [["r1"], ["r1"]]),
        ("CATEGORY,SUBDIRS,SPLIT", ["Good,r1/a,TRAIN", "Good,r2/b,TRAIN", "Good,r1/c,TEST"], [["r1", "r2"], ["r1"]]),
        # as many folders as classes: those are the classes
        ("CATEGORY,SUBDIRS,SPLIT", ["Good,g/a,TRAIN", "Overlap,o/b,TRAIN", "Good,g/c,TEST"], [[], []]),
        (
            "CATEGORY,SUBDIRS,SPLIT,DIRECTORY",
            ["Good,a,TRAIN,d", "Good,b,TRAIN,", "Good,c,TEST,"],
            [["d", "ungrouped sample 2"], ["ungrouped sample 3"]],
        ),
    ],
)
def test_the_recording_is_told_by_a_column_or_by_the_folder(
    tmp_path: Path, header: str, rows: list[str], groups: list[list[str]]
) -> None:
    (tmp_path / "manifest.csv").write_text("\n".join([header, *rows]), encoding="utf-8")
    splits = split_labels(tmp_path)
    assert [list(splits.train.groups), list(splits.val.groups)] == groups
    assert bool(splits.regroup) == bool(groups[0])


def test_one_file_for_all_names_recordings_and_keeps_its_test_samples(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {name: np.ones((12, *shape), np.float32) for name, shape in SHAPES.items()}
    arrays["label"] = np.array(["good", "overlap"] * 6)
    arrays["split"] = np.array(["Training"] * 6 + ["dev"] * 3 + ["TEST"] * 3)
    arrays["recording"] = np.array([f"r{k // 2}" for k in range(12)])
    np.savez(tmp_path / "welds.npz.old", **arrays)
    (tmp_path / "welds.npz.old.npz").rename(tmp_path / "welds.npz.old")
    options = WeldData.model_validate(SHAPES)
    splits = load_weld(options, 0, tmp_path / "welds.npz.old", val_batch_size=4)
    assert (len(splits.train), len(splits.val)) == (6, 3) and splits.test is not None
    assert list(splits.test().groups) == ["r4", "r5", "r5"] and len(splits.test().tensors["video"]) == 3
    anew = options.model_copy(update={"split": "grouped"})
    grouped = load_weld(anew, 0, tmp_path / "welds.npz.old", val_batch_size=4)
    assert not set(grouped.train.groups) & set(grouped.val.groups) and len(grouped.train) + len(grouped.val) == 12


@pytest.mark.parametrize("name", ["manifest.csv.backup", "manifest.CSV", "m.csv.bak", "m.csv.1", "m.txt", "m.tsv", "m"])
@pytest.mark.parametrize("mark", [",", "\t", ";"])
def test_a_manifest_is_known_by_its_content(tmp_path: Path, name: str, mark: str) -> None:
    text = manifest(tmp_path, {"TRAIN": "TRAIN", "TEST": "TEST"}).read_text().replace(",", mark)
    (tmp_path / "manifest.csv").unlink()
    (tmp_path / name).write_text("\ufeff" + text, encoding="utf-8")
    assert len(split_labels(tmp_path / name).val) == 8


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", "is neither a table nor an .npz"),
        (b"just some words\n", "has no columns CATEGORY, SUBDIRS (found: JUST SOME WORDS)"),
        ("CATEGORY,SUBDIRS\nGood,a\n".encode("utf-16"), "is neither a table nor an .npz"),
        (b",".join(b"column %d" % k for k in range(5000)), "COLUMN 11 and 4,988 more)"),
    ],
)
def test_what_is_no_manifest_is_refused_in_a_line(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "m.txt").write_bytes(content)
    with pytest.raises(UserError, match=re.escape(said)) as caught:
        load_weld(WeldData(), 0, tmp_path / "m.txt", val_batch_size=4)
    assert len(str(caught.value)) < 600 and "\n" not in str(caught.value)


NAMES = {"TRAIN": "train", "VAL": "Val", "TEST": " test"}


@pytest.mark.parametrize("column", ["SUBSET", "Set", "fold", "partition", "what it is for"])
def test_a_column_of_another_name_whose_values_are_sides_is_the_split(tmp_path: Path, column: str) -> None:
    path = manifest(tmp_path, NAMES, f"CATEGORY,DIRECTORY,SUBDIRS,{column}")
    splits = split_labels(path)
    assert (len(splits.train), len(splits.val)) == (12, 6)
    assert splits.test is not None and len(splits.test()) == 8
    assert f"the column {column.upper()} names the split" in splits.notes


@pytest.mark.parametrize("values", [("a", "b", "c"), ("0", "1", "2"), ("test", "test", "test")])
def test_a_column_of_other_values_is_no_split(tmp_path: Path, values: tuple[str, str, str]) -> None:
    names = dict(zip(COUNTS, values, strict=True))
    splits = split_labels(manifest(tmp_path, names, "CATEGORY,DIRECTORY,SUBDIRS,REMARK"))
    assert len(splits.train) + len(splits.val) == 26 and not any("names the split" in note for note in splits.notes)


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize(
    ("before", "between", "after"),
    [("\n\n", "", ""), (" \n,,,\n", "", ""), ("", "HEADER", ""), ("", " header ", ""), ("", "", ",,,\n\n ,,\n")],
    ids=["empty lines first", "lines of delimiters first", "header again", "header in lower case", "delimiters last"],
)
def test_lines_that_say_nothing_are_passed_over(
    tmp_path: Path, delimiter: str, before: str, between: str, after: str
) -> None:
    path = manifest(tmp_path, NAMES)
    header, *rows = lines_of(path)
    again = {"HEADER": [header], " header ": [header.lower().replace(",", " , ")]}.get(between, [])
    text = before + "\n".join([header, *rows[:9], *again, *rows[9:]]) + "\n" + after
    path.write_text(text.replace(",", delimiter), encoding="utf-8")
    splits = split_labels(path)
    assert splits.test is not None
    assert (len(splits.train), len(splits.val), len(splits.test())) == (12, 6, 8)


def test_two_columns_of_one_name_that_differ_are_refused_and_equal_ones_are_one(tmp_path: Path) -> None:
    path = manifest(tmp_path, NAMES)
    header, *rows = lines_of(path)
    path.write_text("\n".join([f"{header},split", *(f"{row},test" for row in rows)]), encoding="utf-8")
    with pytest.raises(UserError, match="has two columns 'SPLIT', and line 2 has 'train' and 'test' in them; rename"):
        split_labels(path)
    path.write_text("\n".join([f"{header},split", *(f"{row},{row.split(',')[-1]}" for row in rows)]), encoding="utf-8")
    assert len(split_labels(path).train) == 12


@pytest.mark.parametrize("where", ["CATEGORY", "SPLIT"])
def test_the_name_of_a_side_or_a_class_that_is_a_page_long_is_cut(tmp_path: Path, where: str) -> None:
    path = manifest(tmp_path, NAMES)
    header, *rows = lines_of(path)
    page = "x" * 5000
    if where == "SPLIT":
        rows[3] = rows[3].rpartition(",")[0] + f",{page}"
    else:
        header = header.replace(where, page)
    path.write_text("\n".join([header, *rows]), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        split_labels(path)
    assert len(str(caught.value)) < 400 and "xxxxxxxx" in str(caught.value).lower() and "…" in str(caught.value)
