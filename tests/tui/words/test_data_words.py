"""What the audit of the data says in words: marks, figures, and lines that fit."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from trainctl.tui.words.data import section_lines

BALANCE: dict[str, Any] = {
    "classes": ["closed", "open"],
    "splits": [
        {"name": "train", "num_samples": 100, "counts": [20, 80], "shares": [0.2, 0.8], "outside": 0},
        {"name": "val", "num_samples": 10, "counts": [5, 5], "shares": [0.5, 0.5], "outside": 0},
    ],
    "groups": None,
    "notes": ["built-in eyes, drawn and split at random within each class, which is a long story"],
}
SAMPLER: dict[str, Any] = {
    "kind": "RandomSampler",
    "num_samples": 100,
    "num_batches": 6,
    "sizes": [16, 16],
    "drawn": 96,
    "distinct": 96,
    "repeated": 0,
    "left_out": 4,
    "classes": {
        "names": ["closed", "open"],
        "per_batch": [1, 2.0, 2],
        "expected": 1.99,
        "observed": 1.8,
        "one_class": 1,
        "drawn_shares": [0.2, 0.8],
        "data_shares": [0.2, 0.8],
        "first": [
            {"counts": [3, 13], "distinct": 2, "expected": 1.99},
            {"counts": [0, 16], "distinct": 1, "expected": 1.99},
        ],
    },
}
TENSORS: dict[str, Any] = {
    "tensors": [
        {"split": "train", "name": "images", "shape": [100, 3, 32, 64], "dtype": "float32", "mean": 0.5, "std": None,
         "min": 0.0, "max": 1.0, "nonfinite": 2, "looked_at": 100}
    ],
    "copies": {"val_in_train": 3, "num_val": 10, "repeated_in_train": 0.02, "example": ["a", "b"],
               "contradicted": 4, "labelled": 50, "contradiction": ["c", "d"]},
}  # fmt: skip
SAMPLES: dict[str, Any] = {
    "classes": ["closed"],
    "samples": [{"name": "x" * 90, "class": 0}],
    "no_pictures": "no images",
}
ALL = {"balance": BALANCE, "sampler": SAMPLER, "tensors": TENSORS, "samples": SAMPLES}


def text(name: str, section: dict[str, Any], width: int = 78) -> list[str]:
    return ["".join(piece for piece, _ in line) for line in section_lines(name, section, width)]


def styles(name: str, section: dict[str, Any], word: str) -> set[str]:
    return {style for line in section_lines(name, section, 78) for piece, style in line if word in piece}


@pytest.mark.parametrize("width", [50, 78, 118])
@pytest.mark.parametrize("name", ALL)
def test_no_line_is_wider_than_the_room(name: str, width: int):
    assert max(map(len, text(name, ALL[name], width))) <= width


def test_balance_gives_counts_shares_and_the_ratio():
    lines = text("balance", BALANCE)
    assert any("closed" in line and "20" in line and "20.0%" in line for line in lines)
    assert "✓ largest class 4.0 times the smallest" in lines
    bars = [line.count("█") for line in lines if "█" in line]
    assert bars[1] == pytest.approx(4 * bars[0], abs=2) and bars[2] == bars[3]


def test_a_strong_imbalance_is_a_warning_and_an_empty_class_an_error():
    section = deepcopy(BALANCE)
    section["splits"][0] |= {"counts": [5, 95], "shares": [0.05, 0.95]}
    assert styles("balance", section, "19.0 times") == {"warning"}
    section["splits"][0] |= {"counts": [0, 100], "shares": [0.0, 1.0]}
    assert styles("balance", section, "no sample of closed") == {"error"}


def test_groups_on_both_sides_are_an_error():
    section = deepcopy(BALANCE)
    section["groups"] = {"train": 9, "val": 3, "shared": 1, "fix": {}}
    assert styles("balance", section, "in both") == {"error"}


def test_the_batches_are_set_against_chance():
    lines = text("sampler", SAMPLER)
    assert "  classes per batch: 1 least, 2 median, 2 most" in lines
    assert "× 1 of 6 batches hold one class only" in lines
    assert any("96 of 100 samples are drawn, 4 left out" in line for line in lines)
    assert "✓ 0:  3 13  2 classes, chance 2.0" in lines
    assert "× 1:  0 16  1 classes, chance 2.0" in lines


def test_drawing_with_replacement_is_said():
    section = SAMPLER | {"repeated": 30, "left_out": 40, "distinct": 60}
    assert styles("sampler", section, "30 more than once") == {"warning"}
    assert styles("sampler", SAMPLER | {"left_out": 0}, "each of the 100 samples once") == {"ok"}


def test_tensors_name_what_is_not_finite_and_copies():
    lines = "\n".join(text("tensors", TENSORS))
    assert "float32 100×3×32×64" in lines and "mean 0.5  std -  min 0  max 1" in lines
    assert "× 2 values are not finite" in lines
    assert "3 of 10 validation samples are in train too" in lines and "e.g. a and b" in lines
    assert "4 of 50 samples have an equal with another label, e.g. c and d" in lines


def test_what_is_missing_says_why():
    assert text("sampler", {"missing": "no batch can be formed"}) == ["! no batch can be formed"]


@pytest.mark.parametrize(
    ("changes", "mark", "words"),
    [
        (
            {"distinct": 64, "num_samples": 102, "left_out": 38, "repeated": 0, "sizes": [64, 64], "never": 0},
            "!",
            ("38 left out (37%)", "train.drop_last=false", "train.batch_size=51", "others in each epoch"),
        ),
        (
            {"distinct": 64, "num_samples": 102, "left_out": 38, "repeated": 0, "sizes": [16, 16], "never": 38,
             "by_drop_last": False},
            "!",
            ("by the sampler", "38 of them not in any of the run's first 20 epochs"),
        ),
        ({"distinct": 960, "num_samples": 1000, "left_out": 40, "repeated": 0, "sizes": [64, 64], "never": 0}, "✓", ()),
        (
            {"distinct": 960, "num_samples": 1000, "left_out": 40, "repeated": 0, "sizes": [64, 64], "never": 40},
            "!",
            ("40 of them not in any of the run's first 20 epochs",),
        ),
        ({"distinct": 96, "num_samples": 96, "left_out": 0, "repeated": 0, "sizes": [32, 32], "never": 0}, "✓", ()),
    ],
)  # fmt: skip
def test_samples_that_are_left_out_are_a_tick_only_where_they_are_few(
    changes: dict[str, Any], mark: str, words: tuple[str, ...]
):
    section = {**SAMPLER, "by_drop_last": True, "fitting_batch": 51, "epochs": 20, **changes}
    lines = text("sampler", section, 200)
    line = next(one for one in lines if "are drawn" in one or "once" in one)
    assert line.startswith(mark)
    assert all(word in line for word in words)
