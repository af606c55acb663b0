"""The means of an epoch are those of its records, however they come, and an endless epoch takes no memory."""

from __future__ import annotations

import gc
import math
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.training.loop.epoch_sums import PORTION, EpochSums

LAYOUT = RecordLayout(terms=("ce", "pull"))


def records(count: int, epoch: int = 1, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    out = np.zeros(count, LAYOUT.dtype)
    out["epoch"], out["batch_size"] = epoch, rng.integers(1, 5000, count)
    for name in ("loss", "term.ce", "term.pull"):
        out[name] = rng.lognormal(0, 3, count) * rng.choice([1, 1, 1, -1], count)
    return out


def exact_means(part: np.ndarray) -> dict[str, float]:
    """Without any rounding, one number after the other."""
    sizes = [int(size) for size in part["batch_size"]]
    return {
        name.removeprefix("term."): float(
            sum((Fraction(float(v)) * n for v, n in zip(part[name], sizes, strict=True)), Fraction(0)) / sum(sizes)
        )
        for name in ("loss", "term.ce", "term.pull")
    }


def heard(part: np.ndarray, cuts: list[int]) -> EpochSums:
    sums = EpochSums()
    for block in np.split(part, sorted({cut % (len(part) + 1) for cut in cuts})):
        sums.hear(block)
    return sums


@given(st.integers(1, 3 * PORTION), st.lists(st.integers(0, 10_000), max_size=9), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_the_means_are_those_of_the_records_to_the_last_bit_however_they_are_cut(
    count: int, cuts: list[int], seed: int
):
    part = records(count, seed=seed)
    assert heard(part, cuts).means(1) == heard(part, []).means(1)
    for name, mean in exact_means(part).items():
        column = part["loss" if name == "loss" else f"term.{name}"].astype(np.float64)
        size = float((np.abs(column) * part["batch_size"]).sum() / part["batch_size"].sum())
        assert heard(part, cuts).means(1)[name] == pytest.approx(mean, rel=1e-12, abs=1e-14 * size)


def test_a_million_steps_are_summed_as_well_as_a_few():
    part, sums = records(PORTION), EpochSums()
    for _ in range(2000):
        sums.hear(part)
    assert sums.means(1) == pytest.approx(exact_means(part), rel=1e-13)


def test_only_the_newest_epoch_is_known():
    sums = EpochSums()
    assert sums.means(0) == sums.means(1) == {}
    first, second = records(700, epoch=1, seed=1), records(300, epoch=2, seed=2)
    sums.hear(np.concatenate([first, second[:100]]))
    sums.hear(second[100:])
    sums.hear(second[:0])
    assert sums.means(1) == sums.means(3) == {}
    assert sums.means(2) == pytest.approx(exact_means(second), rel=1e-12)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("place", [3, PORTION + 3])
def test_a_value_that_is_not_finite_shows_in_its_own_mean_only(value: float, place: int):
    part = records(3 * PORTION)
    wanted = exact_means(part)["pull"]
    part["term.ce"][place] = value
    means = heard(part, [10, 1000]).means(1)
    assert means["ce"] == value or (math.isnan(value) and math.isnan(means["ce"]))
    assert means["pull"] == pytest.approx(wanted, rel=1e-12)


def test_an_endless_epoch_takes_no_more_memory_than_a_short_one():
    def held(sums: EpochSums) -> int:
        """Bytes of everything that can be reached from it; an array that is a view holds its whole base."""
        seen: dict[int, object] = {}
        waiting: list[object] = [vars(sums)]
        while waiting:
            item = waiting.pop()
            if id(item) not in seen and not isinstance(item, type):
                seen[id(item)] = item
                waiting += gc.get_referents(item)
                waiting += [item.base] if isinstance(item, np.ndarray) else []
        return sum(item.nbytes if isinstance(item, np.ndarray) else sys.getsizeof(item) for item in seen.values())

    sums, sizes = EpochSums(), []
    for seed in range(400):
        sums.hear(records(1 + 97 * seed % 1500, seed=seed))
        sizes.append(held(sums))
    row = 4 * 8
    assert max(sizes) < PORTION * row + 4096
