"""What names mean that say only the part of the training: `Train: 0.83, Val: 0.78`, `learn: 0.51  test: 0.55`.

Goes by their values and by what else the log names. Knows no format and no rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trainctl.engine.diagnosis.logs.names import TRAIN, Kind, Meaning
from trainctl.engine.diagnosis.logs.table import Column

FEWEST = 3
DIRECTED = 0.75
"""Share of the later half's values beyond the median of the earlier half from which on they rise or fall."""


def with_bare_splits(columns: Sequence[Column], found: list[Meaning]) -> list[Meaning]:
    """The meanings, where a name that is a part of the training alone is a loss or a rate.

    Beside a named loss it is a rate, where all its values are shares. Else it is the loss if what is of training falls,
    and a rate if that rises and all are shares. What neither falls nor rises remains `OTHER`.
    """
    bare = [
        index
        for index, meaning in enumerate(found)
        if meaning.kind is Kind.OTHER and meaning.split and not meaning.words and not meaning.part
    ]
    if len(bare) < 2:
        return found
    kind = _kind(columns, found, bare)
    return [replace(meaning, kind=kind) if index in bare else meaning for index, meaning in enumerate(found)]


def _kind(columns: Sequence[Column], found: list[Meaning], bare: list[int]) -> Kind:
    values = np.concatenate([columns[index].values for index in bare])
    values = values[np.isfinite(values)]
    is_share = bool(((values >= 0) & (values <= 1)).all()) or all(columns[index].is_percent for index in bare)
    if any(meaning.kind in (Kind.TOTAL, Kind.TERM) for meaning in found):
        return Kind.RATE if is_share else Kind.OTHER
    first = next((index for index in bare if found[index].split == TRAIN), bare[0])
    course = columns[first].values[np.isfinite(columns[first].values)]
    if len(course) < FEWEST:
        return Kind.OTHER
    before, later = float(np.median(course[: len(course) // 2])), course[len(course) // 2 :]
    if (later < before).mean() >= DIRECTED:
        return Kind.TOTAL
    return Kind.RATE if (later > before).mean() >= DIRECTED and is_share else Kind.OTHER
