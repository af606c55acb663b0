"""C318, C319, C303 of a log: terms and totals that say that a loss has been made small by the wrong means.

Pure functions of a log.
"""

from __future__ import annotations

import math

import numpy as np

from trainctl.engine.diagnosis import remedies
from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import ends, is_long, stands_still, training_loss
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import accuracies, is_of_batches, is_of_policy, levels
from trainctl.engine.diagnosis.logs.names import TEST, VAL, Kind
from trainctl.engine.diagnosis.logs.sums import find_weight
from trainctl.engine.diagnosis.logs.vocabulary import ADVERSARIAL

RECONSTRUCTIONS = frozenset(
    {"recon", "reconstruction", "rec", "r", "recons", "nll", "mse", "bce", "decoder", "reconst"}
)
NOTHING, SOMETHING = 1e-5, 1e-3
"""A divergence that is 0 to single precision, and a reconstruction loss that is not."""
FEW_ROWS = 10
MAY_RISE = frozenset(
    {"kl", "kld", "entropy", "reg", "regularization", "regularisation", "l1", "l2", "weight", "decay", "commit"}
    | {"commitment", "vq", "codebook", "quant", "perplexity", "norm", "sparsity", "prior", "var", "variance", "std"}
    | {"cov", "covariance", "div", "diversity", "aux", "obj", "objectness"}
)
"""Terms that rise in healthy trainings: what they hold back is used."""
SPENT, GROWN, SHARE, LEAST = 0.1, 1.5, 0.3, 30
TIMES = (3.0, 100.0)
"""By how much a term is weighed more: as much as would make both of one size at the start, within these."""
DOUBLE_BY, GOOD = 0.03, 0.9
"""How near to its floor a loss over a softmax of a softmax comes, and an accuracy that no other loss so high has."""


@rule(
    "C318",
    "posterior collapse",
    section="loss",
    severity=Severity.WARNING,
    precedence=Precedence.LOSS,
    cost=Cost.RECORDS,
    of_log=True,
)
def collapsed_posterior(log: LogFacts, plan: PlanFacts | None = None) -> Answer:
    """The divergence of a variational network is at most 1e-5 while its reconstruction is above 1e-3.

    In every value of the newer half. Exactly 0 counts only over ten values: a weight that is warmed up makes it 0 at
    first. Divergences of policies and of teachers are others and not judged: a reconstruction must be named beside it.

    Costs: the code says nothing of the input, and the decoder answers the mean.
    Do: weigh the divergence less at first (annealing, free bits), or a weaker decoder; check its reduction (sum, mean).
    Follows from: N901.
    """
    divergences = [one for one in log.of(Kind.TERM) if one.meaning.words & {"kl", "kld"} and len(one.finite)]
    if not divergences or is_of_policy(log):
        return Unchecked("no divergence of a variational network is named")
    recons = [one for one in log.of(Kind.TERM) if one.meaning.words & RECONSTRUCTIONS and one not in divergences]
    recons += [one for one in log.of(Kind.OTHER) if one.meaning.words and one.meaning.words <= RECONSTRUCTIONS - {"r"}]
    if not recons:
        return Unchecked("no reconstruction is named beside the divergence")
    series, recon = divergences[0], recons[0]
    late = series.finite[len(series.finite) // 2 :]
    is_told = len(series.finite) >= FEW_ROWS or bool((late > 0).all())
    if not is_told or np.abs(late).max() > NOTHING or not len(recon.finite) or np.median(recon.finite) < SOMETHING:
        return None
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} is {float(np.median(late)):.2g}: the posterior is the prior",
        where=f"to {log.where(series, len(series.values) - 1)}; {len(series.values):,} values",
        why=f"{recon.name} stands at {ends(recon.finite)[1]:.4g} without the code: KL = 0 only where it is the same "
        "for every input",
        fix=Fix(
            "a smaller or annealed weight of the divergence, free bits, a weaker decoder; check sum against mean",
            _reweighed(log, series, 0.1, plan),
        ),
        figures={"divergence": float(np.median(late)), "reconstruction": ends(recon.finite)[1]},
        because=("N901",),
    )


@rule(
    "C319",
    "one term is paid for by another",
    section="loss",
    severity=Severity.WARNING,
    precedence=Precedence.LOSS,
    cost=Cost.RECORDS,
    of_log=True,
)
def paid_term(log: LogFacts, plan: PlanFacts | None = None) -> Answer:
    """One term falls below a tenth of its beginning while another rises to 1.5 times its own and stays, and the total
    stands still over its newer half.

    Over at least 30 values, where the risen term is 30 % of the sum of all at the end. Regularisers, divergences,
    commitments and rivals' terms may rise in healthy trainings and are not judged, nor terms that are negative.

    Costs: the network has found an answer that satisfies one term and gives up the other: a trivial one.
    Do: weigh the risen term more, or train it first; scale both to one size at the start.
    Follows from: N901, O601.
    """
    terms = [one for one in log.of(Kind.TERM) if one.meaning.split not in (VAL, TEST)]
    judged = [one for one in terms if len(one.finite) >= LEAST and not is_of_batches(one) and one.finite.min() >= 0]
    if len(judged) < 2 or any(one.meaning.words & ADVERSARIAL for one in terms) or is_of_policy(log):
        return Unchecked(f"needs two terms of a training loss, neither negative, over {LEAST} values")
    courses = [(one, levels(one.finite)) for one in judged]
    whole = sum(float(course[-1]) for _, course in courses)
    spent = [one for one, course in courses if course[-1] < SPENT * float(one.finite[:3].max())]
    grown = [
        (one, course)
        for one, course in courses
        if course[-1] > GROWN * _beginning(one) and course[-1] > SHARE * whole and course[-1] > 0.9 * course.max()
        if not one.meaning.words & MAY_RISE
    ]
    total = _total(log, judged)
    if not spent or not grown or total is None or not stands_still(total[len(total) // 2 :]):
        return None
    series, course = grown[0]
    fallen = spent[0]
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} rose from {_beginning(series):.4g} to {course[-1]:.4g} while {fallen.name} fell to "
        f"{fallen.finite[-1]:.4g}",
        where=f"{log.where(series, 0)} to {log.where(series, len(series.values) - 1)}",
        why=f"the total stands at {total[-1]:.4g}, {course[-1] / whole:.0%} of it this term: a trivial answer",
        fix=Fix(
            "weigh the risen term more, or train it first; scale both to one size at the start",
            _reweighed(log, series, float(np.clip(_beginning(fallen) / max(_beginning(series), 1e-12), *TIMES)), plan),
        ),
        figures={"risen": float(course[-1]), "fallen": float(fallen.finite[-1]), "share": float(course[-1] / whole)},
        because=("N901", "O601"),
    )


def _reweighed(log: LogFacts, series: Series, factor: float, plan: PlanFacts | None) -> remedies.Settings | None:
    """A term with so many times its weight; None: its name in the configuration is not known."""
    weights = log.weights or {}
    name = find_weight(series.meaning.term, weights)
    return None if name is None or not weights[name] else remedies.weighing(plan, name, factor * weights[name])


def _beginning(series: Series) -> float:
    return float(np.median(series.finite[:3]))


def _total(log: LogFacts, terms: list[Series]) -> np.ndarray[tuple[int], np.dtype[np.float64]] | None:
    """The total by level, or the sum of the terms where they were logged at once."""
    totals = [one for one in log.of(Kind.TOTAL) if one.meaning.split not in (VAL, TEST) and not is_of_batches(one)]
    if totals:
        return levels(max(totals, key=lambda one: len(one.finite)).finite) if len(totals[0].finite) else None
    if len({len(one.finite) for one in terms}) != 1:
        return None
    return levels(np.sum([one.finite for one in terms], axis=0))


@rule(
    "C303",
    "softmax before a cross-entropy",
    section="loss",
    severity=Severity.WARNING,
    precedence=Precedence.LOSS,
    cost=Cost.RECORDS,
    of_log=True,
)
def double_softmax(log: LogFacts) -> Answer:
    """The training loss ends within 3 % above ln(e + C − 1) − 1, the least that a softmax of a softmax allows.

    With C given: where an accuracy of 90 % says that the network has learned, or the loss stands still there. Without:
    C of 6 or more from the accuracy and a first loss near ln C, and never below that floor.

    Costs: gradients shrink as the network becomes sure, and the loss cannot come down.
    Do: give the loss the scores themselves, without softmax.
    Follows from: N901.
    """
    loss = training_loss(log)
    if loss is None or len(loss.finite) < FEW_ROWS:
        return Unchecked(f"needs {FEW_ROWS} values of a training loss")
    shares = [one for one in accuracies(log) if len(one.finite)]
    is_good = any(float(one.finite.max()) / (100 if one.finite.max() > 1.5 else 1) >= GOOD for one in shares)
    if not log.num_classes and not is_good:
        return Unchecked("needs the number of classes (--classes K) or an accuracy")
    first, last = float(loss.finite[0]), ends(loss.finite)[1]
    candidates = [log.num_classes] if log.num_classes else range(6, 1001)
    fitting = [count for count in candidates if _is_double(count, loss, first, last, known=bool(log.num_classes))]
    is_still = is_long(log, loss) and stands_still(loss.finite[len(loss.finite) // 2 :])
    if not fitting or not (is_good or is_still):
        return None
    count = min(fitting, key=lambda one: abs(last - _floor(one)))
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{loss.name} ends at {last:.4f}, a softmax of a softmax gives at least {_floor(count):.4f}",
        where=f"{log.where(loss, 0)} to {log.where(loss, len(loss.values) - 1)}",
        why=f"ln(e + C − 1) − 1 = {_floor(count):.4f} for C = {count}"
        + ("; the accuracy says that it has learned, the loss does not" if is_good else ""),
        fix=Fix("give the loss the scores themselves: no softmax at the end of the network"),
        figures={"last": last, "floor": _floor(count), "classes": count},
        because=("N901",),
    )


def _floor(classes: int) -> float:
    return math.log(math.e + classes - 1) - 1


def _is_double(classes: int, loss: Series, first: float, last: float, *, known: bool) -> bool:
    floor, values = _floor(classes), loss.finite
    is_within = values.min() >= 0.999 * floor - 1e-3 and last <= (1 + DOUBLE_BY) * floor
    return bool(is_within and (known or 0.9 * math.log(classes) <= first <= math.log(classes) + 0.05))
