"""Splits keep class shares and whole groups, and depend on the seed alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainctl.engine.data.split import grouped_split, stratified_split
from trainctl.engine.errors import UserError


@given(st.integers(2, 60), st.integers(2, 60), st.floats(0.05, 0.95), st.integers(0, 2**31))
def test_each_class_is_split_by_the_asked_share(closed: int, opened: int, fraction: float, seed: int) -> None:
    labels = np.array([0] * closed + [1] * opened)
    held_out = stratified_split(labels, fraction, seed)
    for label, count in ((0, closed), (1, opened)):
        chosen = int(held_out[labels == label].sum())
        assert 1 <= chosen <= count - 1
        assert abs(chosen - fraction * count) <= 1
    assert np.array_equal(held_out, stratified_split(labels, fraction, seed))


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 1)), min_size=4, max_size=80), st.integers(0, 99))
def test_no_group_is_on_both_sides(samples: list[tuple[int, int]], seed: int) -> None:
    groups = [f"person {group}" for group, _ in samples]
    labels = np.array([label for _, label in samples])
    if len(set(groups)) < 2:
        return
    held_out = grouped_split(labels, groups, 0.25, seed)
    val = {group for group, out in zip(groups, held_out, strict=True) if out}
    train = {group for group, out in zip(groups, held_out, strict=True) if not out}
    assert val
    assert train
    assert val.isdisjoint(train)


def test_grouped_split_keeps_size_and_class_shares() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 30, 200)
    groups = [f"p{i}" for i, size in enumerate(sizes) for _ in range(size)]
    person_share = rng.random(200).repeat(sizes)
    labels = (rng.random(len(groups)) < person_share).astype(np.int64)
    held_out = grouped_split(labels, groups, 0.2, 1)
    assert held_out.mean() == pytest.approx(0.2, abs=0.01)
    assert labels[held_out].mean() == pytest.approx(labels.mean(), abs=0.02)


def test_another_seed_holds_out_other_groups() -> None:
    groups = [f"p{i // 4}" for i in range(400)]
    labels = np.arange(400) % 2
    assert not np.array_equal(grouped_split(labels, groups, 0.2, 1), grouped_split(labels, groups, 0.2, 2))


def test_one_group_cannot_be_split() -> None:
    with pytest.raises(UserError, match="every sample is in the same group"):
        grouped_split(np.array([0, 1, 1]), ["a"] * 3, 0.2, 0)
