"""How each loss term and its weight went over a run, as far as a bounded number of records tells. No rule, no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.diagnosis.facts.terms import TermCourse, TermsFacts, WeightCourse
from trainctl.engine.diagnosis.records.validations import ValidationHistory
from trainctl.engine.runs.record import RecordLayout, Records
from trainctl.engine.runs.term_kinds import kinds_of

MOST = 4096
"""Newest steps whose noise is looked at."""
MOST_EPOCHS = 512
TENTH, LEAST_END, MOST_END = 10, 4, 1000
"""The ends of a run are a tenth of its steps, at least and at most so many."""
AROUND = 8
"""Steps before and after each one that its running median is of."""
LEAST_NOISE = 24
"""Steps from which on a noise is told."""
STANDS = 0.5
"""Share of a term's first value above which it is asked for noise: near 0, a few hard samples are all of a mean."""
VARIES = 0.05
"""Deviation of the logarithm of a count from which on something can be seen to follow it."""
MOST_WEIGHT = 1e9
UNITS, LAST_UNITS = "units", "units.last"
"""Scalars by which a task records the things its terms are means over, of the batch and of its last sample."""

Doubles = NDArray[np.float64]


def recorded_terms(
    beginning: Records,
    newest: Records,
    layout: RecordLayout,
    history: ValidationHistory,
    *,
    num_steps: int,
    early: str,
    useful: Any,
) -> TermsFacts | None:
    """Facts about the terms; None where there is none.

    Args:
        beginning: the first records, at least a tenth of them or `MOST_END`.
        newest: the newest records, as many as are at hand.
        layout: of the records.
        history: of the validations.
        num_steps: records of the run.
        early: why nothing can be said yet of a term that stands still; empty: it can.
        useful: ranges of weights as `meta.json` has them.
    """
    if not layout.terms or not len(newest):
        return None
    end = min(max(num_steps // TENTH, LEAST_END), MOST_END)
    first, last, kinds = beginning[:end], newest[-end:], kinds_of(layout.terms, layout.kinds)
    shares = {} if layout.lr_names else _shares(first, layout.terms)

    if int(beginning[0]["step"]) != 1:
        early = "the run goes on where another one was: its beginning is not in its records"
    return TermsFacts(
        num_steps=num_steps,
        batch_size=int(np.median(newest["batch_size"])),
        terms=tuple(
            _course(name, kinds.get(name, ""), shares.get(name, math.nan), first, newest[-MOST:], last, layout, history)
            for name in layout.terms
        ),
        weights=tuple(_weights(beginning, newest, name) for name in layout.terms),
        early=early,
        useful=_ranges(useful),
    )


def _course(
    name: str,
    kind: str,
    share: float,
    first: Records,
    noisy: Records,
    last: Records,
    layout: RecordLayout,
    history: ValidationHistory,
) -> TermCourse:
    """One term: its two ends, and the noise of the records in between."""
    began = _median(_term(first, name))
    noise, count, by_last, by_all = _noise(noisy, layout, name, began)
    return TermCourse(
        name=name,
        kind=kind,
        weight=float(last[-1][f"weight.{name}"]),
        first=began,
        last=_median(_term(last, name)),
        share=share,
        noise=noise,
        num_noise=count,
        by_last=by_last,
        by_all=by_all,
        validated=history.newest(name),
        constant=history.constant(name),
    )


def _term(rows: Records, name: str) -> Doubles:
    return rows[f"term.{name}"].astype(np.float64)


def _median(values: Doubles) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else math.nan


def _shares(rows: Records, terms: tuple[str, ...]) -> dict[str, float]:
    """Median share of each weighted term in the sum of all of them, by size."""
    sizes = np.stack([np.abs(_term(rows, name) * rows[f"weight.{name}"]) for name in terms], 1)
    sums = sizes.sum(1)
    is_known = np.isfinite(sums) & (sums > 0)
    if not is_known.any():
        return {}
    middle = np.median(sizes[is_known] / sums[is_known, None], axis=0)
    return dict(zip(terms, map(float, middle), strict=True))


def _noise(rows: Records, layout: RecordLayout, name: str, began: float) -> tuple[float, int, float, float]:
    """Noise of a term, the steps it is of, and how far it follows the sizes of the last sample and of the batch."""
    values = np.abs(_term(rows, name))
    is_known = np.isfinite(values) & (values > 0)
    rows, logs = rows[is_known], np.log(values[is_known])
    if len(logs) < LEAST_NOISE or not began > 0:
        return math.nan, 0, math.nan, math.nan
    level = _running_median(logs)
    stands = level >= math.log(STANDS * began)
    count = int(stands.sum())
    if count < LEAST_NOISE:
        return math.nan, count, math.nan, math.nan
    rest = (logs - level)[stands]
    noise = 1.4826 * float(np.median(np.abs(rest - np.median(rest))))

    def follows(counts: Doubles | None) -> float:
        return math.nan if counts is None else _correlation(rest, counts, stands)

    batch = _scalar(rows, layout, UNITS)
    return (
        noise,
        count,
        follows(_scalar(rows, layout, LAST_UNITS)),
        follows(rows["batch_size"] if batch is None else batch),
    )


def _scalar(rows: Records, layout: RecordLayout, name: str) -> Doubles | None:
    return rows[f"scalar.{name}"].astype(np.float64) if name in layout.scalars else None


def _running_median(values: Doubles) -> Doubles:
    padded = np.pad(values, AROUND, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * AROUND + 1), axis=1)


def _correlation(rest: Doubles, counts: Doubles, stands: NDArray[np.bool_]) -> float:
    """Of what is left of a term with what is left of a count, about their running medians; NaN: it hardly varies."""
    if not (np.isfinite(counts).all() and (counts > 0).all()):
        return math.nan
    logs = np.log(counts.astype(np.float64))
    other = (logs - _running_median(logs))[stands]
    if other.std() < VARIES or rest.std() == 0:
        return math.nan
    return float(np.corrcoef(rest, other)[0, 1])


def _weights(beginning: Records, newest: Records, name: str) -> WeightCourse:
    """The weight at the end of each epoch that the newest records tell."""
    epochs, values = newest["epoch"], newest[f"weight.{name}"]
    ends = np.append(np.flatnonzero(np.diff(epochs)), len(epochs) - 1)[-MOST_EPOCHS:]
    return WeightCourse(name, float(beginning[0][f"weight.{name}"]), tuple(values[ends].astype(float).tolist()))


def _ranges(useful: Any) -> Mapping[str, tuple[float, float]]:
    """Ranges from a file that may come from anywhere."""
    found: dict[str, tuple[float, float]] = {}
    for name, ends in cast("Mapping[Any, Any]", useful if isinstance(useful, Mapping) else {}).items():
        is_pair = isinstance(ends, list) and len(cast("list[Any]", ends)) == 2
        if is_pair and all(isinstance(end, int | float) and 0 <= end < MOST_WEIGHT for end in ends):
            found[str(name)] = (float(ends[0]), float(ends[1]))
    return found
