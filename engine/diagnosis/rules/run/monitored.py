"""E1006: a metric whose mode is the other one, by its name before a run, by its course afterwards.

Pure functions of facts.
"""

from __future__ import annotations

import numpy as np

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.attempt import AttemptFacts
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.facts.run import MonitorFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import validation_loss
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import jitter
from trainctl.engine.diagnosis.logs.names import VAL, Kind, meaning_of
from trainctl.engine.diagnosis.logs.table import Floats

FEWEST = 8
"""Validations from which on a course can be told."""
LEARNT = 0.7
"""Of its first value, that the validation loss must have come down to."""
AGAINST = 0.8
"""Rank correlation of loss and metric, both such that less is better, of opposite sign."""
NOISES = 4.0
RISING = frozenset({Kind.RATE, Kind.CORRELATION, Kind.REWARD})
FALLING = frozenset({Kind.ERROR, Kind.TOTAL, Kind.TERM})
"""Kinds of metrics that improve this way. A score may be one of either."""
TURNED = frozenset({"neg", "negative", "minus", "inverse", "inv", "not", "no", "drop", "gap", "gain", "false", "1"})
"""Words of a name with which it may improve the other way."""


@rule(
    "E1006",
    "monitored metric of the wrong mode",
    section="evaluation",
    severity=Severity.WARNING,
    precedence=Precedence.SAMPLER,
    cost=Cost.STATIC,
)
def wrong_mode(
    monitor: MonitorFacts | None = None,
    course: LogFacts | None = None,
    attempt: AttemptFacts | None = None,
    plan: PlanFacts | None = None,
) -> Answer:
    """Before training: a metric whose name says that it rises (accuracy, F1, a correlation) or falls (a loss, an
    error), with the other mode: that of the monitor, or of a plateau (schedule.mode). A metric that is named in
    train.monitor is to rise, unless it is the task's own or train.monitor_mode says otherwise.

    Of a run: the monitored metric worsens by its mode, step for step as the loss of the same validations improves.
    Over eight validations or more: the loss comes down by 30 %, the rank correlation of the two, each counted so that
    less is better, is −.8 or less, and the metric ends worse than it began by four deviations of its noise. Where the
    loss rises as well, or the metric improves, nothing is said.

    Costs: the first, worst weights are kept as the best, and a plateau cuts the rate while the network learns.
    Do: the other mode (`max` for what should rise, `min` for what should fall); or mend the metric.
    Follows from: N901, C301, K401.
    """
    if monitor is not None and course is not None:
        return _by_course(monitor, course)
    return Unchecked("no validation has been made or tried") if attempt is None else _by_name(attempt, plan)


def direction(metric: str) -> str:
    """`max` or `min`, as the name of a metric says; empty: it says nothing."""
    meaning = meaning_of(metric)
    if meaning.words & TURNED or metric.lstrip().startswith("-"):
        return ""
    return "max" if meaning.kind in RISING else "min" if meaning.kind in FALLING else ""


def _by_name(attempt: AttemptFacts, plan: PlanFacts | None) -> Answer:
    asked = [("train.monitor_mode", attempt.monitor, attempt.mode)]
    if plan is not None and plan.schedule == "plateau":
        get = plan.settings.get
        asked.append(("schedule.mode", str(get("schedule.metric") or ""), str(get("schedule.mode") or "")))
    known = [(*entry, direction(entry[1])) for entry in asked if entry[1] and entry[2]]
    if not any(meant for *_, meant in known):
        return Unchecked("no monitored metric has a name that says which way it improves")
    wrong = next((entry for entry in known if entry[3] not in ("", entry[2])), None)
    if wrong is None:
        return None
    option, metric, mode, meant = wrong
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{metric} counts as better the larger it is: its name says the opposite"
        if mode == "max"
        else f"{metric} counts as better the smaller it is: its name says the opposite",
        where=f"{option}, or the mode of the task's monitor",
        why="each improvement counts as a bad epoch, and the rate is cut while the network learns"
        if option == "schedule.mode"
        else "the worst weights are kept as the best, and early stopping ends what improves",
        fix=Fix(f"{option}={meant}", {option: meant}),
        figures={"metric": metric, "mode": mode},
    )


def _by_course(monitor: MonitorFacts, course: LogFacts) -> Answer:
    loss = validation_loss(course)
    series = next((one for one in course.series if one.name == monitor.metric and one.meaning.split == VAL), None)
    if series is None or loss is None or monitor.metric == "loss":
        return Unchecked("needs a validation loss beside the monitored metric")
    values, losses = _beside(series, loss)
    if len(values) < FEWEST:
        return Unchecked(f"needs {FEWEST} validations")
    bad = -values if monitor.is_rising else values
    worse = float(np.median(bad[-3:]) - np.median(bad[:3]))
    has_learnt = losses[0] > 0 and float(np.median(losses[-3:])) <= LEARNT * float(losses[0])
    against = _rank_correlation(bad, losses)
    if not has_learnt or against > -AGAINST or worse <= NOISES * jitter(bad):
        return None
    mode = "rises" if monitor.is_rising else "falls"
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{monitor.metric} went from {values[0]:.4g} to {values[-1]:.4g} while better is what {mode}",
        where=f"{len(values)} validations; {loss.name} went from {losses[0]:.4g} to {losses[-1]:.4g}",
        why=f"the less the loss, the worse the metric by its mode (rank correlation {against:.2f}): the mode is the "
        "other one, or the metric is one less what it should be",
        fix=Fix("give the monitor the other mode, or mend the metric: what is good has to be its better end"),
        figures={"correlation": against, "first": float(values[0]), "last": float(values[-1])},
        because=("N901", "C301", "K401"),
    )


def _beside(series: Series, loss: Series) -> tuple[Floats, Floats]:
    """Values of both at the same validations, where both are finite."""
    losses = dict(zip(loss.rows.tolist(), loss.values.tolist(), strict=True))
    pairs = [(value, losses.get(row, np.nan)) for row, value in zip(series.rows.tolist(), series.values, strict=True)]
    known = np.array([pair for pair in pairs if np.isfinite(pair).all()], np.float64).reshape(-1, 2)
    return known[:, 0], known[:, 1]


def _rank_correlation(a: Floats, b: Floats) -> float:
    """Spearman's, of values that are seldom equal."""
    ranks = [one.argsort().argsort().astype(np.float64) for one in (a, b)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
