"""Sets a training beside one that is known to be good: which series part, what is configured and what is fed otherwise.

Gathers plain facts from two pieces of evidence and, of runs, their small files; what they mean is for the rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from trainctl.engine.config.resolve import diff
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.facts.reference import Parting, ReferenceFacts, Role
from trainctl.engine.diagnosis.logs.course import is_by_epoch, training_loss, validation_loss
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.names import TRAIN, Kind, meaning_of
from trainctl.engine.diagnosis.parting import Curve, are_comparable, parting
from trainctl.engine.errors import UserError
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.meta import read_meta, same_samples
from trainctl.engine.tasks.configured import reading

BETTER = {
    Kind.RATE: -1,
    Kind.CORRELATION: -1,
    Kind.SCORE: -1,
    Kind.REWARD: -1,
    Kind.EXPLAINED_VARIANCE: -1,
    Kind.ERROR: 1,
}
"""Kinds of metrics; -1: below is worse, 1: above is."""
TWICE, RATES = math.log(2), math.log(1.1)
"""Factors by which gradient norms and rates have to differ, as logarithms."""
UNLIKE = frozenset({"seed", "task"})
BESIDE = ("runtime.", "record.", "checkpoint.", "health.", "fit_to_data")
"""Beginnings of settings that do not decide how a training goes."""
FEW, UNEVEN, UNEVEN_SPLITS = 3.0, 0.1, 0.7
"""Deviations of a count beyond which class counts are others, and shares of it: under one seed, and under two."""


def with_reference(evidence: Evidence, good: Evidence, source: str, runs: tuple[RunPaths, RunPaths] | None) -> Evidence:
    """The evidence with what tells it from a good training.

    Args:
        evidence: of the training that is judged, a run's or a log's.
        good: of the good one.
        source: name of the good one.
        runs: that and the good one; None: not both are runs.

    Raises:
        UserError: not both are runs, and the two have no series in common.
    """
    here, there = evidence.log or evidence.course, good.log or good.course
    partings, together = _compared(here, there) if here and there else ([], [])
    if not partings and not together and runs is None:
        raise UserError(f"--against {source}: no series of it and of this training can be compared", "name another")
    data = [] if runs is None else [*_other_data(*runs), *_other_classes(evidence, good, *runs)]
    facts = ReferenceFacts(
        source,
        tuple(sorted(partings, key=lambda one: one.share)),
        tuple(together),
        {} if runs is None else _other_settings(*runs),
        tuple(data),
    )
    return replace(evidence, reference=facts)


def _compared(here: LogFacts, there: LogFacts) -> tuple[list[Parting], list[str]]:
    """Where series part, and the names of those that do not."""
    partings: list[Parting] = []
    together: list[str] = []
    for role, ours, theirs in _pairs(here, there):
        name = ours.name if role in (Role.METRIC, Role.TERM) else str(role)
        curves = _curves(here, ours, there, theirs, is_log=not role.is_outcome)
        if curves is None:
            continue
        unit, mine, other = curves
        apart = parting(mine, other, worse=_worse(role, ours), least=_least(role))
        if apart is None:
            together.append(name)
            continue
        levels = (apart.here, apart.good) if role.is_outcome else (math.exp(apart.here), math.exp(apart.good))
        is_trained = ours.meaning.split == TRAIN or role in (Role.TRAINING, Role.NORM, Role.RATE)
        partings.append(
            Parting(name, role, is_trained, unit, apart.at, apart.share, *levels, apart.noise, apart.is_to_the_end)
        )
    return partings, together


def _pairs(here: LogFacts, there: LogFacts) -> Iterator[tuple[Role, Series, Series]]:
    """Series that say the same of both."""
    single: dict[Role, Callable[[LogFacts], Series | None]] = {
        Role.TRAINING: training_loss,
        Role.VALIDATION: validation_loss,
        Role.NORM: lambda log: next(iter(log.of(Kind.GRAD_NORM)), None),
        Role.RATE: lambda log: next(iter(log.of(Kind.LR)), None),
    }
    for role, find in single.items():
        ours, theirs = find(here), find(there)
        if ours is not None and theirs is not None:
            yield role, ours, theirs
    taken = {id(find(here)) for find in (training_loss, validation_loss)}
    for role, kinds in ((Role.METRIC, tuple(BETTER)), (Role.TERM, (Kind.TERM,))):
        others = {_key(one): one for one in reversed(there.of(*kinds))}
        for ours in here.of(*kinds):
            if _key(ours) in others and id(ours) not in taken and not _is_of_a_class(ours):
                yield role, ours, others[_key(ours)]


def _is_of_a_class(series: Series) -> bool:
    """Whether it is one of a metric's parts, as `f1.happy`: of few samples, and told by the whole of it."""
    whole = series.column.name.rpartition(".")[0]
    return meaning_of(whole).kind in BETTER


def _key(series: Series) -> object:
    meaning = series.meaning
    return meaning.kind, meaning.split, meaning.term, meaning.part, meaning.words


def _worse(role: Role, series: Series) -> int:
    if not role.is_outcome:
        return 0
    return BETTER.get(series.meaning.kind, 1) if role is Role.METRIC else 1


def _least(role: Role) -> float:
    return {Role.NORM: TWICE, Role.RATE: RATES}.get(role, 0.0)


def _curves(
    here: LogFacts, ours: Series, there: LogFacts, theirs: Series, *, is_log: bool
) -> tuple[str, Curve, Curve] | None:
    """Both over what they have in common to be laid by; None: too few values."""
    both = ((here, ours), (there, theirs))
    by_epoch = all(is_by_epoch(log, one) for log, one in both)
    units = ("epoch", "step", "value") if by_epoch else ("step", "epoch", "value")
    for unit in units:
        mine, other = (_curve(log, one, unit, is_log=is_log) for log, one in both)
        if mine is not None and other is not None:
            return (unit, mine, other) if are_comparable(mine, other) else None
    return None


def _curve(log: LogFacts, series: Series, unit: str, *, is_log: bool) -> Curve | None:
    """The series by epoch, step or number; None: that is not known of it."""
    places = {"epoch": log.table.epochs, "step": log.table.steps}.get(unit)
    x = np.arange(1.0, len(series.values) + 1) if places is None else places[series.rows]
    y = series.values
    keep = np.isfinite(x) & np.isfinite(y) & ((y > 0) if is_log else True)
    if not keep.any() or not np.isfinite(x).all():
        return None
    order = np.argsort(x[keep], kind="stable")
    values = y[keep][order]
    return Curve(x[keep][order], np.log(values) if is_log else values)


def _other_settings(run: RunPaths, good_run: RunPaths) -> dict[str, tuple[Any, Any]]:
    """What decides how a training goes and is configured otherwise; nothing where a configuration cannot be read."""
    try:
        here, good = reading.load_resolved(run.config), reading.load_resolved(good_run.config)
    except UserError:
        return {}
    found = {path: (mine, other) for path, mine, other in diff(here, good)}
    return {path: pair for path, pair in found.items() if path not in UNLIKE and not path.startswith(BESIDE)}


def _other_data(run: RunPaths, good_run: RunPaths) -> Iterator[str]:
    """Splits that hold other samples. Under another seed the split is another one, and only its size says something."""
    here, good = _meta(run), _meta(good_run)
    ours, theirs = here.get("data_id"), good.get("data_id")
    if not isinstance(ours, Mapping) or not isinstance(theirs, Mapping):
        return
    for split, words in (("train", "training"), ("val", "validation")):
        mine, other = ours.get(split), theirs.get(split)
        if not isinstance(mine, Mapping) or not isinstance(other, Mapping):
            continue
        if mine.get("num") != other.get("num"):
            yield f"{mine.get('num')} {words} samples, {other.get('num')} in the good one"
        elif here.get("seed") == good.get("seed") and same_samples(dict(mine), dict(other)) is False:
            yield f"other {words} samples, or the same under other labels"


def _meta(run: RunPaths) -> dict[str, Any]:
    try:
        return read_meta(run) or {}
    except UserError:
        return {}


def _other_classes(evidence: Evidence, good: Evidence, run: RunPaths, good_run: RunPaths) -> list[str]:
    """Classes, and the training samples of each. Groups that stay together make a split under another seed uneven."""
    here, there = evidence.labels, good.labels
    if here is None or there is None:
        return []
    if here.classes != there.classes:
        return [f"classes {', '.join(here.classes[:6])}; {', '.join(there.classes[:6])} in the good one"]
    has_one_seed = _meta(run).get("seed") == _meta(good_run).get("seed")
    share = UNEVEN if has_one_seed else UNEVEN_SPLITS
    pairs = zip(here.classes, here.train.counts, there.train.counts, strict=True)
    others = [(name, a, b) for name, a, b in pairs if abs(a - b) > max(FEW * math.sqrt(max(a, b)), share * max(a, b))]
    return [f"{a:,} training samples of {name}, {b:,} in the good one" for name, a, b in others[:4]]
