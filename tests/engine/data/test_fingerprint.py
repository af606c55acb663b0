"""What a run writes of its samples tells equal data from other data, whatever they are called and however they lie."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from trainctl.engine.data.batch import Split, Splits
from trainctl.engine.data.fingerprint import fingerprints
from trainctl.engine.runs.meta import same_samples

NUM = 60
LABELS = torch.arange(NUM) % 2


def pictures(seed: int, num: int = NUM) -> Tensor:
    """Smooth pictures, as photographs are, that differ in their brightness."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(num, 3, 4, 4, generator=generator)
    return (torch.nn.functional.interpolate(coarse, (16, 16), mode="bilinear") * 255).byte()


def split(images: Tensor, labels: Tensor | None = LABELS, names: str = "a") -> Split:
    tensors = {"images": images} if labels is None else {"images": images, "labels": labels}
    return Split(tensors, labels, [f"{names}{k}" for k in range(len(images))])


def same(one: Split, other: Split) -> bool | None:
    """What is said of the two as validation splits, read back from JSON; training splits are the same in any case."""
    train = split(pictures(9))
    found = [json.loads(json.dumps(fingerprints(Splits(train, part, ("no", "yes"))))) for part in (one, other)]
    assert same_samples(found[0]["train"], found[1]["train"])
    return same_samples(found[0]["val"], found[1]["val"])


def decoded_elsewhere(images: Tensor) -> Tensor:
    noise = torch.randint(-1, 2, images.shape, generator=torch.Generator().manual_seed(5))
    return (images.int() + noise).clamp(0, 255).byte()


ORDER = torch.randperm(NUM, generator=torch.Generator().manual_seed(2))
BASE = pictures(0)


@pytest.mark.parametrize(
    "other",
    [
        lambda: split(BASE.clone()),
        lambda: split(BASE, names="renamed/"),
        lambda: Split({"images": BASE[ORDER], "labels": LABELS[ORDER]}, LABELS[ORDER],
                      [f"a{k}" for k in ORDER.tolist()]),
        lambda: split(decoded_elsewhere(BASE)),
        lambda: split(torch.nn.functional.interpolate(BASE.float(), (32, 32)).byte()),  # data.image_size
    ],
    ids=["the same", "renamed", "reordered", "another decoder", "another size of the same files"],
)  # fmt: skip
def test_the_same_samples_are_told_to_be_the_same(other: Callable[[], Split]) -> None:
    assert same(split(BASE), other()) is True


def one_replaced() -> Split:
    images = BASE.clone()
    images[7] = pictures(3, 1)[0]
    return split(images)


@pytest.mark.parametrize(
    "other",
    [
        lambda: split(pictures(1)),
        one_replaced,
        lambda: split(BASE[:-1], LABELS[:-1]),
        lambda: split(BASE, 1 - LABELS),
        lambda: split(BASE, LABELS.roll(1)),
        lambda: split(torch.nn.functional.interpolate(pictures(1).float(), (32, 32)).byte(), names="b"),
    ],
    ids=["other pictures of the same names", "one replaced", "one fewer", "labels turned", "labels moved", "all other"],
)
def test_other_samples_are_told_to_be_others(other: Callable[[], Split]) -> None:
    assert same(split(BASE), other()) is False


def test_other_classes_are_other_data() -> None:
    one = Splits(split(BASE), split(BASE), ("no", "yes"))
    found = fingerprints(one)["val"], fingerprints(replace(one, classes=("off", "on")))["val"]
    assert same_samples(*found) is False


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_features_of_any_size_are_told_apart(scale: float) -> None:
    one, two = (torch.randn(NUM, 5, 7, generator=torch.Generator().manual_seed(seed)) * scale for seed in (0, 1))
    with_nan = one.clone()
    with_nan[3] = torch.nan
    assert same(split(one), split(one[ORDER], LABELS[ORDER], "b")) is True
    assert same(split(one), split(two)) is False and same(split(with_nan), split(with_nan, names="b")) is True


class Numbers:
    """A Dataset that is read sample by sample."""

    def __init__(self, classes: list[int]) -> None:
        self.targets = classes

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        return torch.zeros(3), self.targets[row]


def test_of_samples_that_are_read_one_by_one_number_names_and_labels_are_known() -> None:
    assert same(Split(dataset=Numbers([0, 1, 1])), Split(dataset=Numbers([1, 0, 1]))) is True
    assert same(Split(dataset=Numbers([0, 1, 1])), Split(dataset=Numbers([0, 0, 1]))) is False
    assert same(Split(dataset=Numbers([0, 1])), Split(dataset=Numbers([0, 1, 1]))) is False


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("aa", "aa", True), ("aa", "bb", False), ("aa", {"num": 3}, None), (None, {"num": 3}, None), ("", "aa", None),
        ({"num": 3, "names": "a"}, {"num": 3, "names": "a", "sketch": "?"}, True),
        ({"num": "x", "sketch": {"a": [1, 2]}}, {"num": "x", "sketch": {"a": [["u", 1]]}}, True),
    ],
)  # fmt: skip
def test_what_older_versions_and_strangers_wrote_is_no_traceback(one: Any, other: Any, is_same: bool | None) -> None:
    assert same_samples(one, other) is is_same
