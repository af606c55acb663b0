"""Batches that mix the classes: stratified, and m samples of each class. Pure functions of (seed, epoch).

Knows labels and indices, never the data itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainctl.engine.data.samplers.lazy_batches import LazyBatches
from trainctl.engine.data.samplers.sampler import RandomSampler, Sampler
from trainctl.engine.errors import UserError

Integers = NDArray[np.int64]
Serving = tuple[list[int], list[int]]
"""Classes of a batch, and how many samples each gives."""

PORTION = 256
"""Batches that are put together at once: the first come soon, and all of them at little cost."""

LEAST = 2
"""Samples of a class in a batch that make one another's positives."""


class StratifiedSampler:
    """Every sample once an epoch, in batches that hold as many classes as they can, with pairs of each.

    Each class in a batch gives max(2, B // C) samples. The classes with the largest stock (samples not yet drawn in
    this epoch) come first, ties at random; places that are over go to the largest stock. So a batch draws from
    min(C, B // 2) classes, or from all that have stock where those are fewer, and takes two or more of each.

    Where stock ends: a class of which three are left may give all three, so that the last does not come alone; such
    batches hold fewer classes. A single sample is drawn where the class has one left, or where the batch could not be
    filled otherwise because all other classes in it are used up.

    What unequal classes mean: the small ones are used up first (after n / max(2, B // C) batches), and the end of the
    epoch belongs to the large ones. A class is never repeated to hide that: see `MPerClassSampler`.

    Args:
        labels: class of each sample, shape (N,), any integers.
        batch_size: B.
        seed: with the epoch it determines the batches.
        drop_last: leave out an incomplete last batch.

    Raises:
        UserError: when an epoch would hold no batch.
    """

    def __init__(self, labels: Tensor, batch_size: int, seed: int, *, drop_last: bool = True) -> None:
        self._plain = RandomSampler(len(labels), batch_size, seed, drop_last=drop_last)
        self.batch_size, self.seed = batch_size, seed
        self._classes = Classes.of(labels)
        self.per_class = max(LEAST, batch_size // max(1, len(self._classes.counts)))

    def __len__(self) -> int:
        return len(self._plain)

    def batches(self, epoch: int) -> Sequence[Tensor]:
        """Index tensors of the epoch's batches, made as they are asked for; samples of a class stand together."""
        return LazyBatches(len(self), self._portions(np.random.default_rng((self.seed, epoch))))

    def _portions(self, rng: np.random.Generator) -> Iterator[Sequence[Tensor]]:
        order, first = self._classes.shuffled(rng), self._classes.starts
        servings = _servings(self._classes.counts, self.batch_size, self.per_class, rng)
        while portion := list(islice(servings, PORTION)):
            classes = np.concatenate([chosen for chosen, _ in portion])
            amounts = np.concatenate([amount for _, amount in portion])
            flat = torch.from_numpy(_gather(order, first, classes, amounts))
            np.add.at(first, classes, amounts)
            yield flat.split(self.batch_size)


class MPerClassSampler:
    """Batches of exactly m samples of each of B / m classes, drawn at random; as many batches as the data has room for.

    Every class is drawn equally often, whatever its size: within a class no sample comes again before all others of
    the class, and no class before all other classes. So samples of small classes are repeated within an epoch and
    some of large ones left out; a different part in each epoch.

    Args:
        labels: class of each sample, shape (N,), any integers.
        batch_size: B, a multiple of `per_class`.
        seed: with the epoch it determines the batches.
        per_class: m.

    Raises:
        UserError: m does not divide B, or the data has too few classes or samples.
    """

    def __init__(self, labels: Tensor, batch_size: int, seed: int, per_class: int) -> None:
        self._classes = Classes.of(labels)
        counts = self._classes.counts
        self.batch_size, self.seed, self.per_class = batch_size, seed, per_class
        if batch_size % per_class:
            raise UserError(
                f"batches of {batch_size} cannot be made of {per_class} samples a class",
                f"use a multiple of {per_class} as train.batch_size",
            )
        self.classes_per_batch = batch_size // per_class
        num_classes = len(counts)
        if num_classes < self.classes_per_batch:
            raise UserError(
                f"batches of {batch_size} with {per_class} samples a class need {self.classes_per_batch} classes, "
                f"the training split has {num_classes}",
                f"set train.batch_size={max(1, num_classes) * per_class} or give each class more",
            )
        self._length = int(counts.sum()) // batch_size
        if self._length == 0:
            raise UserError(
                f"the training split has {int(counts.sum())} samples, fewer than one batch of {batch_size}",
                "use smaller batches",
            )

    def __len__(self) -> int:
        return self._length

    def batches(self, epoch: int) -> Sequence[Tensor]:
        """Index tensors of the epoch's batches; samples of a class stand together."""
        rng = np.random.default_rng((self.seed, epoch))
        counts = self._classes.counts
        classes = _rounds(len(counts), self.classes_per_batch, len(self), rng).ravel()
        order, starts = self._classes.shuffled(rng), self._classes.starts
        # How many samples of its class were drawn before: the class's samples are gone through again and again.
        before = _turn_of_each(classes) * self.per_class
        place = before[:, None] + np.arange(self.per_class)
        rows = order[starts[classes][:, None] + place % counts[classes][:, None]]
        return torch.from_numpy(rows.ravel()).split(self.batch_size)


def make_sampler(
    name: str, labels: Tensor, batch_size: int, seed: int, *, per_class: int = 4, drop_last: bool = True
) -> Sampler:
    """`random`, `stratified` or `m-per-class`.

    Raises:
        UserError: the sampler cannot form a batch.
    """
    if name == "stratified":
        return StratifiedSampler(labels, batch_size, seed, drop_last=drop_last)
    if name == "m-per-class":
        return MPerClassSampler(labels, batch_size, seed, per_class)
    assert name == "random", name
    return RandomSampler(len(labels), batch_size, seed, drop_last=drop_last)


@dataclass(frozen=True)
class Classes:
    """The classes of a split, numbered 0 … C−1 in the order of their labels."""

    class_of: NDArray[Any]
    """Class of each sample, shape (N,), of the smallest type that holds it: that sorts fastest."""
    counts: Integers
    """Samples of each class, shape (C,); none is 0."""

    @classmethod
    def of(cls, labels: Tensor) -> Classes:
        """The classes that occur in `labels`, shape (N,), any integers."""
        _, class_of, counts = np.unique(labels.cpu().numpy(), return_inverse=True, return_counts=True)
        return cls(class_of.astype(np.min_scalar_type(max(1, len(counts)) - 1)), counts.astype(np.int64))

    @property
    def starts(self) -> Integers:
        """Where each class begins in what `shuffled` gives."""
        return np.cumsum(self.counts) - self.counts

    def shuffled(self, rng: np.random.Generator) -> Integers:
        """All sample indices, class after class, in random order within each."""
        order = rng.permutation(len(self.class_of))
        return order[np.argsort(self.class_of[order], kind="stable")]


class _Stock:
    """Samples not yet drawn, by class: gives the class with most of them, at random among equals."""

    def __init__(self, counts: Integers, rng: np.random.Generator) -> None:
        self._classes_with: defaultdict[int, list[int]] = defaultdict(list)
        for number, stock in enumerate(counts.tolist()):
            self._classes_with[stock].append(number)
        self._levels = [-stock for stock in self._classes_with]  # a heap; some may be of stocks that no class has now
        heapify(self._levels)
        self._num_classes = len(counts)
        self._rng, self._random = rng, iter(())

    def pop(self) -> tuple[int, int] | None:
        """Number and stock of the class, which is taken out; None where no class has stock."""
        if not self._num_classes:
            return None
        while not (equals := self._classes_with[-self._levels[0]]):
            del self._classes_with[-heappop(self._levels)]
        self._num_classes -= 1
        place = int(self._uniform() * len(equals))
        equals[place], equals[-1] = equals[-1], equals[place]
        return equals.pop(), -self._levels[0]

    def put(self, number: int, stock: int) -> None:
        """Take a class in again with what it has left."""
        if stock:
            if not self._classes_with[stock]:
                heappush(self._levels, -stock)
            self._classes_with[stock].append(number)
            self._num_classes += 1

    def _uniform(self) -> float:
        """One number from [0, 1); drawn by the thousand, which is far cheaper."""
        for number in self._random:
            return number
        self._random = iter(self._rng.random(4096).tolist())
        return next(self._random)


def _servings(counts: Integers, batch_size: int, per_class: int, rng: np.random.Generator) -> Iterator[Serving]:
    """What each batch takes from which class, until nothing is left."""
    stock, total = _Stock(counts, rng), int(counts.sum())
    while total > 0:
        places = min(batch_size, total)
        chosen, held, amounts = _serve(stock, places, per_class)
        yield chosen, amounts
        for number, before, amount in zip(chosen, held, amounts, strict=True):
            stock.put(number, before - amount)
        total -= places


def _serve(stock: _Stock, places: int, per_class: int) -> tuple[list[int], list[int], list[int]]:
    """Classes of one batch, largest stock first, their stock, and what each gives: `places` in all."""
    chosen: list[int] = []
    held: list[int] = []
    amounts: list[int] = []
    room = places
    # A place too few for a pair goes to a class that is there already, if one has anything left to give.
    while room and (room >= LEAST or sum(held) == places - room) and (found := stock.pop()) is not None:
        number, here = found
        amount = min(per_class, here, room)
        if here - amount == 1:  # the last one shall not come alone, nor push another into that
            amount += -1 if amount > LEAST else 1 if room - amount not in (0, 2) else 0
        chosen.append(number)
        held.append(here)
        amounts.append(amount)
        room -= amount
    if room:
        _pour(held, amounts, room)
    return chosen, held, amounts


def _pour(stocks: list[int], amounts: list[int], spare: int) -> None:
    """Give the spare places to the classes with most left, so that what is left becomes as equal as it can."""
    left = [stock - amount for stock, amount in zip(stocks, amounts, strict=True)]
    by_left = sorted(range(len(left)), key=left.__getitem__, reverse=True)
    above = 0
    for count, index in enumerate(by_left, 1):
        above += left[index]
        following = left[by_left[count]] if count < len(by_left) else 0
        if above - count * following >= spare or count == len(by_left):
            level, odd = divmod(above - spare, count)
            for place, taken in enumerate(by_left[:count]):
                amounts[taken] += left[taken] - level - (place >= count - odd)
            return


def _gather(order: Integers, first: Integers, classes: Integers, amounts: Integers) -> Integers:
    """Samples in the order of the servings: the next `amounts[i]` of class `classes[i]`, serving after serving.

    `first` is where the stock of each class begins in `order`, shape (C,).
    """
    by_class = np.argsort(classes, kind="stable")
    sorted_classes, sorted_amounts = classes[by_class], amounts[by_class]
    # In class order each class's servings lie one behind the other; their starts are put back in serving order.
    before = np.cumsum(sorted_amounts) - sorted_amounts
    is_first = np.r_[True, sorted_classes[1:] != sorted_classes[:-1]]
    base = np.maximum.accumulate(np.where(is_first, before, 0))
    starts = np.empty(len(classes), np.int64)
    starts[by_class] = first[sorted_classes] + before - base
    within = np.arange(amounts.sum()) - np.repeat(np.cumsum(amounts) - amounts, amounts)
    return order[np.repeat(starts, amounts) + within]


def _rounds(num_classes: int, per_batch: int, num_batches: int, rng: np.random.Generator) -> Integers:
    """Different classes for each batch, shape (batches, per_batch); every class once before any comes again.

    A batch on the border of two rounds must not hold a class twice: those of the old round move to the end of the new.
    """
    drawn: list[int] = []
    while len(drawn) < num_batches * per_batch:
        begun = set(drawn[len(drawn) - len(drawn) % per_batch :])
        order = rng.permutation(num_classes).tolist()
        drawn += [number for number in order if number not in begun]
        drawn += [number for number in order if number in begun]
    return np.array(drawn[: num_batches * per_batch], np.int64).reshape(num_batches, per_batch)


def _turn_of_each(classes: Integers) -> Integers:
    """How often the same class stood before, for each entry."""
    by_class = np.argsort(classes, kind="stable")
    sorted_classes = classes[by_class]
    is_first = np.r_[True, sorted_classes[1:] != sorted_classes[:-1]]
    position = np.arange(len(classes))
    turns = np.empty(len(classes), np.int64)
    turns[by_class] = position - np.maximum.accumulate(np.where(is_first, position, 0))
    return turns
