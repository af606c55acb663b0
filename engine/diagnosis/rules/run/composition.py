"""C301, C302, C314, C317: how the terms of a loss go together. Pure functions of evidence.

The main term is the first that a step names and that weighs anything; the others are there to help it.
"""

from __future__ import annotations

import math

from trainctl.engine.diagnosis import remedies
from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.network import BatchFacts
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.facts.terms import GradientsFacts, TermCourse, TermGradient, TermsFacts
from trainctl.engine.diagnosis.facts.trial import AloneFacts, ReachFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

DOMINATES, DOMINATING_VALUE = 0.8, 0.9
"""Share of the gradient, and of the value, from which on a term that should help decides. Measured before training on
every preset: at most .13 (balance of quality/repaired); of healthy runs up to .95 of the value, so that the value says
something only where the main term stands still."""
WORTH, HELD_UP = 0.1, 0.25
"""Share of its value by which the main term is to fall alone, and of that, below which others hold it up. Measured:
.04 to .16 with a term that outweighs it, .5 and more with one that helps."""
MEANT_SHARE = 0.2
"""Share of the gradient that the weight of the fix aims at."""
NOTHING = 1e-12
"""Of the main term's gradient: less is nothing, in single precision and far beyond. A term that is saturated had
1e-35 of it, the weakest that works 4e-4."""
STILL = 0.02
"""Share of its first value by which a term must fall to have moved. Healthy reconstructions: .14 after 15 epochs, .2 to
.5 at the end of a run."""
LEAST_STEPS = 60
NO_BETTER = 0.98
"""Of the constant answer's error: nothing was learned of the single sample. Healthy: at most .79 after 15 epochs."""
TOO_NOISY = 0.4
"""Noise of the logarithm above which the medians of two ends say nothing; see C313."""
FAR, SINGLE = 100.0, 1e-6
ONE_TERM = "the loss has one term"
RECONSTRUCTION = "reconstruction"
OF_A_HELPER = 0.97
HELPERS = ("penal", "regular", "decay", "sparsity", "auxil")
"""Parts of the names of terms that are no aim by themselves."""


@rule(
    "C301",
    "a helping term dominates the loss",
    section="loss",
    severity=Severity.WARNING,
    precedence=Precedence.LOSS,
    cost=Cost.BATCH,
)
def dominating_term(
    batch: BatchFacts | None = None, terms: TermsFacts | None = None, reach: ReachFacts | None = None
) -> Answer:
    """Before training: more than .8 of the gradient where a term meets the main one. Of a run: more than .9 of the
    loss at its beginning, and a main term that fell by less than 2 %.

    A term of weight 1 was not given a weight: there may be two aims, and it is an information only.
    Not so above .97 where its name says that it helps: penalty, regulariser, decay, sparsity, auxiliary.

    Or before training, by trying: the plan taken in a few large steps on a copy lowers the main term by less than a
    quarter of what the same steps do without the others, and that is a tenth of it or more.

    Costs: the total falls while the term that matters stands still.
    Do: a weight at which the term has a fifth of the gradient.
    Follows from: N901, C313, C307, Q501, O601, O602.
    """
    if batch is not None:
        found = _by_gradient(batch.gradients) if batch.gradients else Unchecked(f"{ONE_TERM}, or no main one")
        is_grave = isinstance(found, Hit) and found.severity is not Severity.INFO
        return found if is_grave or reach is None or reach.main is None else _by_trying(reach.main, reach) or found
    if terms is None:
        return Unchecked("needs a batch through the network or the records of a run")
    return _by_value(terms)


def _by_gradient(gradients: GradientsFacts) -> Answer:
    shares = {term.name: gradients.share(term) for term in gradients.others}
    known = [term for term in gradients.others if shares[term.name] > DOMINATES]
    if not known:
        return None
    worst, main = max(known, key=lambda term: shares[term.name]), gradients.main
    is_helper = shares[worst.name] > OF_A_HELPER and any(word in worst.name.lower() for word in HELPERS)
    meant = worst.weight * MEANT_SHARE / (1 - MEANT_SHARE) * (1 - shares[worst.name]) / shares[worst.name]
    return Hit(
        severity=Severity.INFO if worst.weight == 1 and not is_helper else Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{worst.name} makes {shares[worst.name]:.0%} of the gradient where it meets {main.name}",
        where=f"first batch, untrained network: {worst.name} {worst.weight:g}·{worst.shared:.3g}, "
        f"{main.name} {main.weight:g}·{main.norm:.3g}",
        why=f"the updates serve {worst.name}; {main.name} may stand still while the total falls",
        fix=Fix(
            f"a weight at which it has {MEANT_SHARE:.0%}: {meant:.2g}",
            {f"loss_weights.{worst.name}": _two_digits(meant)},
        ),
        figures={f"gradient_share.{name}": share for name, share in shares.items()},
        because=("N901", "C313", "C307", "Q501"),
    )


def _by_trying(main: AloneFacts, reach: ReachFacts) -> Hit | None:
    gained = 1 - main.alone
    if not (math.isfinite(main.together) and gained >= WORTH and 1 - main.together < HELD_UP * gained):
        return None
    worst = min(main.without, key=lambda name: main.without[name])
    without = 1 - main.without[worst]
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"beside {worst} {main.name} falls by {1 - main.together:.1%}, without it by {without:.0%}",
        where=f"on a copy: {main.multiple:g} times the plan in {reach.num_steps} large steps, the same batches",
        why=f"the updates serve {worst}; the total may fall while {main.name} stands still",
        fix=Fix(f"a smaller weight of {worst}, or none"),
        figures={
            "together": main.together,
            "alone": main.alone,
            **{f"without.{n}": v for n, v in main.without.items()},
        },
        because=("N901", "C313", "C307", "Q501"),
    )


def _by_value(terms: TermsFacts) -> Answer:
    weighing = [term for term in terms.terms if term.weight > 0]
    if len(weighing) < 2:
        return Unchecked(ONE_TERM)
    if terms.early or terms.num_steps < LEAST_STEPS:
        return Unchecked(terms.early or f"needs {LEAST_STEPS} steps")
    main, *others = weighing
    worst = max(others, key=lambda term: term.share if term.share == term.share else 0.0)
    if not worst.share > DOMINATING_VALUE or not main.fell < STILL:
        return None
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{worst.name} is {worst.share:.0%} of the loss at the beginning, and {main.name} stands still",
        where=f"{terms.num_steps:,} steps: {main.name} {main.first:.4g} to {main.last:.4g}, "
        f"{worst.name} {worst.first:.4g} to {worst.last:.4g}",
        why=f"the updates serve {worst.name}",
        fix=Fix(f"a smaller weight of {worst.name} (now {worst.weight:g})", _tenth(worst)),
        figures={"value_share": worst.share, "main_fell": main.fell, "weight": worst.weight},
        because=("N901", "C313", "C307", "O601", "O602"),
    )


def _tenth(term: TermCourse) -> dict[str, float]:
    return {f"loss_weights.{term.name}": _two_digits(term.weight / 10)}


def _two_digits(value: float) -> float:
    return float(f"{value:.2g}")


@rule(
    "C302",
    "dead term",
    section="loss",
    severity=Severity.WARNING,
    precedence=Precedence.LOSS,
    cost=Cost.BATCH,
)
def dead_term(batch: BatchFacts) -> Answer:
    """A term that weighs something, is not 0, and passes no gradient to any parameter.

    Costs: the term is printed and adds to the total, and changes nothing.
    Do: look for detach(), no_grad or saturated values on its way to the network, or leave it out.
    Follows from: N901, C310, Q501, G702, G707.
    """
    gradients = batch.gradients
    if gradients is None:
        return Unchecked(f"{ONE_TERM}, or no main one")
    if not gradients.main.norm > 0:
        return Unchecked(f"{gradients.main.name} itself has no gradient, see C310 and G701")
    dead = [term for term in gradients.others if _is_dead(term, gradients.main)]
    if not dead:
        return None
    detached = [term.name for term in dead if not batch.term_depends.get(term.name, True)]
    why = f"{', '.join(detached)}: cut off from the parameters" if detached else "its value is flat where it stands"
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.PROVEN,
        summary=f"{', '.join(term.name for term in dead)} passes no gradient to any parameter",
        where=", ".join(
            f"{term.name} {term.value:.4g}, weight {term.weight:g}, gradient {term.norm:.2g}" for term in dead
        ),
        why=f"{why}: no weight of it has any effect",
        fix=Fix("look for detach(), no_grad or saturated values on its way to the network, or leave it out"),
        figures={f"gradient.{term.name}": term.norm for term in dead},
        because=("N901", "C310", "Q501", "G702", "G707"),
    )


def _is_dead(term: TermGradient, main: TermGradient) -> bool:
    is_something = math.isfinite(term.value) and term.value != 0
    return term.weight > 0 and is_something and term.norm <= NOTHING * main.norm


@rule(
    "C314",
    "reconstruction does not fall",
    section="loss",
    severity=Severity.WARNING,
    precedence=Precedence.LOSS,
    cost=Cost.RECORDS,
)
def standing_reconstruction(terms: TermsFacts, plan: PlanFacts | None = None) -> Answer:
    """A reconstruction that fell by less than 2 % from the first to the last tenth of at least 60 steps, or that is no
    better in all of the three newest validations than the best constant answer.

    Where the constant answer is not known one that stands may have been good from the beginning, as loaded weights
    make it: an information. Where it is known and beaten, nothing is wrong.

    Costs: a decoder that learns nothing; whatever its term was to keep in the features is not kept.
    Do: check that its modules are trained and reached; then a larger weight of it, or a larger rate.
    Follows from: N901, G701, G702, C313, O601, O602.
    """
    known = [term for term in terms.terms if term.kind == RECONSTRUCTION]
    if not known:
        return Unchecked("no term is known to be a reconstruction (its name, or `kinds` of the task, says so)")
    known = [term for term in known if term.weight > 0]
    if not known:
        return None
    if terms.early or terms.num_steps < LEAST_STEPS:
        return Unchecked(terms.early or f"needs {LEAST_STEPS} steps")
    noisy = [term for term in known if term.noise > TOO_NOISY]
    hits = [hit for term in known if term not in noisy and (hit := _standing(term, terms, plan)) is not None]
    if not hits and noisy:
        return Unchecked(f"{noisy[0].name} jumps by a factor of e^{noisy[0].noise:.1f} from step to step, see C313")
    return hits[0] if hits else None


def _standing(term: TermCourse, terms: TermsFacts, plan: PlanFacts | None) -> Hit | None:
    is_known = len(term.validated) >= 3 and not math.isnan(term.constant)
    is_constant = is_known and all(value >= NO_BETTER * term.constant for value in term.validated)
    is_still = term.fell < STILL
    if not is_constant and (is_known or not is_still):
        return None
    newest = term.validated[-1] if term.validated else math.nan
    against = "" if math.isnan(term.constant) else f"; validation {newest:.4g}, constant answer {term.constant:.4g}"
    return Hit(
        severity=Severity.WARNING if is_constant else Severity.INFO,
        confidence=Confidence.PROVEN if is_still and is_constant else Confidence.LIKELY,
        summary=f"{term.name} stands at {term.last:.4g}, it began at {term.first:.4g}"
        if is_still
        else f"{term.name} is no better than one and the same answer for all",
        where=f"{terms.num_steps:,} steps, weight {term.weight:g}: fell by {term.fell:.1%}{against}",
        why="what should be made again is not learned: the code that the rest builds on carries nothing of it",
        fix=Fix(
            f"check that its modules are trained and reached; then a larger weight of {term.name}, or a larger rate",
            _heavier(term, terms, plan),
        ),
        figures={
            "first": term.first,
            "last": term.last,
            "fell": term.fell,
            "validation": newest,
            "constant": term.constant,
            "weight": term.weight,
        },
        because=("N901", "G701", "G702", "C313", "O601", "O602"),
    )


def _heavier(term: TermCourse, terms: TermsFacts, plan: PlanFacts | None) -> remedies.Settings | None:
    """Ten times the weight of a term, within what its task keeps it in; nothing where modules are frozen: see G702."""
    if plan is None or plan.freeze:
        return None
    most = terms.useful.get(term.name, (0.0, math.inf))[1]
    meant = min(10 * term.weight, most)
    return remedies.weighing(plan, term.name, meant) if meant > term.weight * (1 + SINGLE) else None


@rule(
    "C317",
    "weight outside its useful range",
    section="loss",
    severity=Severity.INFO,
    precedence=Precedence.LOSS,
    cost=Cost.BATCH,
)
def useless_weight(
    batch: BatchFacts | None = None, terms: TermsFacts | None = None, plan: PlanFacts | None = None
) -> Answer:
    """The configured weight of a term outside the range that its task names (`useful_weights`).

    More than 100 times above it is a warning. For `encoder` of the emotion task the range is .01 to .1, of the
    convergence document (§5.2); weighted F1 after 16 epochs, seed 1: .65 at 0, .65 at .05, .63 at 1, .54 at 50.
    What it comes to in shares of the gradient stands beside it, where it could be measured.

    Costs: above the range a helping term leads the training, below it the term makes no difference.
    Do: a weight within the range.
    Follows from: C301.
    """
    if batch is not None:
        useful, weights = plan.useful_weights if plan else {}, dict(batch.weights)
    elif terms is not None:
        useful, weights = terms.useful, {course.name: course.configured for course in terms.weights}
    else:
        return Unchecked("needs a batch through the network or the records of a run")
    if not useful:
        return Unchecked("the task names no useful range of a weight")
    outside = [
        name for name, (low, high) in useful.items() if name in weights and _is_outside(weights[name], low, high)
    ]
    if not outside:
        return None
    name = outside[0]
    low, high = useful[name]
    share = _share_of(name, batch.gradients) if batch and batch.gradients else math.nan
    told = "" if math.isnan(share) else f"; {share:.2%} of the gradient where it meets the main term"
    nearest = low if weights[name] < low else high
    return Hit(
        severity=Severity.WARNING if weights[name] > FAR * high else Severity.INFO,
        confidence=Confidence.LIKELY,
        summary=f"{name} weighs {weights[name]:g}, useful are {low:g} to {high:g}",
        where=f"loss_weights.{name}={weights[name]:g}{told}",
        why="below it the term has no effect"
        if weights[name] < low
        else "above it the term takes over what it should help",
        fix=Fix(f"a weight between {low:g} and {high:g}", {f"loss_weights.{name}": nearest}),
        figures={"weight": weights[name], "least": low, "most": high, "gradient_share": share},
        because=("C301",),
    )


def _is_outside(weight: float, low: float, high: float) -> bool:
    """Records have single precision: what was configured at an end of the range stands a little beside it."""
    return not low * (1 - SINGLE) <= weight <= high * (1 + SINGLE)


def _share_of(name: str, gradients: GradientsFacts) -> float:
    return next((gradients.share(term) for term in gradients.others if term.name == name), math.nan)
