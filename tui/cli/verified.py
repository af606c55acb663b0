"""The outcome of a trial of a fix as lines and as plain data. Trains nothing and judges nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainctl.tui.charts.axis import short
from trainctl.tui.cli.output import Cell, align
from trainctl.tui.cli.trials import Trained, TrialPlan, length_words
from trainctl.tui.compare.trial import FIXED, PRESENT, Trial, TrialFigure
from trainctl.tui.compare.trial_verdict import TrialVerdict, curve_rows, finding_words
from trainctl.tui.words.styles import SHADES

if TYPE_CHECKING:
    from trainctl.engine.diagnosis.finding import Finding

SCHEMA = 1
BAR = 24
ROOM = 1.25
"""Height of the chart, in units of where the lower of the two curves begins: one that runs away leaves it."""


@dataclass(frozen=True)
class Verified:
    """All that is to be said of a trial."""

    title: str
    finding: Finding
    source: str
    """Where the finding was made: `before training`, `the records of RUN`."""
    is_gone: bool | None
    """Whether it is no more found there with the fix; None: that was not looked at."""
    plan: TrialPlan
    changes: Sequence[tuple[str, Any, Any]]
    """Key, present and new value."""
    trained: Trained
    trial: Trial
    figures: Sequence[TrialFigure]
    verdict: TrialVerdict
    seconds: float


def verified_lines(one: Verified) -> Iterator[Sequence[Cell]]:
    """The outcome as text: what is compared, both curves, the figures, the verdict."""
    from trainctl.engine.config.yamlfile import format_value

    finding = one.finding
    yield [(one.title, "bold")]
    yield []
    yield [(f"{finding.code} {finding.name}", "bold"), (f"  {finding.summary} ({one.source})", "")]
    for key, old, new in one.changes:
        yield [(f"  {key}  ", ""), (f"{format_value(old)} -> ", "red"), (format_value(new), "green")]
    seeds = one.trial.seeds
    words = f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}" if seeds else "no seed"
    yield [(f"  compared: {length_words(one.plan, one.trial)}; {words}", "dim")]
    yield []
    yield from _chart(one)
    yield []
    yield from ([(f"  {figure.words}", "")] for figure in one.figures)
    yield [(f"  {_finding_line(one)}", "")]
    yield []
    for arm, of in one.trained.outcomes.items():
        yield from (
            [(f"  {arm} seed {seed}  {outcome.run.root}", "dim")] for seed, outcome in of.items() if outcome.run
        )
    word = one.verdict.word
    yield [(f"{word}", f"bold {SHADES[word.meaning]}"), (f": {one.verdict.why} ({one.seconds:.0f} s)", "")]


def _chart(one: Verified) -> Iterator[Sequence[Cell]]:
    """Training loss of both, a row for each stretch of the steps, on one scale."""
    rows = curve_rows(one.trial)
    if not rows:
        yield [("  no step was recorded", "dim")]
        return
    starts = [value for value in rows[0][2:] if math.isfinite(value)]
    top = ROOM * max(abs(min(starts)), 1e-12) if starts else 1.0
    has_steps = any(a != b for a, b, *_ in rows)
    head: list[Cell] = [("to step", "bold"), (PRESENT, "bold"), ("", ""), (FIXED, "bold"), ("", "")]
    body: list[list[Cell]] = [
        [
            (f"{a:,} / {b:,}" if has_steps else f"{a:,}", "dim"),
            (_number(left), ""),
            (_bar(left, top), "red"),
            (_number(right), ""),
            (_bar(right, top), "green"),
        ]
        for a, b, left, right in rows
    ]
    yield [("  training loss, mean of the stretch", "dim")]
    yield from align([head, *body], indent=2)


def _bar(value: float, top: float) -> str:
    if not math.isfinite(value):
        return " " * BAR
    if value > top:
        return "#" * (BAR - 1) + ">"
    return ("#" * max(round(BAR * value / top), 0)).ljust(BAR)


def _number(value: float) -> str:
    return short(value, 4) if not math.isnan(value) else "-"


def _finding_line(one: Verified) -> str:
    code = one.finding.code
    parts = (
        [f"{one.source}: {'gone' if one.is_gone else 'still found'} with the fix"] if one.is_gone is not None else []
    )
    for arm, arms in ((PRESENT, one.trial.present), (FIXED, one.trial.fixed)):
        words = finding_words(arms)
        parts += [f"records of {arm}: {words}"] if words else []
    return f"{code}  {'; '.join(parts) or 'the records cannot tell whether it is gone'}"


def verified_json(one: Verified) -> dict[str, Any]:
    """The outcome as plain data."""
    finding = one.finding
    return {
        "schema": SCHEMA,
        "verdict": str(one.verdict.word),
        "why": one.verdict.why,
        "finding": finding.to_json() | {"source": one.source, "is_gone": one.is_gone},
        "changes": [{"key": key, "old": old, "new": new} for key, old, new in one.changes],
        "compared": length_words(one.plan, one.trial),
        "seeds": one.trial.seeds,
        "figures": [_figure_json(figure) for figure in one.figures],
        "curve": [dict(zip(("step", "step_fixed", PRESENT, FIXED), row, strict=True)) for row in curve_rows(one.trial)],
        "runs": [run for arm in (PRESENT, FIXED) for run in _runs_json(one, arm)],
        "seconds": round(one.seconds, 3),
    }


def _figure_json(figure: TrialFigure) -> dict[str, Any]:
    found = figure.difference
    return {
        "name": figure.label,
        PRESENT: _by_seed(figure.present),
        FIXED: _by_seed(figure.fixed),
        "difference": found.mean,
        "half": found.half,
        "p": found.p_holm if math.isfinite(found.p_holm) else found.p,
        "noise": figure.noise,
        "direction": {1: "better", -1: "worse"}.get(figure.direction, "none"),
        "not_compared": figure.not_compared,
    }


def _by_seed(values: Mapping[int, float]) -> dict[str, float]:
    return {str(seed): value for seed, value in values.items()}


def _runs_json(one: Verified, arm: str) -> list[dict[str, Any]]:
    arms = one.trial.present if arm == PRESENT else one.trial.fixed
    return [
        {
            "arm": arm,
            "seed": seed,
            "path": None if outcome.run is None else str(outcome.run.root.absolute()),
            "is_finished": outcome.is_finished,
            "reason": outcome.reason,
            "steps": len(arms[seed].losses),
            "has_finding": arms[seed].has_finding,
        }
        for seed, outcome in one.trained.outcomes[arm].items()
    ]
