"""`load_quality`: splits by photograph, scores, names, and copies that are kept for the next time."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from quality_files import distort_cheaply, options, write_photograph, write_photographs

from trainctl.engine.data.batch import Splits
from trainctl.engine.data.distortions.table import DISTORTIONS
from trainctl.engine.data.progress import reporting_to
from trainctl.engine.data.quality import cache as quality_cache
from trainctl.engine.data.quality import made as quality_made
from trainctl.engine.data.quality import references as quality_references
from trainctl.engine.data.quality.load import describe_type, load_quality, read_photographs
from trainctl.engine.data.quality.options import QualityData
from trainctl.engine.errors import UserError


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Cheap distortions and a cache of its own; gives the folder of the cache."""
    monkeypatch.setattr(quality_made, "distort", distort_cheaply)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "trainctl" / "quality"


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    return write_photographs(tmp_path / "photographs")


def is_same(one: Splits, other: Splits) -> bool:
    return all(
        a.names == b.names
        and a.groups == b.groups
        and all(a.tensors[name].equal(b.tensors[name]) for name in a.tensors)
        for a, b in ((one.train, other.train), (one.val, other.val))
    )


def test_every_copy_of_a_photograph_is_on_one_side(photographs: Path) -> None:
    splits = load_quality(*options(references=12, val_fraction=0.4), photographs)
    train, val = set(splits.train.groups), set(splits.val.groups)
    assert (len(train), len(val)) == (3, 2)
    assert not train & val
    assert len(splits.train) + len(splits.val) == 12 * 126
    assert splits.classes == ()
    assert "2 of 5 reference photographs held out" in splits.notes[-1]


def test_scores_kinds_and_names_belong_together(photographs: Path) -> None:
    splits = load_quality(*options(), photographs)
    for split in (splits.train, splits.val):
        kept = split.tensors
        assert kept["images"].dtype == torch.uint8
        assert kept["score"].dtype == torch.float32
        assert kept["type"].dtype == kept["level"].dtype == torch.int64
        for row in range(0, len(split), 17):
            number, level = int(kept["type"][row]), int(kept["level"][row])
            name, group = split.names[row], split.groups[row]
            assert name.startswith(f"{group} at ")
            assert name.endswith(describe_type(number, level))
            expected = DISTORTIONS[number - 1].score(level) if number else 1.0
            assert kept["score"][row].item() == pytest.approx(expected)


def test_a_batch_of_validation_is_a_sample_of_the_whole(photographs: Path) -> None:
    val = load_quality(*options(references=10, val_fraction=0.4), photographs).val
    assert len(set(val.groups[:32])) == 2
    assert len(set(val.tensors["type"][:64].tolist())) > 12


def test_without_pristine_there_are_125_copies(photographs: Path) -> None:
    splits = load_quality(*options(pristine=False), photographs)
    assert len(splits.train) + len(splits.val) == 6 * 125
    assert int(splits.train.tensors["type"].min()) == 1


def test_the_held_out_share_leaves_the_copies_as_they_are(photographs: Path) -> None:
    few, many = (load_quality(*options(val_fraction=share, cache=False), photographs) for share in (0.2, 0.6))
    assert few.train.tensors["images"][: len(many.train)].equal(many.train.tensors["images"])


def test_the_second_time_the_copies_are_found(photographs: Path, monkeypatch: pytest.MonkeyPatch, cheap: Path) -> None:
    first = load_quality(*options(), photographs)
    assert any("copies kept in" in note for note in first.notes)
    assert len(list(cheap.iterdir())) == 1
    monkeypatch.delattr(quality_made, "distort")
    monkeypatch.setattr(quality_references, "photograph_references", None)
    second = load_quality(*options(), photographs)
    assert is_same(first, second)
    assert any("copies found in" in note for note in second.notes)


@pytest.mark.parametrize("change", ["seed", "references", "photograph", "pristine"])
def test_what_changes_the_copies_makes_them_anew(photographs: Path, change: str, cheap: Path) -> None:
    load_quality(*options(), photographs)
    changed: dict[str, int] = {"seed": 1} if change == "seed" else {"references": 5} if change == "references" else {}
    if change == "pristine":
        changed = {"pristine": 0}
    if change == "photograph":
        write_photograph(photographs / "photo0.png", 99)
        os.utime(photographs / "photo0.png", (1, 1))
    load_quality(*options(**changed), photographs)
    assert len(list(cheap.iterdir())) == 2


def test_damaged_copies_are_made_anew(photographs: Path, cheap: Path) -> None:
    first = load_quality(*options(), photographs)
    (file,) = cheap.glob("*/images.npy")
    file.write_bytes(file.read_bytes()[:-9])
    again = load_quality(*options(), photographs)
    assert is_same(first, again)
    assert any("copies kept in" in note for note in again.notes)


def test_no_cache_writes_nothing(photographs: Path, cheap: Path) -> None:
    splits = load_quality(*options(cache=False), photographs)
    assert not cheap.exists()
    assert not any("copies" in note and "cache" in note for note in splits.notes)


def test_a_full_disk_costs_a_note(photographs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(quality_cache, "write_all", refuse)
    splits = load_quality(*options(), photographs)
    assert len(splits.train) > 0
    assert any("not kept for the next time" in note and "No space left" in note for note in splits.notes)


def test_built_in_tiles_are_split_and_their_kinship_is_said() -> None:
    splits = load_quality(*options(references=8, val_fraction=0.25), None)
    assert len(set(splits.val.groups)) == 2
    assert not set(splits.train.groups) & set(splits.val.groups)
    assert any("both sides of the split" in note for note in splits.notes)
    assert is_same(splits, load_quality(*options(references=8, val_fraction=0.25), None))


def test_whoever_listens_is_told_how_far_it_is(photographs: Path) -> None:
    told: list[tuple[str, int, int]] = []
    with reporting_to(lambda *news: told.append(news)):
        load_quality(*options(), photographs)
    assert {what for what, _, _ in told} == {"reading photographs", "distorting pictures"}
    assert told[-1][1] == told[-1][2]
    load_quality(*options(), photographs, lambda *news: told.clear())
    assert told[-1][1] == told[-1][2]  # found in the cache: nothing to tell


@pytest.mark.parametrize(
    ("chosen", "says"),
    [({"references": 1}, "data.references=1 cannot be split"), ({"image_size": 8}, "data.image_size=8 is too small")],
)
def test_options_that_cannot_work_are_refused(chosen: dict[str, int], says: str) -> None:
    with pytest.raises(UserError, match=says):
        load_quality(*options(**chosen), None)


def test_files_to_predict_are_cut_and_named_when_they_cannot_be(tmp_path: Path) -> None:
    good, small = write_photograph(tmp_path / "a.png", 0), write_photograph(tmp_path / "b.png", 1, (9, 9))
    assert read_photographs([good, good], 16).shape == (2, 3, 16, 16)
    with pytest.raises(UserError, match=r"1 of 2 files: .*b.png \(9×9 pixels are fewer than 16×16\)"):
        read_photographs([good, small], 16)


def test_a_kind_in_words() -> None:
    assert [describe_type(0, 0), describe_type(10, 4)] == ["pristine", "jpeg 4"]


def test_a_photograph_under_two_names_is_on_one_side_only(tmp_path: Path) -> None:
    for k in range(6):
        pixels = np.random.default_rng(k).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        for name in (f"a/{k}.png", f"b/copy of {k}.png"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / name)
    splits = load_quality(QualityData(references=12, images=60, image_size=32, cache=False), 0, tmp_path)
    groups = {*splits.train.groups, *splits.val.groups}
    assert groups == {f"a/{k}.png" for k in range(6)}
    assert "6 photographs are others byte for byte and were left out, e.g. b/copy of 0.png = a/0.png" in splits.notes
