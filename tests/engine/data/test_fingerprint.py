"""Equal data have equal fingerprints; another name, label, class, number or shape makes another."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from trainctl.engine.data.batch import Split, Splits
from trainctl.engine.data.fingerprint import fingerprints

LABELS = torch.tensor([0, 1, 1])


def splits(**val: object) -> Splits:
    train = Split({"x": torch.zeros(4, 2)}, torch.tensor([0, 0, 1, 1]), ["a", "b", "c", "d"])
    own: dict[str, object] = {"tensors": {"x": torch.zeros(3, 2)}, "labels": LABELS, "names": ["e", "f", "g"]}
    return Splits(train, Split(**(own | val)), ("no", "yes"))  # pyright: ignore[reportArgumentType]


def test_the_same_data_have_the_same_fingerprint() -> None:
    assert fingerprints(splits()) == fingerprints(splits())
    assert set(fingerprints(splits())) == {"train", "val"}


@pytest.mark.parametrize(
    "val",
    [
        {"names": ["e", "f", "h"]},
        {"names": ["f", "e", "g"]},
        {"labels": torch.tensor([1, 1, 1])},
        {"tensors": {"x": torch.zeros(3, 3)}},
        {"tensors": {"x": torch.zeros(3, 2, dtype=torch.uint8)}},
        {"tensors": {"x": torch.zeros(2, 2)}, "labels": LABELS[:2], "names": ["e", "f"]},
    ],
)
def test_another_validation_has_another_fingerprint_and_the_training_keeps_its_own(val: dict[str, object]) -> None:
    before, after = fingerprints(splits()), fingerprints(splits(**val))
    assert before["train"] == after["train"] and before["val"] != after["val"]


def test_other_classes_are_other_data() -> None:
    assert fingerprints(replace(splits(), classes=("off", "on"))) != fingerprints(splits())
