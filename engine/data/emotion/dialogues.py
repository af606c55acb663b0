"""Dialogues in memory: flat arrays of utterances, cut into dialogues by offsets. Knows no file format and no split."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.data.emotion.options import MODALITIES
from trainctl.engine.data.npz import size_words
from trainctl.engine.errors import UserError

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
MOST_BYTES = 4 << 30
"""What the features of all dialogues may take in memory, padded to the longest one."""
UNLABELLED = -1
"""Label of an utterance that has none; it is left out."""


@dataclass(frozen=True)
class Dialogues:
    """Dialogue d is the utterances `offsets[d]` … `offsets[d + 1] - 1`.

    Raises:
        UserError: shapes do not fit each other, a value is not finite, a label names no class; names the place.
    """

    text: Floats
    """(N, features), as `audio` and `visual`; a modality that is not there has zeros, or no feature."""
    audio: Floats
    visual: Floats
    labels: Integers
    """(N,), 0 … C−1."""
    speakers: Integers
    """(N,), from 0."""
    offsets: Integers
    """(D + 1,), from 0 to N."""
    names: Sequence[str]
    """D names of dialogues."""
    classes: tuple[str, ...]
    """C names of emotions."""
    origin: str
    """File that they come from, for messages."""

    def __post_init__(self) -> None:
        self._check_offsets()
        for name in (*MODALITIES, "labels", "speakers"):
            self._check_length(name)
        for name in MODALITIES:
            self._check_finite(name)
        self._check_numbers("labels", len(self.classes) - 1, f"the emotions are 0 … {len(self.classes) - 1}")
        self._check_numbers("speakers", 2**31, "number the speakers from 0")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def lengths(self) -> Integers:
        """Utterances of each dialogue, (D,)."""
        return np.diff(self.offsets)

    @property
    def features(self) -> Mapping[str, Floats]:
        """The modalities by name."""
        return {"text": self.text, "audio": self.audio, "visual": self.visual}

    def place(self, row: int) -> str:
        """Where an utterance is, in words."""
        dialogue = int(np.searchsorted(self.offsets, row, side="right")) - 1
        return f"utterance {row - int(self.offsets[dialogue])} of dialogue {self.names[dialogue]}"

    def _check_offsets(self) -> None:
        offsets = self.offsets
        if offsets.ndim != 1 or len(offsets) < 2:
            raise UserError(f"{self.origin} holds no dialogue", "give offsets 0 … N, one more than dialogues")
        if len(self.names) != len(offsets) - 1:
            raise UserError(f"{self.origin}: {len(self.names)} names of {len(offsets) - 1} dialogues", "one for each")
        wrong = np.flatnonzero(np.diff(offsets) <= 0)
        if offsets[0] != 0 or len(wrong):
            at = int(wrong[0]) + 1 if len(wrong) else 0
            said = f"{self.origin}: offsets[{at}] is {int(offsets[at])}"
            raise UserError(said, "offsets begin with 0 and grow from dialogue to dialogue")

    def _check_length(self, name: str) -> None:
        array, num = getattr(self, name), int(self.offsets[-1])
        dimensions = 2 if name in MODALITIES else 1
        if array.ndim != dimensions or len(array) != num:
            shape = "×".join(map(str, array.shape)) or "of one value"
            raise UserError(f"{self.origin}: {name} is {shape}, the dialogues have {num:,} utterances", "one row each")

    def _check_finite(self, name: str) -> None:
        # The sum of a row is finite where its values are, but for sums beyond float32: looked at closely only then.
        array_ND = self.features[name]
        with np.errstate(over="ignore", invalid="ignore"):
            suspect_N = np.flatnonzero(~np.isfinite(array_ND.sum(1)))
        for row in suspect_N.tolist():
            if not np.isfinite(array_ND[row]).all():
                said = f"{self.origin}: {name} of {self.place(row)} is not finite"
                raise UserError(said, "replace NaN and infinite values, or leave the dialogue out")

    def _check_numbers(self, name: str, most: int, hint: str) -> None:
        values_N: Integers = getattr(self, name)
        wrong = np.flatnonzero((values_N < 0) | (values_N > most))
        if len(wrong):
            row = int(wrong[0])
            raise UserError(f"{self.origin}: {name} of {self.place(row)} is {int(values_N[row])}", hint)


def require_room(num_dialogues: int, longest: int, width: int, origin: str) -> None:
    """Refuse dialogues that would not fit into memory once they are padded to the longest.

    Raises:
        UserError: names their origin, what they take and what they may take.
    """
    num_bytes = 4 * num_dialogues * longest * width
    most = min(MOST_BYTES, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
    if num_bytes > most:
        said = f"{num_dialogues:,} dialogues of up to {longest:,} utterances with {width:,} features in {origin}"
        raise UserError(
            f"{said} take {size_words(num_bytes)} in memory, the limit is {size_words(most)}",
            "give fewer dialogues, or cut the longest",
        )


def labelled(
    arrays: Mapping[str, NDArray[Any]], lengths: Integers, names: Sequence[str]
) -> tuple[dict[str, NDArray[Any]], Integers, list[int], tuple[str, ...]]:
    """Without utterances that have no label, and without dialogues of which then nothing is left.

    Args:
        arrays: by name, `labels` among them, one entry for each utterance.
        lengths: utterances of each dialogue.
        names: of the dialogues.

    Returns:
        The arrays, the offsets, which dialogues are kept, and notes on what was left out.
    """
    keep_N = arrays["labels"] != UNLABELLED
    of_dialogue_N = np.repeat(np.arange(len(lengths)), lengths)
    left_D = np.bincount(of_dialogue_N[keep_N], minlength=len(lengths))
    kept = np.flatnonzero(left_D)
    notes: list[str] = []
    if not keep_N.all():
        notes.append(f"{int((~keep_N).sum()):,} of {len(keep_N):,} utterances have no label (−1) and were left out")
        arrays = {name: array[keep_N] for name, array in arrays.items()}
    if len(kept) < len(lengths):
        first = names[int(np.flatnonzero(left_D == 0)[0])]
        num = len(lengths) - len(kept)
        notes.append(f"{num:,} of {len(lengths):,} dialogues have no utterance with a label, first {first}")
    offsets = np.concatenate([[0], np.cumsum(left_D[kept])]).astype(np.int64)
    return dict(arrays), offsets, kept.tolist(), tuple(notes)
