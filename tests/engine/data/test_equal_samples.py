"""Equal samples are found by their bytes, whatever the types and shapes of the tensors, and no others are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from trainctl.engine.data import equal_samples
from trainctl.engine.data.batch import Split
from trainctl.engine.data.equal_samples import BLANK, number_samples

TYPES = (torch.uint8, torch.bool, torch.int16, torch.float32, torch.float64)


def always() -> bool:
    return True


def slow_keys(split: Split) -> list[bytes | None]:
    """The bytes of each sample; None for a blank one."""
    inputs = [t for t in split.tensors.values() if t.numel() > len(t)] or list(split.tensors.values())
    keys: list[bytes | None] = []
    for row in range(len(split)):
        values = [tensor[row].flatten() for tensor in inputs]
        is_blank = all(len(value) > 1 and bool((value == value[0]).all()) for value in values)
        keys.append(None if is_blank else b"|".join(value.numpy().tobytes() for value in values))
    return keys


@st.composite
def pairs_of_splits(draw: st.DrawFn) -> list[Split]:
    shapes = draw(st.lists(st.sampled_from([(), (1,), (2,), (3, 3), (9,), (2, 2, 4)]), min_size=1, max_size=2))
    types = [draw(st.sampled_from(TYPES)) for _ in shapes]
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))

    def values(num: int, at: int) -> Tensor:
        return torch.randint(0, 2, (num, *shapes[at]), generator=generator).to(types[at])

    sizes = draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    return [Split({f"x{at}": values(num, at) for at in range(len(shapes))}) for num in sizes]


@given(splits=pairs_of_splits())
def test_samples_have_the_same_number_where_they_have_the_same_bytes(splits: list[Split]) -> None:
    found = number_samples(splits, always)
    assert found is not None
    numbers = [int(number) for part in found for number in part]
    keys = [key for split in splits for key in slow_keys(split)]
    assert [number == BLANK for number in numbers] == [key is None for key in keys]
    for number, key in zip(numbers, keys, strict=True):
        assert [other == number for other in numbers] == [other == key for other in keys]


def test_bytes_decide_where_the_sums_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.randint(0, 256, (40, 3, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    images[7] = images[3]
    monkeypatch.setattr(equal_samples, "_marks", lambda tensors, keep_going: np.zeros(40, np.int64))
    found = number_samples([Split({"images": images})], always)
    assert found is not None
    assert len(set(found[0].tolist())) == 39
    assert found[0][7] == found[0][3]


def test_samples_that_differ_in_their_highest_bytes_only_are_seldom_looked_at_twice() -> None:
    values = torch.arange(1000, dtype=torch.float64).repeat(3, 1).T.contiguous()  # the low bytes are all zero
    marks = equal_samples._marks([values], always)
    assert marks is not None
    assert len(set(marks.tolist())) > 990


def test_rows_of_a_view_that_begins_anywhere_are_read_as_they_are() -> None:
    whole = torch.arange(7 * 50, dtype=torch.int64).to(torch.uint8).reshape(50, 7)
    found = number_samples([Split({"x": whole[3:20]}), Split({"x": whole[5:30].clone()})], always)
    assert found is not None
    assert found[0][2:].tolist() == found[1][:15].tolist()


def test_without_time_there_is_no_answer() -> None:
    split = Split({"x": torch.zeros(5, 3)})
    assert number_samples([split, split], lambda: False) is None
    left = iter([True, True])
    assert number_samples([split, split], lambda: next(left, False)) is None, "nor where it runs out on the way"
