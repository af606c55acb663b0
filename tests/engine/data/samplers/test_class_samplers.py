"""What the class-mixing samplers promise, for any class counts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainctl.engine.data.samplers import classes as class_samplers
from trainctl.engine.data.samplers.classes import MPerClassSampler, StratifiedSampler, make_sampler
from trainctl.engine.data.samplers.sampler import RandomSampler
from trainctl.engine.errors import UserError

COUNTS = st.lists(st.integers(1, 60), min_size=1, max_size=40)
TWELVE = [int(128 + 527 * k / 11) for k in range(12)]
"""Twelve classes of 128 to 655 samples."""


def labels_of(counts: list[int]) -> Tensor:
    """Labels in class order, with gaps between the numbers of the classes."""
    return torch.repeat_interleave(3 * torch.arange(len(counts)) - 5, torch.tensor(counts))


def stratified(counts: list[int], batch_size: int, seed: int = 0) -> StratifiedSampler:
    return StratifiedSampler(labels_of(counts), batch_size, seed, drop_last=False)


def counts_in(batches: list[Tensor], counts: list[int]) -> list[list[int]]:
    classes = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return [torch.bincount(classes[batch], minlength=len(counts)).tolist() for batch in batches]


@settings(deadline=None)
@given(COUNTS, st.integers(1, 40), st.integers(0, 99))
def test_every_sample_is_drawn_exactly_once_in_full_batches(counts: list[int], batch_size: int, seed: int) -> None:
    sampler = stratified(counts, batch_size, seed)
    batches = list(sampler.batches(1))
    assert sorted(torch.cat(batches).tolist()) == list(range(sum(counts)))
    assert len(batches) == len(sampler)
    assert all(len(batch) == batch_size for batch in batches[:-1])


@settings(deadline=None)
@given(COUNTS, st.integers(4, 40), st.integers(0, 99))
def test_a_batch_draws_from_as_many_classes_as_fit_and_two_or_more_of_each(
    counts: list[int], batch_size: int, seed: int
) -> None:
    fit = min(len(counts), batch_size // 2)
    stock = list(counts)
    for batch in counts_in(list(stratified(counts, batch_size, seed).batches(0)), counts)[:-1]:
        present = [c for c, count in enumerate(batch) if count]
        # where stock ends: a class of which three are left gives all three, which may push another one out
        odd = sum(stock[c] == batch[c] == 3 for c in present)
        assert len(present) >= min(fit, sum(s > 0 for s in stock)) - (odd + 1) // 2
        for c in present:
            used_up = all(batch[other] == stock[other] for other in present if other != c)
            assert batch[c] >= 2 or stock[c] == 1 or used_up
        stock = [s - taken for s, taken in zip(stock, batch, strict=True)]


@settings(deadline=None)
@given(st.integers(1, 16), st.integers(2, 40), st.integers(0, 99))
def test_where_all_classes_fit_each_gives_its_share_while_all_have_stock(
    num_classes: int, each: int, seed: int
) -> None:
    counts, share = [each] * num_classes, max(2, 32 // num_classes)
    stock = list(counts)
    for batch in counts_in(list(stratified(counts, 32, seed).batches(0)), counts)[:-1]:
        if min(stock) >= share + 2:
            assert min(batch) >= share
        stock = [s - taken for s, taken in zip(stock, batch, strict=True)]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(2, 30), min_size=17, max_size=60), st.integers(0, 99))
def test_no_class_is_drawn_again_while_others_wait_with_more(counts: list[int], seed: int) -> None:
    stock = list(counts)
    for batch in counts_in(list(stratified(counts, 32, seed).batches(0)), counts):
        waiting = [s for s, taken in zip(stock, batch, strict=True) if not taken]
        assert all(stock[c] >= max(waiting, default=0) for c, taken in enumerate(batch) if taken > 3)
        stock = [s - taken for s, taken in zip(stock, batch, strict=True)]


@pytest.mark.parametrize("batch_size", [16, 32])
def test_576_samples_in_twelve_classes_fill_every_batch_with_what_fits(batch_size: int) -> None:
    batches = counts_in(list(stratified([48] * 12, batch_size).batches(0)), [48] * 12)
    assert len(batches) == 576 // batch_size
    for batch in batches:
        assert sum(count > 0 for count in batch) == min(12, batch_size // 2)
        assert min(count for count in batch if count) >= 2


def test_a_thousand_classes_take_turns_in_batches_of_32() -> None:
    counts = [10] * 1000
    batches = counts_in(list(stratified(counts, 32).batches(0)), counts)
    assert all(sum(count > 0 for count in batch) == 16 for batch in batches[:-1])
    after_one_round = [sum(batch[c] for batch in batches[:63]) for c in range(1000)]
    assert min(after_one_round) == 2 and max(after_one_round) <= 4


def test_small_classes_are_used_up_first_and_never_copied() -> None:
    counts = [550, 10, 8, 8, 8, 8]
    batches = counts_in(list(stratified(counts, 32).batches(0)), counts)
    assert batches[0][1:] == [5, 5, 5, 5, 5] and batches[1][1:] == [5, 3, 3, 3, 3]
    assert all(batch[1:] == [0] * 5 for batch in batches[2:])


def test_unequal_classes_meet_until_the_smallest_is_used_up() -> None:
    batches = counts_in(list(stratified(TWELVE, 32).batches(0)), TWELVE)
    assert all(min(batch) >= 2 for batch in batches[:63])


def test_a_split_of_one_class_gives_batches_of_one_class() -> None:
    assert counts_in(list(stratified([48], 16).batches(0)), [48]) == [[16]] * 3


@pytest.mark.parametrize("name", ["random", "stratified", "m-per-class"])
def test_batches_are_a_function_of_seed_and_epoch(name: str) -> None:
    labels = labels_of([20, 12, 30, 4])

    def drawn(seed: int, epoch: int) -> list[list[int]]:
        return [batch.tolist() for batch in make_sampler(name, labels, 8, seed).batches(epoch)]

    assert drawn(1, 4) == drawn(1, 4)
    assert drawn(1, 4) != drawn(1, 5) and drawn(1, 4) != drawn(2, 4)


@pytest.mark.parametrize("name", ["random", "stratified"])
def test_an_incomplete_last_batch_is_left_out_on_request(name: str) -> None:
    sampler = make_sampler(name, labels_of([9, 9]), 4, 0, drop_last=True)
    assert [len(batch) for batch in sampler.batches(0)] == [4] * 4 and len(sampler) == 4


@pytest.mark.parametrize("name", ["stratified", "m-per-class"])
def test_more_than_the_data_holds_cannot_be_a_batch(name: str) -> None:
    with pytest.raises(UserError, match="has 6 samples, fewer than one batch of 8"):
        make_sampler(name, labels_of([3, 3]), 8, 0)


@settings(deadline=None)
@given(st.lists(st.integers(1, 30), min_size=8, max_size=40), st.integers(1, 4), st.integers(0, 99))
def test_m_per_class_has_exactly_m_of_every_class_in_a_batch(counts: list[int], m: int, seed: int) -> None:
    if sum(counts) < 8 * m:
        return
    sampler = MPerClassSampler(labels_of(counts), 8 * m, seed, m)
    batches = list(sampler.batches(0))
    assert len(batches) == len(sampler) == sum(counts) // (8 * m)
    for batch in counts_in(batches, counts):
        assert sorted(batch, reverse=True) == [m] * 8 + [0] * (len(counts) - 8)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 30), min_size=8, max_size=20), st.integers(0, 99))
def test_m_per_class_repeats_nothing_before_the_class_is_used_up(counts: list[int], seed: int) -> None:
    labels = labels_of(counts)
    if len(labels) < 16:
        return
    flat = torch.cat(list(MPerClassSampler(labels, 16, seed, 2).batches(0)))
    drawn = torch.bincount(flat, minlength=len(labels))
    of_class = torch.bincount((labels[flat] + 5) // 3, minlength=len(counts))
    for samples in drawn.split(counts):
        assert int(samples.max()) - int(samples.min()) <= 1
    assert int(of_class.max()) - int(of_class.min()) <= 2 * 2


def test_m_that_does_not_divide_the_batch_or_too_few_classes_are_refused() -> None:
    with pytest.raises(UserError, match="use a multiple of 5"):
        MPerClassSampler(labels_of([9] * 9), 32, 0, 5)
    with pytest.raises(UserError, match=r"need 8 classes, the training split has 3; set train\.batch_size=12"):
        MPerClassSampler(labels_of([20] * 3), 32, 0, 4)


def test_random_is_the_plain_sampler() -> None:
    assert isinstance(make_sampler("random", labels_of([9, 9]), 4, 0), RandomSampler)


@pytest.mark.parametrize("num_classes", [12, 1000])
def test_the_first_batch_of_a_million_labels_waits_for_a_portion_of_them_only(
    num_classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[int] = []
    serve = class_samplers._serve

    def counted(stock: Any, places: int, per_class: int) -> tuple[list[int], list[int], list[int]]:
        served.append(places)
        return serve(stock, places, per_class)

    monkeypatch.setattr(class_samplers, "_serve", counted)
    labels = torch.randint(0, num_classes, (1_000_000,), generator=torch.Generator().manual_seed(0))
    batches = StratifiedSampler(labels, 32, 0).batches(0)
    assert len(batches) == 31250 and len(batches[0]) == 32
    assert len(served) == class_samplers.PORTION


def test_batches_are_the_same_in_whatever_order_they_are_asked_for() -> None:
    sampler = stratified([700, 30, 9, 1], 4, 5)
    whole = [batch.tolist() for batch in sampler.batches(3)]
    late = sampler.batches(3)
    assert late[150].tolist() == whole[150] and late[-1].tolist() == whole[-1]
    assert [batch.tolist() for batch in late[100:][3:9]] == whole[103:109]
    assert [batch.tolist() for batch in sampler.batches(3)[183:]] == whole[183:]
    with pytest.raises(IndexError):
        late[len(whole)]


def test_one_huge_class_beside_a_tiny_one_costs_no_more_than_equal_ones() -> None:
    batches = stratified([200_000, 10], 32).batches(0)  # work that grows with the difference would never end
    flat = torch.cat(list(batches))
    assert len(batches) == 6251 and len(flat.unique()) == len(flat) == 200_010
