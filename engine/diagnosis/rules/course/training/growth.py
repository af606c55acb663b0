"""O601's growth of a loss: beyond all measure in few values, or steadily after it had been learned. No rule."""

from __future__ import annotations

import numpy as np

from trainctl.engine.diagnosis import remedies
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity
from trainctl.engine.diagnosis.logs.course import IMPROVED, is_long, validation_loss
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import (
    WIDTH,
    is_of_policy,
    jitter,
    levels,
    qualities,
    rank_correlation,
    usual_norm,
)
from trainctl.engine.diagnosis.logs.names import VAL, Kind
from trainctl.engine.diagnosis.logs.table import Floats

FEWEST = 10
DIVERGED, FAR = 1.5, 10.0
FEW, BLOWN, BLOWN_AT_ONCE = 3, 1e3, 1e6
"""Values from which on a growth of so much is seen: of the last two, and of the last alone."""
BEYOND, FEW_VALUES = 1e10, 10
"""A value of either sign that is beyond all measure beside others a millionth of it, and values of which two or the
last say so: in more, single ones are spikes."""
TREBLED, STEADY, RISING = 3.0, 0.9, 5
"""How far above its lowest level a loss lies that comes apart after it had learned, how steadily it rose (a rank
correlation with time), and over how many levels."""
FALLEN = 0.2


def lower_rate(log: LogFacts, plan: PlanFacts | None, calm: int | None) -> Fix:
    """`calm`: the last row before it came apart."""
    settings = remedies.slower(plan, clip=usual_norm(log, calm))
    return Fix("a tenth of the learning rate, a warmup, and clip the gradient", settings)


def highest_rate(log: LogFacts) -> str:
    rates = [one for one in log.of(Kind.LR) if len(one.finite)]
    return f"; learning rate up to {max(float(one.finite.max()) for one in rates):.3g}" if rates else ""


def blown(log: LogFacts, series: Series, values: Floats, plan: PlanFacts | None) -> Hit | None:
    """A loss that grew beyond all that a healthy one can, and did not come back; `values`: what should fall."""
    if len(values) < FEW or values.min() <= 0 or is_of_policy(log):
        return None
    start, last = float(values[: max(len(values) // 2, 1)].max()), float(values[-1])
    if last < FAR or (min(values[-2:]) < BLOWN * start and last < BLOWN_AT_ONCE * start):
        return None  # what began next to 0 has no measure in itself
    index = int(np.flatnonzero(np.isfinite(series.values))[int((values >= BLOWN * start).argmax())])
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} went from {series.finite[0]:.4g} to {series.finite[-1]:.4g}",
        where=f"from {log.where(series, index)} to the end; {len(values):,} values",
        why=f"a factor of {last / start:.3g} over all of the first half, not come back from{highest_rate(log)}",
        fix=lower_rate(log, plan, int(series.rows[0])),
        figures={"first": float(series.finite[0]), "last": float(series.finite[-1]), **log.step_of(series, index)},
        because=("N901", "N902", "C313"),
    )


def beyond_measure(log: LogFacts, series: Series, plan: PlanFacts | None) -> Hit | None:
    """A loss of few values that is beyond all measure in some of them, above or below 0, and no number one can learn by
    in between."""
    sizes = np.abs(series.finite)
    if not FEW <= len(sizes) <= FEW_VALUES or is_of_policy(log):
        return None
    usual = float(np.median(sizes[sizes < BEYOND])) if (sizes < BEYOND).any() else 0.0
    is_beyond = sizes >= max(BEYOND, BLOWN_AT_ONCE * usual)
    if usual <= 0 or not (is_beyond.sum() > 1 or is_beyond[-1]):
        return None
    index = int(np.flatnonzero(np.isfinite(series.values))[int(is_beyond.argmax())])
    signs = "; a loss that falls without end has no floor: look at its sign and at targets outside [0, 1]"
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} is {series.values[index]:.4g}",
        where=f"{log.where(series, index)}; {int(is_beyond.sum()):,} of {len(sizes):,} values",
        why=f"beyond all measure: the others are about {usual:.4g}{highest_rate(log)}"
        + (signs if series.values[index] < 0 else ""),
        fix=lower_rate(log, plan, int(series.rows[0])),
        figures={"usual": usual, "last": float(series.finite[-1]), **log.step_of(series, index)},
        because=("N901", "N902", "C305", "C313"),
    )


def risen_again(log: LogFacts, series: Series, plan: PlanFacts | None) -> Hit | None:
    """A loss that had been learned, and then rose steadily to the end: its beginning may have been as high."""
    values = series.finite
    if len(values) < FEWEST or not is_long(log, series) or values.min() <= 0 or is_of_policy(log):
        return None
    level = levels(values)
    at = int(level.argmin())
    rising, lowest = level[at:], float(level[at])
    rise = float(level[-1]) / lowest
    is_steady = len(rising) >= RISING and rank_correlation(rising) >= STEADY
    if rise < TREBLED or not is_steady or level[-1] - lowest <= 4 * jitter(values[at:]):
        return None
    index = int(np.nanargmin(np.where(np.isfinite(series.values), series.values, np.nan)))
    row = int(series.rows[index])
    validated = validation_loss(log)
    witness = None if validated is None or len(validated.finite) < RISING else levels(validated.finite)
    if not (rise >= FAR if witness is None else witness[-1] > DIVERGED * witness.min() > 0):
        return None
    if _rate_rises(log, row) or _learns_since(log, row):
        return None
    return Hit(
        severity=Severity.ERROR if rise >= FAR and witness is not None else Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} rose from {lowest:.4g} to {float(level[-1]):.4g}",
        where=f"lowest at {log.where(series, index)}: {series.say(index)}; {len(values):,} values",
        why=f"levels, a factor of {rise:.3g} since it was lowest, steadily"
        + (f"; {validated.name} rose too" if validated is not None and witness is not None else "")
        + highest_rate(log),
        fix=lower_rate(log, plan, row),
        figures={"first": float(values[0]), "last": float(values[-1]), "lowest": lowest, **log.step_of(series, index)},
        because=("N901", "N902", "C313"),
    )


def _rate_rises(log: LogFacts, row: int) -> bool:
    """Whether a learning rate doubled after a row, as at a restart."""
    for rate in log.of(Kind.LR):
        before, after = rate.values[rate.rows <= row], rate.values[rate.rows > row]
        if len(before) and len(after) and np.nanmax(after) > 2 * before[-1]:
            return True
    return False


def _learns_since(log: LogFacts, row: int) -> bool:
    """Whether a term fell by a fifth after a row, or a metric rose: then the task became harder, or another one."""
    falling = [one for one in log.of(Kind.TERM, Kind.ERROR) if one.meaning.split != VAL]
    rising = [*qualities(log), *log.of(Kind.SCORE)]
    for one, sign in [*((one, -1.0) for one in falling), *((one, 1.0) for one in rising)]:
        then, now = one.finite[one.rows[np.isfinite(one.values)] <= row], one.finite
        if len(then) < WIDTH or len(now) - len(then) < WIDTH:
            continue
        before, late = float(np.median(then[-WIDTH:])), float(np.median(now[-WIDTH:]))
        if sign * (late - before) > (FALLEN if sign < 0 else IMPROVED) * abs(before):
            return True
    return False
