"""O603: a training loss that jumps.

Pure functions of a log. Nothing is judged by an absolute size, and nothing at all where too few values were logged.
"""

from __future__ import annotations

import numpy as np

from trainctl.engine.diagnosis import remedies
from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import ends, training_loss, trend
from trainctl.engine.diagnosis.logs.facts import LogFacts
from trainctl.engine.diagnosis.logs.metrics import usual_norm
from trainctl.engine.diagnosis.logs.table import Floats

SPIKES, SPIKE_Z, RECOVERY = 3, 8.0, 50


@rule(
    "O603",
    "loss spikes",
    section="optimiser and schedule",
    severity=Severity.WARNING,
    precedence=Precedence.SCHEDULE,
    cost=Cost.RECORDS,
    of_log=True,
)
def spikes(log: LogFacts, plan: PlanFacts | None = None) -> Answer:
    """Jumps of more than 8 robust deviations of the logarithm, to over 1.5 times the trend, that undo half of what was
    learned: the noise of a loss grows with it, and late in a run a hard batch is many times the trend.

    Three or more are a warning, and one that is not left again within 50 values; others are none.

    Costs: what was learned is undone, and has to be learned again.
    Do: look at the batches of those steps; clip the gradient.
    Follows from: N901, O601, C313.
    """
    series = training_loss(log)
    if series is None:
        return Unchecked(log.without_loss)
    values = series.finite
    if len(values) < 2 * RECOVERY or values.min() <= 0:
        return Unchecked(f"needs {2 * RECOVERY} values of a training loss above 0")
    level = trend(values)
    rest = np.log(values / level)
    spread = 1.4826 * float(np.median(np.abs(rest - np.median(rest)))) + 1e-6
    learned = np.maximum(ends(values)[0] - level, 0.0)
    is_high = (rest > SPIKE_Z * spread) & (values > 1.5 * level)
    is_spike = is_high & (values - level > 0.5 * learned) & (learned > 0)
    starts = np.flatnonzero(is_spike & ~np.concatenate([[False], is_spike[:-1]]))
    stays = [int(at) for at in starts if _stays(values, level, int(at))]
    if len(starts) < SPIKES and not stays:
        return None
    at = stays[0] if stays else int(starts[0])
    index = int(np.flatnonzero(np.isfinite(series.values))[at])
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{len(starts)} spike{'s' * (len(starts) != 1)} of {series.name}"
        + (", not recovered from" if stays else ""),
        where=f"{log.where(series, index)}: {values[at]:.4g} over a trend of {level[at]:.4g}",
        why=f"{rest[at] / spread:.0f} deviations of ln(loss / trend), 1.4826·MAD = {spread:.3g}; half the gain lost",
        fix=Fix("look at the batches of those steps; clip the gradient", remedies.clipped(plan, usual_norm(log))),
        figures={
            "spikes": len(starts),
            "value": float(values[at]),
            "trend": float(level[at]),
            **log.step_of(series, index),
        },
        because=("N901", "O601", "C313"),
    )


def _stays(values: Floats, level: Floats, at: int) -> bool:
    """Whether the loss remains above the middle between trend and spike for the next 50 values."""
    after = values[at : at + RECOVERY]
    return len(after) == RECOVERY and bool(np.median(after) > (level[at] + values[at]) / 2)
