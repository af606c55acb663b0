"""Weld data of the user: manifest with a file for each sample, one file for all, and every mistake in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainctl.engine.data.batch import Splits
from trainctl.engine.data.weld.arrays import read_arrays, resampled
from trainctl.engine.data.weld.load import built_in_counts, find_manifest, load_weld, load_weld_labels
from trainctl.engine.data.weld.manifest import number_classes, read_manifest
from trainctl.engine.data.weld.options import CLASSES, WeldData
from trainctl.engine.errors import UserError

SHAPES = {"video": [2, 8], "image": [5, 6], "audio": [1, 6], "sensor": [16, 3]}
HEADER = "CATEGORY,WELD_TYPE,DIRECTORY,SUBDIRS,SPLIT\n"


SEED = 42


def options_with(**data: Any) -> WeldData:
    return WeldData.model_validate({**SHAPES, "samples": 24, **data})


def loaded(options: WeldData, path: Path | None) -> Splits:
    return load_weld(options, SEED, path, val_batch_size=8)


def arrays_of(row: int, leave_out: str = "") -> dict[str, Any]:
    return {name: np.full(shape, float(row + 1), np.float32) for name, shape in SHAPES.items() if name not in leave_out}


def write_set(folder: Path, rows: list[tuple[str, str, str, str]], *, media: bool = True) -> Path:
    """A manifest of (category, directory, subdir, split), and the features of each sample."""
    lines = [f"{category},NON_FILLET,{directory},{sub},{split}\n" for category, directory, sub, split in rows]
    (folder / "manifest.csv").write_text(HEADER + "".join(lines), encoding="utf-8")
    for row, (_, _, sub, _) in enumerate(rows if media else []):
        (folder / sub).parent.mkdir(parents=True, exist_ok=True)
        np.savez(folder / f"{sub}.npz", **arrays_of(row))
    return folder


@pytest.fixture
def rows() -> list[tuple[str, str, str, str]]:
    names = ("Good", "Porosity_w_Excessive_Penetration", "Crater_Cracks")
    return [
        (name, f"{name}_{n // 2}", f"{name}_{n // 2}/08-17-{n:02d}", "TRAIN" if n < 4 else "VAL" if n < 6 else "TEST")
        for name in names
        for n in range(7)
    ]


def test_a_manifest_gives_classes_sides_and_features(tmp_path: Path, rows: list[Any]) -> None:
    splits = loaded(options_with(), write_set(tmp_path, rows))
    assert (len(splits.train), len(splits.val)) == (12, 6)
    assert splits.classes == CLASSES
    assert splits.train.labels is not None
    row = list(splits.train.names).index("Crater_Cracks_1/08-17-03")
    assert CLASSES[int(splits.train.labels[row])] == "crater_cracks"
    assert splits.train.tensors["sensor"][row].unique().tolist() == [18.0]
    assert splits.train.tensors["present"].all()
    assert splits.train.groups[row] == "Crater_Cracks_1"
    assert splits.notes[-1] == (
        "split: as the data name it, 12 of TRAIN train, 6 of VAL validate; 3 of TEST are kept out "
        "(measured by: trainctl evaluate --split test)"
    )
    assert splits.test is not None
    assert list(splits.test().names) == [f"{name}_3/08-17-06" for name in (rows[0][0], rows[7][0], rows[14][0])]
    assert splits.test().tensors["video"][2].unique().tolist() == [21.0]


def test_the_manifest_may_be_named_itself(tmp_path: Path, rows: list[Any]) -> None:
    assert len(loaded(options_with(), write_set(tmp_path, rows) / "manifest.csv").train) == 12


def test_validation_batches_are_stratified_in_order(tmp_path: Path, rows: list[Any]) -> None:
    val = loaded(options_with(split="stratified", val_fraction=0.5), write_set(tmp_path, rows)).val
    assert val.labels is not None
    for batch in val.labels.split(8)[:-1]:
        assert len(batch.unique()) == 3


def test_labels_and_splits_can_be_read_without_any_media(tmp_path: Path, rows: list[Any]) -> None:
    manifest = find_manifest(write_set(tmp_path, rows, media=False))
    assert manifest is not None
    assert manifest.counts("train") == {"good": 4, "porosity_w_excessive_penetration": 4, "crater_cracks": 4}


def test_absent_media_are_said_in_one_line_with_what_was_looked_for(tmp_path: Path, rows: list[Any]) -> None:
    with pytest.raises(UserError) as caught:
        loaded(options_with(), write_set(tmp_path, rows, media=False))
    assert str(caught.value) == (
        f"21 of 21 samples of {tmp_path}/manifest.csv have no features (looked for {tmp_path}/Good_0/08-17-00.npz, "
        f"{tmp_path}/Good_0/08-17-01.npz …); save video/image/audio/sensor of each as SUBDIRS.npz beside the manifest"
    )


def test_labels_alone_are_split_as_configured_where_features_are_missing(tmp_path: Path, rows: list[Any]) -> None:
    path = write_set(tmp_path, rows, media=False)
    splits = load_weld_labels(options_with(), SEED, path)
    assert splits is not None
    assert (list(splits.train.tensors), len(splits.train), len(splits.val)) == (["labels"], 12, 6)
    assert splits.notes[0] == f"labels only: 21 of 21 samples of {path}/manifest.csv have no features"
    assert set(splits.train.groups) >= {"Good_0", "Crater_Cracks_1"}


def test_labels_alone_are_not_offered_where_nothing_is_missing(tmp_path: Path, rows: list[Any]) -> None:
    assert load_weld_labels(options_with(), SEED, write_set(tmp_path, rows)) is None
    np.savez(tmp_path / "welds.npz", label=np.zeros(3), **arrays_of(0))
    assert load_weld_labels(options_with(), SEED, tmp_path / "welds.npz") is None


def test_single_missing_samples_may_be_left_out_on_request(tmp_path: Path, rows: list[Any]) -> None:
    write_set(tmp_path, rows)
    (tmp_path / f"{rows[0][2]}.npz").unlink()
    with pytest.raises(UserError, match=r"1 of 21 samples .* data\.skip_missing=true"):
        loaded(options_with(), tmp_path)
    splits = loaded(options_with(skip_missing=True), tmp_path)
    assert len(splits.train) == 11 and "1 of 21" in splits.notes[0]


def test_a_sample_without_a_modality_is_marked_and_holds_zeros(tmp_path: Path, rows: list[Any]) -> None:
    write_set(tmp_path, rows)
    np.savez(tmp_path / f"{rows[0][2]}.npz", **arrays_of(0, leave_out="audio"))
    train = loaded(options_with(), tmp_path).train
    assert train.tensors["present"][0].tolist() == [True, True, False, True]
    assert not train.tensors["audio"][0].any()


def test_a_split_can_be_made_anew_by_recording(tmp_path: Path, rows: list[Any]) -> None:
    splits = loaded(options_with(split="grouped", val_fraction=0.3), write_set(tmp_path, rows))
    assert not set(splits.train.groups) & set(splits.val.groups)
    assert len(splits.train) + len(splits.val) == 21


def test_a_split_made_anew_uses_the_test_samples_too(tmp_path: Path, rows: list[Any]) -> None:
    splits = loaded(options_with(split="stratified"), write_set(tmp_path, rows))
    assert len(splits.train) + len(splits.val) == 21


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CATEGORY,SPLIT\nGood,TRAIN\n", "has no column SUBDIRS (found: CATEGORY, SPLIT)"),
        (HEADER, "has no rows"),
        (HEADER + "Good,x,d,d/1,TRAIN\nGood,x,d,d/2,HOLDOUT\n", "line 3: unknown split 'HOLDOUT'"),
        (HEADER + "Good,x,d,d/1,TRAIN\n,x,d,d/2,TRAIN\n", "line 3: CATEGORY is empty"),
        (HEADER + "Good,x,d\n", "line 2: 3 values for 5 columns"),
        ("", "has no columns CATEGORY, SUBDIRS (found: none)"),
    ],
)
def test_a_wrong_manifest_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "manifest.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_manifest(tmp_path / "manifest.csv")
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_categories_are_the_twelve_however_they_are_written_else_those_that_occur() -> None:
    assert number_classes(["Good", "crater cracks", "Lack-of-Fusion"]) == (CLASSES, [0, 9, 3])
    assert number_classes(["10", "9", "10"]) == (("9", "10"), [1, 0, 1])
    assert number_classes(["good", "bent"]) == (("bent", "good"), [1, 0])


# --- one file for all -------------------------------------------------------------------------------------------


def whole_set(num: int = 12, **changes: Any) -> dict[str, Any]:
    arrays: dict[str, Any] = {name: np.ones((num, *shape), np.float32) for name, shape in SHAPES.items()}
    arrays["label"] = np.array(["good", "overlap"] * (num // 2))
    return {name: array for name, array in {**arrays, **changes}.items() if array is not None}


def test_one_file_holds_all_samples_and_nan_marks_a_missing_modality(tmp_path: Path) -> None:
    audio = np.ones((12, 1, 6), np.float32)
    audio[3] = np.nan
    split = np.array(["train"] * 8 + ["val"] * 4)
    np.savez(tmp_path / "welds.npz", **whole_set(audio=audio, split=split, sensor=None))
    splits = loaded(options_with(), tmp_path / "welds.npz")
    assert (len(splits.train), len(splits.val), splits.classes) == (8, 4, CLASSES)
    present = splits.train.tensors["present"]
    assert present[3].tolist() == [True, True, False, False] and present[0].tolist() == [True, True, True, False]
    assert all(tensor.isfinite().all() for tensor in splits.train.tensors.values())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": None}, "has no array label (found: video, image, audio, sensor)"),
        (dict.fromkeys(SHAPES), "has none of the arrays video, image, audio, sensor (found: label)"),
        ({"video": np.ones((11, 2, 8))}, "video has 11 samples, label has 12"),
        ({"image": np.ones((12, 5, 7))}, "image has 7 features, data.image says 6; set data.image=[5,7]"),
        ({"audio": np.ones(12)}, "audio has shape (12,)"),
        ({"sensor": np.array([["a"] * 3] * 12)}, "sensor is of type <U1; give numbers"),
        ({"split": np.array(["train"] * 11 + ["holdout"])}, "sample 11: unknown split 'holdout'"),
    ],
)
def test_a_wrong_array_is_said_in_one_line(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "welds.npz", **whole_set(**changes))
    with pytest.raises(UserError) as caught:
        loaded(options_with(), tmp_path / "welds.npz")
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_sample_without_any_modality_is_refused(tmp_path: Path) -> None:
    video = np.ones((12, 2, 8))
    video[5] = np.nan
    np.savez(tmp_path / "welds.npz", **whole_set(video=video, image=None, audio=None, sensor=None))
    with pytest.raises(UserError, match="sample 5 has no modality"):
        loaded(options_with(), tmp_path / "welds.npz")


def test_a_file_that_is_no_archive_or_holds_objects_is_refused_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"not an archive")
    np.savez(tmp_path / "b.npz", label=np.array([{"a": 1}], dtype=object))
    for name, reason in (("a", "BadZipFile"), ("b", "label holds Python objects")):
        with pytest.raises(UserError, match=rf"cannot read .*{name}\.npz as \.npz: {reason}"):
            read_arrays(tmp_path / f"{name}.npz")


@pytest.mark.parametrize(
    ("name", "message"),
    [("none", "no file or folder"), ("", "holds no manifest.csv"), ("x.txt", "has no columns CATEGORY, SUBDIRS")],
)
def test_a_path_that_holds_no_welds_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "x.txt").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match=message):
        loaded(options_with(), tmp_path / name)


def test_rows_are_taken_at_even_distances_or_repeated() -> None:
    rows = torch.arange(5.0).view(1, 5, 1)
    assert resampled(rows, 3).flatten().tolist() == [0, 2, 4]
    assert resampled(rows[:, :2], 4).flatten().tolist() == [0, 0, 1, 1]
    assert resampled(rows, 5) is rows


# --- built in -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variant", "train", "num_val"),
    [
        ("balanced", [48] * 12, 12),
        ("one-class-train", [576], 12),
        ("550-10-8", [550, 10, 8, 8, 8, 8], 6),
    ],
)
def test_the_variants_have_the_counts_of_the_documents(variant: Any, train: list[int], num_val: int) -> None:
    counts, val = built_in_counts(WeldData(variant=variant))
    assert counts == train
    assert len(val) == num_val and sum(val) == 240 and max(val) - min(val) <= 1


def test_the_built_in_splits_share_no_sample_and_hold_the_classes_of_the_variant() -> None:
    splits = loaded(options_with(variant="one-class-train", val_samples=24, missing=0.0), None)
    assert splits.train.labels is not None and splits.val.labels is not None
    assert splits.train.labels.unique().tolist() == [0]
    assert len(splits.val.labels.unique()) == 12
    assert not torch.isin(splits.val.tensors["video"][:, 0, 0], splits.train.tensors["video"][:, 0, 0]).any()


def test_too_few_built_in_samples_are_refused() -> None:
    with pytest.raises(UserError, match="fewer than 2 of a class; use 24 or more of each"):
        loaded(options_with(samples=23), None)
