"""What `meta.json` of a watched run says of its loop, with what its records show of the order of its data.

The file may hold anything. Knows records, no rule and no torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np

from trainctl.engine.diagnosis.facts.foreign import (
    AnswerFacts,
    EvaluatingFacts,
    FeedFacts,
    FirstPassFacts,
    ForeignFacts,
    PartsFacts,
    StairsFacts,
)
from trainctl.engine.diagnosis.facts.statistics import lag_one_correlation
from trainctl.engine.diagnosis.facts.watched.layers import RectifierFacts
from trainctl.engine.diagnosis.facts.watched.links import LinkFacts
from trainctl.engine.diagnosis.facts.watched.loss_calls import LossCall
from trainctl.engine.runs.record import Records

WATCHED, EARLY = "watched", "early"
"""Keys of `meta.json`."""
PLACES, EPOCHS, MOST_EPOCHS = 12, 2, 20
"""Steps of an epoch, and epochs, that are needed to compare them; and that are compared at most, the newest."""
STAIRS = 4
"""Epochs that are needed to tell where a loss falls."""


def is_told(meta: Mapping[str, Any]) -> bool:
    """Whether the file says all that it will: what the first steps showed is added later."""
    watched = meta.get(WATCHED)
    return not isinstance(watched, Mapping) or EARLY in watched


def foreign_facts(meta: Mapping[str, Any], newest: Records) -> ForeignFacts | None:
    """Facts about the loop; None: it is trainctl's own.

    Args:
        meta: content of `meta.json`.
        newest: records.
    """
    if not isinstance(meta.get(WATCHED), Mapping):
        return None
    watched = _mapping(meta.get(WATCHED))
    early = _mapping(watched.get(EARLY))
    return ForeignFacts(
        feed=_feed(_mapping(watched.get("loader")), newest),
        answers=_answers(_mapping(early.get("answers"))),
        stairs=_stairs(newest),
        parts=_parts(_mapping(early.get("parts"))),
        first_pass=_first_pass(_mapping(early.get("first_pass"))),
        losses=tuple(_losses(early.get("losses"))),
        evaluating=_evaluating(_mapping(watched.get("modes"))),
        uncleared=_uncleared(early.get("uncleared")),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _feed(loader: Mapping[str, Any], newest: Records) -> FeedFacts | None:
    order = loader.get("order")
    if not isinstance(order, str):
        return None
    profiles = _profiles(newest)
    if profiles is None:
        return FeedFacts(order, str(loader.get("sampler", "")))
    corr = np.corrcoef(profiles)
    pairs = np.atleast_2d(corr)[np.triu_indices(len(profiles), 1)]
    return FeedFacts(
        order=order,
        sampler=str(loader.get("sampler", "")),
        places=profiles.shape[1],
        neighbours=lag_one_correlation(profiles.mean(0).tolist()),
        repeats=float(np.median(pairs)),
    )


def _profiles(newest: Records) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    """Losses by epoch and place, shape (E, P), each epoch less its own straight line; None: too few, or not finite."""
    if not len(newest):
        return None
    losses = newest["loss"].astype(np.float64)
    _, first, counts = np.unique(newest["epoch"], return_index=True, return_counts=True)
    usual = int(np.median(counts))
    whole = [losses[at : at + usual] for at, count in zip(first, counts, strict=True) if count == usual][-MOST_EPOCHS:]
    if usual < PLACES or len(whole) < EPOCHS or not np.isfinite(whole).all():
        return None
    found = np.stack(whole)
    found = np.log(found) if found.min() > 0 else found
    place = np.linspace(-1, 1, usual)
    rest = found - found.mean(1, keepdims=True) - np.outer(found @ place / (place @ place), place)
    return rest if (rest.std(1) > 0).all() else None


def _stairs(rows: Records) -> StairsFacts | None:
    """Of a training whose records are all there; None: too few epochs, too short ones, or a loss that is not finite."""
    if not len(rows) or int(rows[0]["step"]) != 1:
        return None
    losses = rows["loss"].astype(np.float64)
    _, first, counts = np.unique(rows["epoch"], return_index=True, return_counts=True)
    parts = [losses[at : at + count] for at, count in zip(first, counts, strict=True) if count >= PLACES]
    if len(parts) < STAIRS or not np.isfinite(losses).all():
        return None
    falls, means = np.array([_fall(part) for part in parts]), [float(part.mean()) for part in parts]
    error = float(falls.std(ddof=1)) * math.sqrt(len(falls))
    return StairsFacts(len(parts), means[0], means[0] - means[-1], float(falls.sum()), error)


def _fall(part: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """What the straight line through an epoch falls."""
    place = np.linspace(-0.5, 0.5, len(part))
    return -float(place @ part / (place @ place))


def _answers(told: Mapping[str, Any]) -> AnswerFacts | None:
    figures = {name: _number(told.get(name)) for name in ("count", "classes", "entropy", "loss", "largest")}
    if not all(math.isfinite(value) and value > 0 for value in figures.values()):
        return None
    count, classes = int(figures.pop("count")), int(figures.pop("classes"))
    return AnswerFacts(count, classes, **figures)


def _parts(told: Mapping[str, Any]) -> PartsFacts | None:
    counts = ("trained", "frozen", "left", "left_reached", "frozen_alone")
    figures = {name: _number(told.get(name)) for name in counts}
    if not all(math.isfinite(value) and value >= 0 for value in figures.values()):
        return None
    return PartsFacts(
        **{name: int(value) for name, value in figures.items()},
        only_small=bool(told.get("only_small")),
        adapters=bool(told.get("adapters")),
        frozen_names=_names(told.get("frozen_names")),
        left_names=_names(told.get("left_names")),
        frozen_drawn=_share(told.get("frozen_drawn")),
        left_drawn=_share(told.get("left_drawn")),
    )


def _first_pass(told: Mapping[str, Any]) -> FirstPassFacts | None:
    """Of a network that was named, where hooks could look at it."""
    if not told:
        return None
    links = [
        LinkFacts(name, width, after, before, is_direct, widest)
        for name, width, after, before, is_direct, widest in _rows(told.get("links"), (str, int, int, int, bool, int))
    ]
    dead = [
        RectifierFacts(name, units, float(share))
        for name, units, share in _rows(told.get("rectifiers"), (str, int, (int, float)))
        if 0 <= share <= 1
    ]
    return FirstPassFacts(tuple(links), tuple(dead))


def _losses(told: Any) -> Iterator[LossCall]:
    for call in map(_mapping, cast("list[Any]", told) if isinstance(told, list) else []):
        name, made_by, shapes = call.get("name"), call.get("made_by"), (call.get("input"), call.get("target"))
        if not (isinstance(name, str) and isinstance(made_by, str) and all(isinstance(one, list) for one in shapes)):
            continue
        given, target = (tuple(cast("list[Any]", one)) for one in shapes)
        if given and all(type(side) is int and side >= 0 for side in (*given, *target)):
            # By what made it alone: no values were read.
            in_unit, sums_to_one = made_by in ("softmax", "sigmoid"), made_by == "softmax"
            yield LossCall(name, made_by, in_unit, sums_to_one, math.nan, math.nan, given, target)


def _evaluating(told: Mapping[str, Any]) -> EvaluatingFacts | None:
    figures = [_number(told.get(name)) for name in ("since", "layers", "norms", "fresh")]
    if not all(math.isfinite(value) and value >= 0 for value in figures) or not figures[0]:
        return None
    since, layers, norms, fresh = map(int, figures)
    return EvaluatingFacts(since, bool(told.get("was_training")), layers, norms, fresh, _names(told.get("names")))


def _rows(told: Any, kinds: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """Lists of the right length whose values are of these kinds."""
    rows = cast("list[Any]", told) if isinstance(told, list) else []
    lists = [cast("list[Any]", row) for row in rows if isinstance(row, list)]
    return [
        tuple(row)
        for row in lists
        if len(row) == len(kinds) and all(isinstance(value, kind) for value, kind in zip(row, kinds, strict=True))
    ]


def _uncleared(told: Any) -> tuple[int, int] | None:
    """Of the optimiser that was looked at most."""
    pairs = [pair for pair in (cast("list[Any]", told) if isinstance(told, list) else []) if _is_pair(pair)]
    found = [(int(pair[0]), int(pair[1])) for pair in pairs]
    # Where several step, one that is cleared shows that the loop knows how.
    return min(found, key=lambda pair: (pair[0] / pair[1] if pair[1] else 1.0, -pair[1]), default=None)


def _is_pair(told: Any) -> bool:
    return isinstance(told, list) and [type(one) for one in cast("list[Any]", told)] == [int, int]


def _names(told: Any) -> tuple[str, ...]:
    return tuple(str(name)[:60] for name in cast("list[Any]", told)) if isinstance(told, list) else ()


def _share(told: Any) -> float | None:
    value = _number(told)
    return value if 0 <= value <= 1 else None


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
