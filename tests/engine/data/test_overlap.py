"""What stands on both sides of a split, and that a run records it."""

from __future__ import annotations

import torch
from torch import Tensor

from trainctl.engine.data.batch import Split, Splits
from trainctl.engine.data.leak_check import Leak
from trainctl.engine.data.overlap import find_copies, find_shared_groups, overlap_about


def pictures(count: int, seed: int) -> Tensor:
    return torch.randint(0, 256, (count, 3, 4, 4), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def split(images: Tensor, groups: str = "", name: str = "t") -> Split:
    return Split({"images": images}, None, [f"{name}{k}" for k in range(len(images))], groups.split())


def test_copies_are_counted_over_what_is_not_blank_and_an_example_is_named() -> None:
    blank = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    train = torch.cat([pictures(5, 0), blank])
    val = torch.cat([pictures(4, 1), train[3:4], train[3:4], blank])
    found = find_copies(Splits(split(train), split(val, name="v")))
    assert found is not None
    assert (found.compared, found.shared, found.example, found.repeated_share) == (6, 2, ("v4", "t3"), 0.0)


def test_groups_on_both_sides_are_counted_with_their_samples() -> None:
    splits = Splits(split(pictures(4, 0), "ann bob bob cy"), split(pictures(5, 1), "bob dan cy cy cy"))
    found = find_shared_groups(splits)
    assert found is not None
    assert (found.train, found.val, found.shared, found.named, found.val_samples) == (3, 3, 2, ("bob", "cy"), 4)
    assert find_shared_groups(Splits(split(pictures(4, 0)), split(pictures(5, 1)))) is None


def test_what_a_run_records_holds_counts_and_shares() -> None:
    train, val = pictures(6, 0), pictures(4, 1)
    val[0] = train[2]
    splits = Splits(split(train, "a a b b c c"), split(val, "c d d d", "v"), leak=Leak(3, 4, ("v0", "t2")))
    about = overlap_about(splits)
    assert about["num_val"] == 4 and about["missing"] == ""
    assert about["copies"] == {
        "compared": 4, "shared": 1, "repeated_share": 0.0, "example": ("v0", "t2"), "share": 0.25,
        "samples": 0, "contradicted": 0, "contradiction": None,
    }  # fmt: skip
    assert about["near"] == {"count": 3, "total": 4, "share": 0.75, "example": ("v0", "t2")}
    assert about["groups"]["shared"] == 1 and about["groups"]["share"] == 0.25


def test_without_time_nothing_is_compared_and_that_is_said() -> None:
    about = overlap_about(Splits(split(pictures(6, 0)), split(pictures(6, 0))), budget_s=0.0)
    assert about["copies"] is None and about["missing"] == "the samples were not compared within 0 s"


def test_equal_samples_under_two_labels_are_counted_in_and_across_the_splits() -> None:
    train, val = pictures(6, 0), pictures(4, 1)
    train[1], val[2], val[3] = train[0], train[4], train[5]
    train_labels, val_labels = torch.tensor([0, 1, 1, 0, 0, 1]), torch.tensor([0, 0, 1, 1])
    splits = Splits(
        Split({"images": train}, train_labels, [f"t{k}" for k in range(6)]),
        Split({"images": val}, val_labels, [f"v{k}" for k in range(4)]),
    )
    found = find_copies(splits)
    assert found is not None
    assert (found.samples, found.contradicted, found.contradiction) == (10, 4, ("t0", "t1"))
    val_labels[2] = 0
    again = find_copies(splits)
    assert again is not None and (again.shared, again.contradicted) == (2, 2)
