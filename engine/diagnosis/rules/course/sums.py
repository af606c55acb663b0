"""E1012: whether the terms of a log add up to its total. Pure functions of a log."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.facts import LogFacts, say
from trainctl.engine.diagnosis.logs.metrics import is_of_policy
from trainctl.engine.diagnosis.logs.names import TRAIN, Kind
from trainctl.engine.diagnosis.logs.sums import Sum, find_sums, find_weight, match_weights

MOST_ROWS, SOME_ROWS = 0.9, 0.1
"""Share of the rows that do not add up from which on it is an error, and a warning."""


@rule(
    "E1012",
    "terms do not add up to the total",
    section="evaluation",
    severity=Severity.ERROR,
    precedence=Precedence.LOSS,
    cost=Cost.RECORDS,
    of_log=True,
)
def terms_do_not_add_up(log: LogFacts) -> Answer:
    """Total ≠ Σ weight · term beyond rounding, with the weights of a configuration or of the log itself.

    Terms that were logged already weighted (weights 1) are accepted. Without weights, those that the rows determine
    are looked for: a negative one is a wrong sign.

    Costs: the total that is minimised is not the one that was meant, or a figure is not what it is called.
    Do: find which weights or terms were really used; do not compare this total with other runs.
    """
    if is_of_policy(log) or {"policy", "value"} & {word for one in log.of(Kind.TERM) for word in one.meaning.words}:
        return Unchecked("a policy's loss is printed of its last minibatch, its terms as means over all of them")
    sums = find_sums(log)
    if not sums:
        return Unchecked("needs a total loss and its terms, logged at once")
    answers = [_judge(log, one) for one in sums]
    hits = [answer for answer in answers if isinstance(answer, Hit)]
    if hits:
        return min(hits, key=lambda hit: hit.severity != Severity.ERROR)
    return next((answer for answer in answers if answer is None), answers[0])


def _judge(log: LogFacts, one: Sum) -> Answer:
    equal = [1.0] * len(one.terms)
    if one.fits(equal).mean() > 1 - SOME_ROWS:
        return None
    logged = _logged_weights(log, one)
    if logged is not None:
        return _compare(log, one, logged, "the log's own weights", [])
    if log.weights is None:
        return _without_weights(log, one)
    weights, unnamed, absent = match_weights(one, log.weights)
    if absent:
        return Unchecked(f"the log has no {' and no '.join(absent)} term, which {log.weights_from} weighs")
    return _compare(log, one, weights, log.weights_from, unnamed)


def _compare(log: LogFacts, one: Sum, weights: Sequence[float], source: str, unnamed: Sequence[str]) -> Answer:
    wrong_n = ~one.fits(weights) & ~one.fits([1.0] * len(one.terms))
    if wrong_n.mean() < SOME_ROWS:
        return None
    first = int(wrong_n.argmax())
    gap_n, rounding_n = one.gaps(weights)
    needed = _needed(one, weights, first)
    # What a validation calls its loss may leave terms out on purpose.
    is_most = wrong_n.mean() >= MOST_ROWS and one.total.meaning.split in ("", TRAIN)
    total = one.total.say(int(one.at[first]))
    added = float(one.total_n[first] - gap_n[first])
    which = "" if len(one.rows) == 1 else f" in {int(wrong_n.sum()):,} of {len(one.rows):,} rows"
    assumed = f" ({', '.join(unnamed)} taken as 1)" if unnamed else ""
    return Hit(
        severity=Severity.ERROR if is_most else Severity.WARNING,
        confidence=Confidence.PROVEN if is_most else Confidence.LIKELY,
        summary=f"the terms add to {added:.4f}, {one.total.name} says {total}{which}",
        where=f"{log.where(one.total, int(one.at[first]))}: {_formula(one, weights, first)} = {added:.4f}",
        why=f"weights of {source}{assumed}; off by {gap_n[first]:+.4f}, rounding explains {rounding_n[first]:.4f}; "
        f"unweighted they add to {float(one.terms_nt[first].sum()):.4f}; {_needed_words(needed)}",
        fix=Fix("find which weights or terms the training really used; do not compare this total with other runs"),
        figures={
            "total": float(one.total_n[first]),
            "sum": added,
            "gap": float(gap_n[first]),
            "rounding": float(rounding_n[first]),
            "rows": len(one.rows),
            "rows_wrong": int(wrong_n.sum()),
            **{f"weight_needed.{name}": value for name, value in needed.items()},
        },
    )


def _formula(one: Sum, weights: Sequence[float], row: int) -> str:
    """`1·0.0180 + 0.1·(−0.8500)`, of the digits that were printed."""
    parts: list[str] = []
    for number, (series, weight) in enumerate(zip(one.terms, weights, strict=True)):
        value = float(one.terms_nt[row, number])
        index = int(np.flatnonzero((series.rows == one.rows[row]) & np.isfinite(series.values))[-1])
        text = say(value, float(series.column.half_units[index]))
        parts.append(f"{weight:g}·{f'({text})' if value < 0 else text}")
    return " + ".join(parts)


def _needed(one: Sum, weights: Sequence[float], row: int) -> dict[str, float]:
    """The weight of each term that would make the row add up, the others as they are."""
    term_T, weight_T = one.terms_nt[row], np.array(weights)
    rest_T = one.total_n[row] - (term_T @ weight_T - term_T * weight_T)
    return {
        series.meaning.term: float(rest / value)
        for series, rest, value in zip(one.terms, rest_T, term_T, strict=True)
        if value
    }


def _needed_words(needed: dict[str, float]) -> str:
    words = ", ".join(f"{name} {value:.3g}" for name, value in needed.items())
    return f"it would need one of these weights instead: {words}"


def _logged_weights(log: LogFacts, one: Sum) -> list[float] | None:
    """Weights that the log prints itself, where it does for more than one term and they stay; the others are 1."""
    printed = {series.meaning.term: series.finite for series in log.of(Kind.WEIGHT) if len(series.finite)}
    constant = {term: float(values[0]) for term, values in printed.items() if np.ptp(values) == 0}
    names = [find_weight(term.meaning.term, constant) for term in one.terms]
    changing = [
        find_weight(term.meaning.term, dict.fromkeys(printed.keys() - constant.keys(), 0.0)) for term in one.terms
    ]
    if any(changing) or sum(name is not None for name in names) < min(2, len(names)):
        return None
    return [1.0 if name is None else constant[name] for name in names]


def _without_weights(log: LogFacts, one: Sum) -> Answer:
    fitted = one.fitted()
    if fitted is not None and one.fits(fitted.tolist()).mean() > 1 - SOME_ROWS:
        return _signs(log, one, fitted.tolist())
    needed = _needed(one, [1.0] * len(one.terms), 0)
    return Unchecked(
        f"the weights of {', '.join(term.name for term in one.terms)} are not known: with weights of 1 they add to "
        f"{float(one.terms_nt[0].sum()):.4f}, {one.total.name} says {one.total.say(int(one.at[0]))} "
        f"({_needed_words(needed)}); name them with --preset or --config"
    )


def _signs(log: LogFacts, one: Sum, weights: Sequence[float]) -> Answer:
    """The rows tell the weights; a clearly negative one is a finding."""
    names = [term.meaning.term for term in one.terms]
    negative = [name for name, weight in zip(names, weights, strict=True) if weight < -0.01]
    if not negative:
        return None
    words = " + ".join(f"{weight:.3g}·{name}" for name, weight in zip(names, weights, strict=True))
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{', '.join(negative)} is subtracted from the total",
        where=f"{len(one.rows):,} rows from {log.where(one.total, int(one.at[0]))}: {one.total.name} = {words}",
        why="only these weights explain every row; a term with a negative weight is made larger by the training",
        fix=Fix("check the sign of that term in the loss"),
        figures={f"weight.{name}": weight for name, weight in zip(names, weights, strict=True)},
    )
