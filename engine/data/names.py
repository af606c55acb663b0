"""Names of many samples that differ by a number only: made when they are asked for, not kept. Knows no data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray


class NumberedNames(Sequence[str]):
    """`PREFIX NUMBER` for each number.

    Args:
        prefix: what the samples are.
        numbers: of each of them.
    """

    def __init__(self, prefix: str, numbers: NDArray[np.int64]) -> None:
        self._prefix, self._numbers = prefix, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> NumberedNames: ...
    def __getitem__(self, index: int | slice) -> str | NumberedNames:
        if isinstance(index, slice):
            return NumberedNames(self._prefix, self._numbers[index])
        return f"{self._prefix} {self._numbers[index]}"

    def __iter__(self) -> Iterator[str]:
        return (f"{self._prefix} {number}" for number in self._numbers.tolist())
