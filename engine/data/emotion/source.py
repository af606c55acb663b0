"""What the readers of files give: arrays of utterances as the file has them, with what it says of their split.

Knows no format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.data.emotion.dialogues import Integers


@dataclass(frozen=True)
class Source:
    """The dialogues of one file."""

    arrays: Mapping[str, NDArray[Any]]
    """Those of the modalities that are there, (N, features); `labels`, (N,); `speakers`, (N,), numbers, or names as
    Python's text."""
    lengths: Integers
    """Utterances of each dialogue."""
    names: Sequence[str]
    """Of the dialogues."""
    sides: Sequence[str] | None
    """`train`, `val` or `test` of each dialogue; none where the file names none."""
    classes: tuple[str, ...] | None
    """Names of the emotions; none where the file has numbers only."""
    origin: str
    notes: tuple[str, ...] = ()


def number_words(words: Sequence[str]) -> tuple[tuple[str, ...], Integers]:
    """The words that occur, sorted, and the number of each."""
    names = tuple(sorted(set(words)))
    number = {word: at for at, word in enumerate(names)}
    return names, np.array([number[word] for word in words], np.int64)
