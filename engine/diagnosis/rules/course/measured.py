"""Which metrics are measured on data that is not trained on, which are of rivals, and what swings. No rule."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.diagnosis.logs.course import is_by_epoch
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import is_of_batches, jitter
from trainctl.engine.diagnosis.logs.names import TEST, TRAIN, VAL, Kind
from trainctl.engine.diagnosis.logs.table import Floats
from trainctl.engine.diagnosis.logs.vocabulary import F_MEASURED

Bools = NDArray[np.bool_]
_PLAYERS = frozenset({"gan", "generator", "discriminator", "disc", "critic", "adversary", "g", "d"})
_RIVALRY = _PLAYERS | {"adv", "adversarial"}
"""Words of a loss that is of a play; of a metric the last two may as well say what is tried on one network alone."""


SWINGS, OF_GAIN = 0.1, 0.5
"""Deviation of single values from which on they swing: as a share of their level, and of what the level ever gained."""
LOSS_SWINGS, LOSS_VALUES = 0.25, 8
"""That share of a loss, which moves by more than a metric does, and values of it."""


def moved(values: Floats) -> float:
    """How far a course went in all: between the medians of its thirds, which noise hardly moves."""
    return float(np.ptp([np.median(part) for part in np.array_split(values, 3)]))


def swings(values: Floats, share: float = SWINGS, least: float = 0.0) -> bool:
    """Whether the newer half deviates from its course by a share of its level, by `least`, and by half of all that the
    level ever moved."""
    late = values[len(values) // 2 :]
    deviation, usual = jitter(late), float(np.median(np.abs(late)))
    return bool(usual > 0 and deviation > max(share * usual, least, OF_GAIN * moved(values)))


def loss_swings(log: LogFacts, loss: Series | None) -> bool:
    """Whether a loss of eight epochs or more swings by a quarter of its level, so that no value says where it stands.

    What has come down already, before the log begins, may only be the noise that is left.
    """
    if loss is None or len(loss.finite) < LOSS_VALUES or not is_by_epoch(log, loss):
        return False
    is_whole = float(log.table.epochs[loss.rows[0]]) <= 1
    return is_whole and bool(loss.finite.min() > 0) and swings(loss.finite, LOSS_SWINGS)


def is_evaluated(log: LogFacts, one: Series) -> bool:
    """Whether a metric says how good a network is on samples that it is not trained on, as far as a log tells."""
    return not is_of_training(log, one) and not is_of_rivals(log, one)


def is_of_rivals(log: LogFacts, one: Series) -> bool:
    """Whether a metric is of a network that plays against another one, as a discriminator's accuracy is.

    One that says no part of the training is, too, where losses of rivals are logged: whose it is, is not told.
    """
    if one.meaning.words & _PLAYERS:
        return True
    plays = any(term.meaning.words & _RIVALRY for term in log.of(Kind.TERM))
    return plays and one.meaning.split in ("", TRAIN)


def is_of_training(log: LogFacts, one: Series) -> bool:
    """Whether a metric is of the samples that are trained on, or of single batches.

    One that says no part of the training is, where another of the same name says validation, or where it stands in the
    rows of a training loss that names no part either and of no validation.
    """
    meaning = one.meaning
    if meaning.split:
        return meaning.split == TRAIN or is_of_batches(one)
    if is_of_batches(one):
        return True
    if meaning.words & F_MEASURED:
        return False  # spaCy scores its development set alone
    told = [other for split in (VAL, TEST) for other in log.of(meaning.kind, split=split)]
    if any(other.meaning.words == meaning.words for other in told):
        return True
    if _stand_in(one, log.once(_validated_rows, _validated_rows)):
        return False
    return _stand_in(one, log.once(_bare_rows, _bare_rows))


def _validated_rows(log: LogFacts) -> Bools:
    return _rows_of(log, (one for one in log.series if one.meaning.split in (VAL, TEST)))


def _bare_rows(log: LogFacts) -> Bools:
    return _rows_of(log, log.of(Kind.TOTAL, Kind.TERM, split=""))


def _rows_of(log: LogFacts, series: Iterable[Series]) -> Bools:
    """Whether any of the series has a value in a row, shape (rows,)."""
    has_value = np.zeros(log.table.num_rows, dtype=bool)
    for one in series:
        has_value[one.rows] = True
    return has_value


def _stand_in(one: Series, has_value: Bools) -> bool:
    """Whether half of the values stand in such rows."""
    return len(one.rows) > 0 and bool(2 * has_value[one.rows].sum() >= len(one.rows))
