"""C320: of two networks that play against each other one learns nothing. Pure functions of a log."""

from __future__ import annotations

import math

import numpy as np

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import ends
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.names import TEST, VAL, Kind

JUDGES = frozenset({"discriminator", "disc", "dis", "d"})
MAKERS = frozenset({"generator", "gen", "g"})
OF_ONE_SIDE = frozenset({"real", "fake", "acc", "accuracy", "demo", "agent", "penalty", "gp", "x", "z"})
"""Words of losses that are of a part of what a discriminator is shown, or of something else than its answers."""
FEWEST, MOSTLY = 5, 0.75
ALIKE, LONG = 0.02, 10
"""Share of a score by which real and made samples differ, to a critic that is of no use; and values that all say so."""
HELPLESS = 5.0
"""A loss of a discriminator that takes made samples for real with a probability of .99."""
MODERATE, ROWS = 20.0, 10
"""A generator's loss that it can still learn from, and values below which a judge that is certain may be ahead for a
while: some losses are so by design."""
CERTAIN = 1e-3
"""A logarithmic loss of a discriminator that is right with a probability of .999."""
CLAMPS = (*(-math.log(10.0**-power) for power in range(5, 13)), 100.0)
"""Minus the logarithm of what a probability is kept above, as it is written: 1e-5 to 1e-12; and torch's own bound."""
LEVEL_UP = (
    "a lower rate or fewer steps for the one that wins, noise on its inputs or smoothed labels, or a loss that does "
    "not saturate (hinge, Wasserstein with a gradient penalty)"
)
REVIVE = "look at the clip of the critic's weights, at its rate and its steps, and at what it is shown as real"


@rule(
    "C320",
    "a rival learns nothing",
    section="loss",
    severity=Severity.WARNING,
    precedence=Precedence.LOSS,
    cost=Cost.RECORDS,
    of_log=True,
)
def rival_has_won(log: LogFacts) -> Answer:
    """A discriminator's loss is below .001 in three quarters of the newest half of its values, five or more, while a
    generator's is named beside it and no total loss falls. Losses that are ever negative are no logarithm of a
    probability and are not judged so.

    The other way round a generator's loss is below .001 in as many, of ten values or more, while the discriminator's is
    above 5. Of fewer than ten values a discriminator that is certain is an information, while the generator's loss is
    below 20.

    Or a loss of either is the same in its five newest values and half of all, at −ln ε, where ε = 1e-5 to 1e-12, or at
    100: what a program keeps the logarithm of 0 from. Or a critic's scores of real and of made samples, named `real`
    and `fake`, differ by at most a fiftieth in each of ten values or more, from the first on.

    Costs: one is certain of every sample, or of none, so the other gets no gradient that tells it where to go.
    Do: hold back the one that wins: its rate, its steps, noise on its inputs; a critic: its clip, its rate.
    Follows from: N901, N902.
    """
    terms = [one for one in log.of(Kind.TERM) if one.meaning.split not in (VAL, TEST) and len(one.finite) >= FEWEST]
    judges = [one for one in terms if one.meaning.words & JUDGES]
    makers = [one for one in terms if one.meaning.words & MAKERS]
    alike = _alike(log)
    if alike is not None:
        return alike
    if not judges or not (makers or log.has_rivals):
        return Unchecked("no losses of two networks that play against each other are named")
    clamped = next((one for one in (*judges, *makers) if _clamp(one)), None)
    if clamped is not None:
        return _hit(
            log,
            clamped,
            f"{clamped.name} stands at {clamped.say(len(clamped.values) - 1)} = {_clamp(clamped)}",
            "a probability of 0, kept from its logarithm: no gradient passes there",
        )
    whole = [one for one in judges if not one.meaning.words & OF_ONE_SIDE]
    if not whole or not makers or makers[0].finite.min() < 0:
        return None
    return _certain(log, whole, makers[0])


def _certain(log: LogFacts, whole: list[Series], maker: Series) -> Hit | None:
    """A discriminator that is certain of every sample, or of none that a generator makes."""
    is_long = len(maker.finite) >= ROWS
    if is_long and _is_certain(maker) and all(float(np.median(one.finite)) > HELPLESS for one in whole):
        return _hit(
            log,
            maker,
            f"{maker.name} is {maker.say(len(maker.values) - 1)} while {whole[0].name} is "
            f"{whole[0].say(len(whole[0].values) - 1)}",
            "the discriminator takes every made sample for a real one: it tells the generator nothing",
        )
    if not all(_is_certain(one) for one in whole):
        return None
    if any(_falls(one) for one in log.of(Kind.TOTAL) if len(one.finite) >= FEWEST):
        return None
    first, last = ends(maker.finite)
    may_recover = len(whole[0].finite) < ROWS and float(np.median(maker.finite)) < MODERATE
    return _hit(
        log,
        whole[0],
        f"{whole[0].name} is {whole[0].say(len(whole[0].values) - 1)}: below {CERTAIN:g} in most of the newest values",
        f"it tells every sample apart with a probability of .999; {maker.name} {first:.4g} to {last:.4g}",
        severity=Severity.INFO if may_recover else Severity.WARNING,
    )


def _alike(log: LogFacts) -> Hit | None:
    """A critic that scores real and made samples alike from the first value on."""
    if not any("critic" in one.meaning.words for one in log.of(Kind.TERM)):
        return None
    scores = [one for one in log.series if len(one.values) >= LONG and np.isfinite(one.values).all()]
    for real in (one for one in scores if "real" in one.meaning.words):
        name = (real.meaning.words - {"real"}) | {"fake"}
        fake = next((one for one in scores if one.meaning.words == name and len(one.values) == len(real.values)), None)
        if fake is None:
            continue
        apart = np.abs(real.values - fake.values) / np.maximum(np.abs(real.values), 1e-30)
        if float(apart.max()) <= ALIKE:
            summary = f"{real.name} and {fake.name} differ by at most {float(apart.max()):.2%}"
            return _hit(log, real, summary, "the critic tells nothing apart, and never did", REVIVE)
    return None


def _hit(
    log: LogFacts,
    series: Series,
    summary: str,
    why: str,
    do: str = LEVEL_UP,
    *,
    severity: Severity = Severity.WARNING,
) -> Hit:
    return Hit(
        severity=severity,
        confidence=Confidence.LIKELY,
        summary=summary,
        where=f"to {log.where(series, len(series.values) - 1)}; {len(series.values):,} values",
        why=why,
        fix=Fix(do),
        figures={"last": float(series.finite[-1])},
        because=("N901", "N902"),
    )


def _clamp(series: Series) -> str:
    """Which bound of a logarithm a loss stands at; empty: none."""
    values, half_unit = series.finite, float(series.column.half_units.min())
    count = max(len(values) // 2, FEWEST)
    newest = np.abs(values[-count:])
    if np.ptp(newest) or half_unit > 0.005:
        return ""
    near = next((clamp for clamp in CLAMPS if abs(newest[-1] - clamp) <= half_unit + 1e-4), None)
    if near is None:
        return ""
    return "100" if near == CLAMPS[-1] else f"−ln {math.exp(-near):.0e}"


def _is_certain(series: Series) -> bool:
    values = series.finite
    newest = values[-max(len(values) // 2, FEWEST) :]
    return values.min() >= 0 and float((newest < CERTAIN).mean()) >= MOSTLY


def _falls(series: Series) -> bool:
    first, last = ends(series.finite)
    return last < 0.98 * first
