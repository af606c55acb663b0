"""C305, E1011, E1013: figures of a log that cannot be, each by itself or two of them together.

Pure functions of a log.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import training_loss
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import ACCURACIES, AREAS, is_of_policy
from trainctl.engine.diagnosis.logs.names import Kind
from trainctl.engine.diagnosis.logs.posteriors import Posteriors, balances, find_posteriors, max_posteriors
from trainctl.engine.diagnosis.logs.vocabulary import ADVERSARIAL
from trainctl.engine.losses.clustering_bounds import largest_entropy, smallest_mean_entropy

NONNEGATIVE = frozenset(
    {"bce", "mse", "mae", "rmse", "supcon", "crossentropy", "huber", "smoothl1", "focal", "ce", "l1", "l2", "hinge"}
)
"""Losses that are sums of squares, absolute values or −ln of a probability. Not the likelihoods of densities, and no
player's: what a generator gets of a hinge may be below 0."""
BOXES = frozenset({"box", "bbox", "iou", "giou", "ciou", "diou"})
DETECTED = BOXES | {"dfl", "obj", "cls", "mask"}
"""Terms of a detector's loss: 1 − IoU, distances, −ln of probabilities. Where a box is named, the others are of it."""
OVERLAPS, WHOLE_OVERLAP = frozenset({"dice", "tversky"}), -1.0
"""Losses that are often minus the overlap itself, and so at least −1."""
POLICIES = frozenset({"policy", "actor", "surrogate", "pg", "pi"})
DIVERGENCES = frozenset({"kl", "kld", "loss", "div", "divergence", "term"})
PERCENT_FROM, FRACTION_FLOOR, FEW_CLASSES = 1.5, 0.2, 50
"""A rate above 1.5 is in percent. One just above 1 is a fraction where nine tenths lie in [.2, 1], or where chance
would be above 2 percent."""
NEARLY, PLAINLY = 1.05, 0.35
"""Highest of values that are plainly fractions of 1, and the loss beside them that says so: an accuracy of 1 percent
has none as low. An area needs none, as chance is a half."""
MANY_CLUSTERS = 1000
ENTROPIES = frozenset({"ce", "crossentropy", "xent", "nll"})
FEW_LOSSES, CLEARLY = 3, 0.1
"""Values of a loss whose median is judged, and by how much of all samples a figure must contradict it."""


@dataclass(frozen=True)
class _Claim:
    """A figure that cannot be."""

    series: Series
    index: int
    count: int
    what: str
    formula: str
    is_proven: bool = True


def _outside(series: Series, low: float, high: float, formula: str, is_proven: bool = True) -> Iterator[_Claim]:
    """The first value outside a range by more than its rounding, if there is one."""
    values, slack = series.values, series.slack + 1e-9
    is_out = np.isfinite(values) & ((values + slack < low) | (values - slack > high))
    if is_out.any():
        index = int(is_out.argmax())
        what = f"below {low:.4g}" if values[index] < low else f"above {high:.4g}"
        yield _Claim(series, index, int(is_out.sum()), what, formula, is_proven)


@rule(
    "E1011",
    "impossible figures",
    section="evaluation",
    severity=Severity.ERROR,
    precedence=Precedence.DATA,
    cost=Cost.RECORDS,
    of_log=True,
)
def impossible_figures(log: LogFacts) -> Answer:
    """Values outside what their names allow by more than their rounding.

    A rate lies in [0, 1] or [0, 100 %], a correlation or cosine in [−1, 1], a divergence at 0 or above (unless rewards
    or a policy's loss say that it is estimated), the largest of K posteriors in [1/K, 1], a cluster loss in
    [−1, −1/K]. An accuracy above 1 is a percentage, unless its
    cross-entropy L, which leaves at least 1 − L/ln 2 of the samples right, says that this is 10 points too low.

    Of rates just above 1 nine tenths lie in [.2, 1]; or all lie in [.2, 1.05] and are areas under a curve, or stand
    beside a loss of at most .35.

    Costs: a figure that is computed wrongly; what else the log says may be too.
    Do: check how it is computed, averaged and printed before believing any other of the log.
    """
    judged = [*log.of(Kind.RATE, Kind.CORRELATION, Kind.MAX_POSTERIOR), *_divergences(log), *max_posteriors(log)]
    if not judged:
        return Unchecked("no rate, correlation, divergence or posterior is named")
    claims = [*_rate_claims(log), *_correlation_claims(log), *_divergence_claims(log), *_cluster_claims(log)]
    if not claims:
        return None
    first = min(claims, key=lambda claim: not claim.is_proven)
    others = [f"{claim.series.name} {claim.what} ({log.where(claim.series, claim.index)})" for claim in claims]
    more = f"; also {', '.join(text for text, claim in zip(others, claims, strict=True) if claim is not first)}"
    value = first.series.say(first.index)
    return Hit(
        severity=Severity.ERROR if first.is_proven else Severity.WARNING,
        confidence=Confidence.PROVEN if first.is_proven else Confidence.LIKELY,
        summary=f"{first.series.name} {value} is {first.what}",
        where=f"{log.where(first.series, first.index)}: {first.count:,} of {len(first.series.values):,} values",
        why=first.formula + (more if len(claims) > 1 else ""),
        fix=Fix("check how that figure is computed, averaged and printed before believing any other of this log"),
        figures={
            "value": float(first.series.values[first.index]),
            "values_outside": first.count,
            "kinds": len(claims),
            **log.step_of(first.series, first.index),
        },
    )


def _rate_claims(log: LogFacts) -> Iterator[_Claim]:
    for series in log.of(Kind.RATE):
        values = series.finite
        if not len(values):
            continue
        top = float(values.max())
        if series.column.is_percent or top > PERCENT_FROM:
            if (hidden := _beyond_one(log, series)) is not None:
                yield hidden
            elif top <= 200:  # more is a count that happens to be called so
                yield from _outside(series, -math.inf, 100.0, "a share of all samples is at most 100 %")
        elif top > 1:
            certain = log.num_classes is not None and log.num_classes <= FEW_CLASSES
            is_mostly = ((values >= FRACTION_FLOOR) & (values <= 1)).mean() >= 0.9
            if certain or (len(values) >= 5 and (is_mostly or _is_plainly_fraction(log, series))):
                yield from _outside(series, -math.inf, 1.0, "a share of all samples is at most 1", certain)
        if (values != -1).all():  # −1: COCO's word for `no such object`
            yield from _outside(series, 0.0, math.inf, "a share of all samples is at least 0")


def _is_plainly_fraction(log: LogFacts, series: Series) -> bool:
    """Whether values of which many are just above 1 can be no percentages."""
    values = series.finite
    if values.max() > NEARLY or values.min() < FRACTION_FLOOR:
        return False
    losses = [one for one in log.of(Kind.TOTAL, split=series.meaning.split) if len(one.finite) >= FEW_LOSSES]
    newest = [float(np.median(one.finite[-FEW_LOSSES:])) for one in losses]
    return bool(series.meaning.words & AREAS) or any(0 <= level <= PLAINLY for level in newest)


def _beyond_one(log: LogFacts, series: Series) -> _Claim | None:
    """An accuracy above 1 that is no percentage: as such it would be lower than its cross-entropy allows.

    A sample that is answered wrongly gives its class at most half of the probability: a mean cross-entropy L leaves at
    least 1 − L/ln 2 of the samples answered rightly.
    """
    train = training_loss(log)
    is_entropy = train is not None and bool(train.meaning.words & ENTROPIES) and log.weight_of(train) == 1
    losses = [one for one in log.of(Kind.TOTAL, split=series.meaning.split) if len(one.finite) >= FEW_LOSSES]
    is_told = series.column.is_percent or not is_entropy or not series.meaning.words <= ACCURACIES
    if is_told or log.num_classes is None or not losses or len(series.finite) < FEW_LOSSES:
        return None
    level, newest = (float(np.median(one.finite[-FEW_LOSSES:])) for one in (losses[0], series))
    least = 1 - level / math.log(2)
    if level < 0 or least - newest / 100 < CLEARLY:
        return None
    index = int((series.values > 1).argmax())
    formula = (
        f"a share of all samples is at most 1; as a percentage it is below the least that {losses[0].name} allows: "
        f"1 − {level:.4g}/ln 2 = {least:.1%}"
    )
    return _Claim(series, index, int((series.finite > 1).sum()), "above 1", formula)


def _correlation_claims(log: LogFacts) -> Iterator[_Claim]:
    for series in log.of(Kind.CORRELATION):
        if len(series.finite) and np.abs(series.finite).max() <= PERCENT_FROM:
            yield from _outside(series, -1.0, 1.0, "by Cauchy and Schwarz a correlation or cosine lies in [−1, 1]")


def _divergences(log: LogFacts) -> list[Series]:
    """Those whose name says nothing else. Beside rewards or a policy's loss one is estimated, and may be below 0."""
    terms = log.of(Kind.TERM)
    is_estimated = is_of_policy(log) or any(term.meaning.words & POLICIES for term in terms)
    named = [term for term in terms if term.meaning.words & {"kl", "kld"} and not is_estimated]
    return [term for term in named if term.meaning.words <= DIVERGENCES] + balances(log)


def _divergence_claims(log: LogFacts) -> Iterator[_Claim]:
    balance = balances(log)
    for series in _divergences(log):
        formula = "KL(p‖q) ≥ 0, unless it is estimated from single samples"
        yield from _outside(series, 0.0, math.inf, formula, series in balance)
    if log.num_clusters:
        most = math.log(log.num_clusters)
        for series in balance:
            formula = f"KL(mean posterior ‖ uniform) ≤ ln K = ln {log.num_clusters} = {most:.4f}"
            yield from _outside(series, -math.inf, most, formula)


def _cluster_claims(log: LogFacts) -> Iterator[_Claim]:
    least = 1 / log.num_clusters if log.num_clusters else 0.0
    known = f"1/K = {least:.4g}" if log.num_clusters else "0"
    for series in max_posteriors(log):
        formula = f"the largest posterior lies in [{known}, 1]"
        if series.meaning.kind is Kind.MAX_POSTERIOR:
            yield from _outside(series, least, 1.0, formula)
        else:
            yield from _outside(series, -1.0, -least, f"cluster loss = −mean largest posterior; {formula}")


@rule(
    "E1013",
    "contradicting posteriors",
    section="evaluation",
    severity=Severity.ERROR,
    precedence=Precedence.DATA,
    cost=Cost.RECORDS,
    of_log=True,
)
def contradicting_posteriors(log: LogFacts) -> Answer:
    """Mean entropy outside what the mean largest posterior p allows: at most −p ln p − (1−p) ln((1−p)/(K−1)).

    Without K: the K that it would take; more than 1000 is a warning.

    Costs: two figures that cannot be of the same posteriors: one of the terms is not what it is called.
    Do: check mean, base and temperature of both.
    """
    pairs = find_posteriors(log)
    if not pairs:
        return Unchecked("needs mean largest posterior and mean entropy, logged at once")
    clusters = log.num_clusters
    answers = [_without_clusters(log, pair) if clusters is None else _bounded(log, pair, clusters) for pair in pairs]
    return next((answer for answer in answers if isinstance(answer, Hit)), answers[0])


def _bounded(log: LogFacts, pair: Posteriors, clusters: int) -> Answer:
    least = 1 / clusters
    low_n = np.clip(pair.max_posterior_n - pair.peak_slack_n, least, 1)
    high_n = np.clip(pair.max_posterior_n + pair.peak_slack_n, least, 1)
    most_n = np.array([largest_entropy(float(p), clusters) for p in low_n])
    least_n = np.array([smallest_mean_entropy(float(p), clusters) for p in high_n])
    over_n = pair.entropy_n - pair.entropy_slack_n > most_n + 1e-6
    under_n = pair.entropy_n + pair.entropy_slack_n < least_n - 1e-6
    wrong_n = over_n | under_n
    if not wrong_n.any():
        return None
    row = int(wrong_n.argmax())
    p, entropy = float(pair.max_posterior_n[row]), float(pair.entropy_n[row])
    centre = min(max(p, least), 1.0)
    bound = largest_entropy(centre, clusters) if over_n[row] else smallest_mean_entropy(centre, clusters)
    formula = "−p·ln p − (1−p)·ln((1−p)/(K−1))" if over_n[row] else "the mixture of uniform posteriors with mean p"
    side = "at most" if over_n[row] else "at least"
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary=f"entropy {entropy:.4f} with largest posterior {p:.4f}: {side} {bound:.4f} is possible",
        where=f"{_places(log, pair, row)}; {int(wrong_n.sum()):,} of {len(wrong_n):,} rows",
        why=f"p = {p:.4f}, K = {clusters}: mean entropy {side} {formula} = {bound:.4f}; {_needed_clusters(p, entropy)}",
        fix=Fix("the two figures are not of the same posteriors, or one is computed wrongly (mean, base, temperature)"),
        figures={
            "max_posterior": p,
            "entropy": entropy,
            "bound": bound,
            "clusters": clusters,
            "rows_wrong": int(wrong_n.sum()),
        },
    )


def _places(log: LogFacts, pair: Posteriors, row: int) -> str:
    peak, spread = int(pair.at_peak[row]), int(pair.at_spread[row])
    return (
        f"{log.where(pair.peak, peak)}: {pair.peak.name} {pair.peak.say(peak)}, "
        f"{log.where(pair.spread, spread)}: {pair.spread.name} {pair.spread.say(spread)}"
    )


def _least_clusters(p: float, entropy: float) -> float:
    """The K from which on an entropy goes with a largest posterior: solves h₂(p) + (1−p) ln(K−1) = H."""
    if not 0 < p < 1:
        return 1.0 if entropy <= 0 else math.inf
    two = -p * math.log(p) - (1 - p) * math.log(1 - p)
    return 1 + math.exp(min((entropy - two) / (1 - p), 700.0))


def _needed_clusters(p: float, entropy: float) -> str:
    needed = _least_clusters(p, entropy)
    return f"it would take K ≥ {math.ceil(needed):,}" if needed < 1e9 else "no K would do"


def _without_clusters(log: LogFacts, pair: Posteriors) -> Answer:
    needed_n = np.array(
        [
            _least_clusters(float(p), float(entropy))
            for p, entropy in zip(
                pair.max_posterior_n - pair.peak_slack_n, pair.entropy_n - pair.entropy_slack_n, strict=True
            )
        ]
    )
    row = int(needed_n.argmax())
    p, entropy = float(pair.max_posterior_n[row]), float(pair.entropy_n[row])
    if needed_n[row] <= MANY_CLUSTERS:
        return Unchecked("the number of clusters is not known; give it with --classes K or --preset")
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"entropy {entropy:.4f} with largest posterior {p:.4f} would take {_few(needed_n[row])} clusters",
        where=_places(log, pair, row),
        why="mean entropy ≤ −p·ln p − (1−p)·ln((1−p)/(K−1)); K is not known, --classes K makes it a proof",
        fix=Fix("the two figures are not of the same posteriors, or one is computed wrongly (mean, base, temperature)"),
        figures={"max_posterior": p, "entropy": entropy, "least_clusters": float(needed_n[row])},
    )


def _few(number: float) -> str:
    return f"{math.ceil(number):,}" if number < 1e9 else "endlessly many"


@rule(
    "C305",
    "wrong sign",
    section="loss",
    severity=Severity.ERROR,
    precedence=Precedence.LOSS,
    cost=Cost.RECORDS,
    of_log=True,
)
def wrong_sign(log: LogFacts) -> Answer:
    """A value below 0 by more than its rounding, of a loss that by its name is a sum of squares, absolute values or −ln
    of probabilities.

    Of the boxes of a detector and what it logs beside them a warning, as weights that are learned may add a logarithm.
    A dice loss below −1, the whole overlap, is an information. A rival's hinge may be below 0.

    Costs: the training maximises what it should minimise.
    Do: look for a minus too many, and for targets outside [0, 1].
    """
    terms = log.of(Kind.TERM) or log.of(Kind.TOTAL)  # the total of several may be below 0
    known = [(one, bound) for one in terms if (bound := _least(log, one)) is not None]
    if not known:
        return Unchecked("no loss that cannot be negative is named")
    claims = [claim for series, bound in known for claim in _outside(series, bound, math.inf, "")]
    if not claims:
        return None
    claims.sort(key=lambda claim: list(Severity).index(_sign_severity(claim.series)))
    first = claims[0]
    meaning = first.series.meaning
    term = meaning.term or " ".join(sorted(meaning.words & (NONNEGATIVE | DETECTED | OVERLAPS)))
    why = f"{term}: a sum of squares, absolute values or −ln of probabilities is never below 0"
    if meaning.words & OVERLAPS:
        why = f"{term}: minus an overlap is at least −1, unless those of several classes are added"
    elif not meaning.words & NONNEGATIVE:
        why = f"{term}: 1 − IoU, a distance or −ln of a probability is never below 0"
    return Hit(
        severity=_sign_severity(first.series),
        confidence=Confidence.LIKELY,
        summary=f"{first.series.name} {first.series.say(first.index)} is negative",
        where=f"{log.where(first.series, first.index)}: {first.count:,} of {len(first.series.values):,} values",
        why=why,
        fix=Fix("look for a minus too many, and for targets outside [0, 1]"),
        figures={
            "value": float(first.series.values[first.index]),
            "values_negative": first.count,
            **log.step_of(first.series, first.index),
        },
    )


def _least(log: LogFacts, series: Series) -> float | None:
    """The least that a loss can be by its name; None: that is not told."""
    words = series.meaning.words
    if words & {"neg", "negative"} or ("hinge" in words and words & ADVERSARIAL):
        return None
    if words & OVERLAPS:
        return WHOLE_OVERLAP
    is_detector = any(one.meaning.words & BOXES for one in log.of(Kind.TERM))
    return 0.0 if words & NONNEGATIVE or (is_detector and words & DETECTED) else None


def _sign_severity(series: Series) -> Severity:
    words = series.meaning.words
    if words & OVERLAPS:
        return Severity.INFO
    return Severity.ERROR if words & NONNEGATIVE else Severity.WARNING
