"""The batches of an epoch, made when they are asked for. Knows no labels and no rule by which a batch is formed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

from torch import Tensor


class LazyBatches(Sequence[Tensor]):
    """A sequence whose entries are drawn from an iterator, once; a slice of it is as lazy and shares what was drawn.

    Args:
        length: number of batches.
        portions: gives them, any number at a time; more than `length` are not looked at.
    """

    def __init__(self, length: int, portions: Iterator[Sequence[Tensor]]) -> None:
        self._places = range(length)
        self._portions = portions
        self._made: list[Tensor] = []

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> LazyBatches: ...
    def __getitem__(self, index: int | slice) -> Tensor | LazyBatches:
        if isinstance(index, slice):
            part = LazyBatches(0, self._portions)
            part._places, part._made = self._places[index], self._made
            return part
        place = self._places[index]
        while len(self._made) <= place:
            self._made += next(self._portions)
        return self._made[place]
