"""What a network learnt of its data and needs of any other: widths, which modalities there were, who is which number.

Knows no format and no network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.data.emotion.dialogues import Integers
from trainctl.engine.data.emotion.options import MODALITIES
from trainctl.engine.data.emotion.source import Source, number_words
from trainctl.engine.errors import UserError

TOLD_APART = 16
"""Different speakers in all dialogues up to which a name is the same person everywhere."""


@dataclass(frozen=True)
class Known:
    """Of the data that a network learns from."""

    widths: tuple[int, ...]
    """Features of text, audio and visual."""
    absent: tuple[str, ...] = ()
    """Modalities of which there was nothing but zeros: what other data hold of them is not used."""
    speakers: tuple[str, ...] = ()
    """Names of the speakers, where they were words, in the order of their numbers."""
    by_dialogue: bool = False
    """Speakers were numbered within each dialogue: there were too many of them."""

    @property
    def present(self) -> tuple[str, ...]:
        """Modalities that other data must have."""
        return tuple(
            name for name, width in zip(MODALITIES, self.widths, strict=True) if width and name not in self.absent
        )

    def state(self) -> dict[str, Any]:
        """As plain data, for a checkpoint."""
        return {
            "widths": list(self.widths),
            "absent": list(self.absent),
            "speakers": list(self.speakers),
            "by_dialogue": self.by_dialogue,
        }

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Known | None:
        """What `state` gave; none where it is empty."""
        if not state.get("widths"):
            return None
        widths, absent, speakers = (tuple(state.get(name, ())) for name in ("widths", "absent", "speakers"))
        return cls(widths, absent, speakers, bool(state.get("by_dialogue", False)))


def require_fit(source: Source, known: Known) -> None:
    """Refuse data that a network cannot be given.

    Raises:
        UserError: a modality is missing or has another width; names the file.
    """
    missing = [name for name in known.present if name not in source.arrays]
    if missing:
        said = f"{source.origin} has no {' and no '.join(missing)}"
        raise UserError(said, f"the network was trained on {', '.join(known.present)}: give each of them")
    widths = {name: source.arrays[name].shape[1] for name in known.present}
    require_widths(widths, known, source.origin)


def require_widths(widths: Mapping[str, int], known: Known, origin: str) -> None:
    """Refuse features that are not as many as those of the training.

    Raises:
        UserError: names modality, both widths and where they come from.
    """
    for name, width in zip(MODALITIES, known.widths, strict=True):
        found = widths.get(name, width)
        if found != width:
            said = f"{name} of {origin} has {found:,} features, the network was trained on {width:,}"
            raise UserError(said, "give features made in the same way as those of the training")


def numbered_speakers(
    words_N: NDArray[Any], offsets: Integers, known: Known | None
) -> tuple[Integers, tuple[str, ...], bool]:
    """A number for each speaker; numbers stay as they are.

    A name that is known keeps its number, new ones come after. Without that the names of all dialogues are numbered
    in their order, or where there are too many to be told apart those of each dialogue.

    Returns:
        The numbers (N,); the names in their order, none where there are numbers only; whether each dialogue has its
        own.
    """
    if words_N.dtype.kind in "iu":
        return words_N, (), False
    words = [str(word) for word in words_N.tolist()]
    if known is not None and known.speakers:
        names = (*known.speakers, *sorted(set(words) - set(known.speakers)))
        return _numbers(words, names), names, False
    if not (known is not None and known.by_dialogue) and len(set(words)) <= TOLD_APART:
        names, numbers_N = number_words(words)
        return numbers_N, names, False
    parts = [number_words(words[begin:end])[1] for begin, end in pairwise(offsets.tolist())]
    return np.concatenate(parts), (), True


def _numbers(words: Sequence[str], names: Sequence[str]) -> Integers:
    number = {name: at for at, name in enumerate(names)}
    return np.array([number[word] for word in words], np.int64)
