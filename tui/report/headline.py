"""The top of a page: what it is about, the verdict, the state, and the few figures that everybody asks for first."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

from trainctl.tui.charts.axis import duration, short
from trainctl.tui.compare.comparison import lower_is_better, monitored_metrics
from trainctl.tui.report.html import Html, element, joined, pairs, table
from trainctl.tui.report.subject import PageSubject, RunSubject
from trainctl.tui.words.verdict import Severity, Verdict, state_word

SEVERITY_WORDS = {Severity.OK: "ok", Severity.NOTE: "undecided", Severity.WARNING: "look", Severity.ERROR: "wrong"}
"""The verdict in a word, as `diagnose` has them."""


def headline(subject: PageSubject) -> Html:
    """The top."""
    return _of_one(subject.runs[0]) if subject.is_one else _of_several(subject)


def title(subject: PageSubject) -> str:
    """What the page is called in a list of tabs: the verdict first."""
    if subject.is_one:
        run = subject.runs[0]
        return f"{run.name}: {SEVERITY_WORDS[run.verdict.severity]}, {state_word(run.view)[0]}"
    return f"{', '.join(run.name for run in subject.runs[:3])}{' ...' if len(subject.runs) > 3 else ''} compared"


def moment(seconds: float) -> str:
    """A time of day, the same wherever it is read."""
    try:
        return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):
        return "-"


def chip(words: str, severity: Severity) -> Html:
    """A symbol and a word in the colour of how good or bad it is."""
    return element("span", f"{severity.symbol} {words}", class_=f"chip {severity}")


def _of_one(run: RunSubject) -> Html:
    state, how = state_word(run.view)
    facts = run.facts
    kicker = " · ".join(filter(None, (facts.preset, f"{facts.scale} scale" if facts.scale else "", _when(run))))
    return element(
        "header",
        element("p", "Training report", element("span", f" · {kicker}" if kicker else ""), class_="kicker"),
        element("h1", run.title),
        _banner(run.verdict, state, how),
        pairs(_figures(run), "strip"),
    )


def _banner(verdict: Verdict, state: str, how: Severity) -> Html:
    word = SEVERITY_WORDS[verdict.severity]
    return element(
        "div",
        element("p", element("strong", f"{verdict.severity.symbol} {word}"), chip(state, how), class_="verdict"),
        element("p", verdict.text),
        class_=f"banner {verdict.severity}",
    )


def _when(run: RunSubject) -> str:
    started = run.meta.get("started")
    return f"started {moment(started)}" if isinstance(started, (int, float)) and started > 0 else ""


def _figures(run: RunSubject) -> Iterator[tuple[str, str]]:
    view, facts = run.view, run.facts
    for metric in monitored_metrics([facts])[:2]:
        best = facts.best(metric, lower=bool(lower_is_better([facts], metric)))
        if best is not None:
            where = f"epoch {best.epoch}" if best.epoch else f"step {best.step:,}"
            yield f"best {metric}", joined([short(best.value, 4), element("small", f" {where}, {best.weights}")])
    if math.isfinite(facts.last_loss):
        yield "training loss", short(facts.last_loss, 4)
    total = view.plan.total_steps if view.plan else 0
    yield "steps", joined([f"{facts.steps:,}", *([element("small", f" of {total:,}")] if total else [])])
    if facts.epochs:
        yield "epochs", f"{facts.epochs:,}"
    if math.isfinite(facts.seconds) and facts.seconds > 0:
        yield "time", duration(facts.seconds)
    if math.isfinite(facts.samples_per_s):
        yield "samples/s", short(facts.samples_per_s)
    parameters = run.meta.get("num_parameters")
    if isinstance(parameters, int):
        yield "parameters", f"{parameters:,}"


def _of_several(subject: PageSubject) -> Html:
    metrics = monitored_metrics(subject.facts)[:2]
    rows = [[_named(run), *_row(run, metrics)] for run in subject.runs]
    head = ["run", "state", "verdict", *(f"best {name}" for name in metrics), "training loss", "steps", "time"]
    presets = list(dict.fromkeys(run.facts.preset for run in subject.runs if run.facts.preset))
    return element(
        "header",
        element(
            "p", "Training report", element("span", f" · {', '.join(presets[:4])}" if presets else ""), class_="kicker"
        ),
        element("h1", f"{len(subject.runs)} runs compared"),
        table(head, rows, label="runs", class_="runs"),
    )


def _named(run: RunSubject) -> Html:
    return joined([element("i", class_=f"swatch i{run.ink}", aria_hidden="true"), run.name])


def _row(run: RunSubject, metrics: list[str]) -> Iterator[str]:
    facts, (state, how), verdict = run.facts, state_word(run.view), run.verdict
    yield chip(state, how)
    yield joined([chip(SEVERITY_WORDS[verdict.severity], verdict.severity), element("small", f" {verdict.text}")])
    for metric in metrics:
        best = facts.best(metric, lower=bool(lower_is_better([facts], metric)))
        yield short(best.value, 4) if best is not None else "-"
    yield short(facts.last_loss, 4) if math.isfinite(facts.last_loss) else "-"
    yield f"{facts.steps:,}"
    yield duration(facts.seconds)
