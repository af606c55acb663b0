"""Which charts a page has, of one run or of several laid over one another; how they are drawn is `drawing`'s."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainctl.engine.runs.events import Event, EventKind
from trainctl.engine.runs.states import RunState
from trainctl.tui.charts.axis import short
from trainctl.tui.charts.plot import Content, Line
from trainctl.tui.charts.positions import XMap
from trainctl.tui.charts.pyramid import Points, Series
from trainctl.tui.compare.comparison import monitored_metrics
from trainctl.tui.report.drawing import Curve, Drawing, Mark, draw, key
from trainctl.tui.report.html import Html, element, joined, section
from trainctl.tui.report.subject import PageSubject, RunSubject
from trainctl.tui.run.results import WEIGHTS
from trainctl.tui.run.view import RunView
from trainctl.tui.words.events import MARK_LETTERS, event_words

BUDGET, A_COLUMN = 1_000_000, 18
"""Bytes that all paths may take together, and about what a column of a line takes."""
LEAST_COLUMNS, MOST_COLUMNS = 100, 560
TALL, LOW = 230, 150
"""Pixels of a plot."""
PARTS = (1, 2, 5, 6, 7)
"""Colours of the parts of a whole; 0 is the whole, 3 and 4 are validation of raw and averaged weights."""
RAW, EMA = 3, 4
MOST_PARTS, MOST_OTHERS, MOST_SCALARS, MOST_MARKS = 5, 8, 6, 40
EVERY_RUN = (EventKind.LR, EventKind.COMMAND, EventKind.NONFINITE, EventKind.RESUME, EventKind.REFIT)
"""What is marked where several runs lie over one another."""


@dataclass(frozen=True)
class Asked:
    """A chart that is wanted."""

    name: str
    title: str
    content: Content
    may_log: bool = True
    is_main: bool = False
    """Whether it is as wide as the page."""
    note: str = ""


def curves(subject: PageSubject) -> Html:
    """The part of the page with all charts."""
    wanted = of_one(subject.runs[0]) if subject.is_one else of_several(subject)
    wanted = [asked for asked in wanted if any(line.drawn for line in asked.content.lines)]
    lines = sum(len(asked.content.lines) for asked in wanted)
    columns = min(max(BUDGET // (A_COLUMN * max(lines, 1)), LEAST_COLUMNS), MOST_COLUMNS)
    made = [_drawn(asked, f"f{k}", columns) for k, asked in enumerate(wanted)]
    figures = [_figure(asked, drawing) for asked, drawing in zip(wanted, made, strict=True) if drawing is not None]
    if not figures:
        return section("curves", "Curves", element("p", "No step has been recorded."))
    has_bad = any(curve.found.bad.any() for drawing in made if drawing is not None for curve in drawing.curves)
    about = element("p", *_how_to_read(subject, columns, has_bad=has_bad), class_="aside")
    return section("curves", "Curves", element("div", *figures, class_="figures"), about)


def _drawn(asked: Asked, name: str, columns: int) -> Drawing | None:
    height = TALL if asked.is_main else LOW
    return draw(asked.content, title=asked.title, name=name, columns=columns, height=height, may_log=asked.may_log)


def _figure(asked: Asked, drawing: Drawing) -> Html:
    notes = " · ".join(filter(None, (asked.note, "logarithmic" if drawing.is_log else "")))
    told = [element("span", notes, class_="aside")] if notes else []
    legend = key([_entry(curve) for curve in drawing.curves if curve.line.legend])
    plot = element("div", drawing.svg, class_="plot")
    head = element("figcaption", element("h3", asked.title), *told)
    return element("figure", head, legend, plot, class_="main" if asked.is_main else None)


def _entry(curve: Curve) -> tuple[str, str, str]:
    line = curve.line
    last = line.series.last
    return (
        f"i{line.ink}{' faint' if line.faint else ''}",
        line.name,
        "" if math.isnan(last) or line.faint else short(last, 4),
    )


def _how_to_read(subject: PageSubject, columns: int, *, has_bad: bool) -> Iterator[str]:
    """Sentences, each with the space behind it."""
    longest = max((len(series) for run in subject.runs for series in run.view.series.values()), default=0)
    a_column = math.ceil(longest / columns)
    if a_column > 1:
        yield (
            f"A line is the mean of about {a_column:,} steps a column, the band behind it reaches from the least to the"
            " greatest of them: a spike of a single step is seen. "
        )
    yield "Figures behind the names are the newest. "
    if has_bad:
        yield "Red stripes: values that are not finite. "
    kinds = MARK_LETTERS if subject.is_one else EVERY_RUN
    used = {event.kind for run in subject.runs for event in run.view.of_kind(*kinds)}
    told = [joined([MARK_LETTERS[kind], " ", KIND_WORDS[kind]]) for kind in MARK_LETTERS if kind in used]
    if told:
        yield joined(["Marks: ", joined(told, ", "), "."])


KIND_WORDS = {
    EventKind.CHECKPOINT: "best checkpoint",
    EventKind.LR: "rate cut",
    EventKind.COMMAND: "changed by hand",
    EventKind.NONFINITE: "not finite",
    EventKind.FINDING: "finding",
    EventKind.RESUME: "resumed",
    EventKind.REFIT: "refit",
}


# --- one run ---------------------------------------------------------------------------------------------------------


def of_one(run: RunSubject) -> list[Asked]:
    """Loss and its terms, metrics, learning rate, gradients, what else the task tells."""
    view = run.view
    marks = tuple(_marks(run, MARK_LETTERS))
    bare = tuple(mark for mark in marks if mark.line)
    shown = _extent(view)
    nonfinite = f"not finite from step {view.first_nonfinite:,}" if view.first_nonfinite is not None else ""

    def chart(name: str, title: str, lines: Iterable[Line], **more: Any) -> Asked:
        outer: dict[str, Any] = {key: more.pop(key) for key in ("may_log", "is_main", "note") if key in more}
        inner: dict[str, Any] = {"marks": bare, "x_range": shown} | more
        return Asked(name, title, Content(lines=tuple(lines), **inner), **outer)

    asked = [
        chart("loss", "Loss", _loss_lines(view), marks=marks, is_main=True, note=nonfinite),
        chart("terms", "Terms of the loss", _term_lines(view), note=_weighted_word(view)),
        *_metric_charts(run, chart),
        chart("lr", "Learning rate", _rate_lines(view), may_log=False, **_plan(view)),
        chart("grad", "Gradient norm", _norm_lines(view), **_clip(view)),
        chart("update", "Update / weight", _columns(view, {"update_ratio": "ratio"})),
    ]
    scalars = [name for name in view.series if name.startswith("scalar.")][:MOST_SCALARS]
    titles = {name: name.removeprefix("scalar.") for name in scalars}
    asked += [chart(name, title, _columns(view, {name: title}), may_log=False) for name, title in titles.items()]
    return asked


def _extent(view: RunView) -> tuple[float, float] | None:
    """Steps that every chart of a run shows, [start, stop): to the planned end of what goes on or was to go on."""
    series = view.series.values()
    first = min((one.extent[0] for one in series), default=0.0)
    last = max([float(view.step), *(one.extent[1] - 1 for one in series), *(_last_validation(view))], default=0.0)
    total = view.plan.total_steps if view.plan and view.state is not RunState.FINISHED else 0
    return (max(first - 1, 0.0), max(last, float(total)) + 1) if last else None


def _last_validation(view: RunView) -> Iterator[float]:
    events = view.of_kind(EventKind.VALIDATION)
    if events:
        yield float(events[-1].step)


def _columns(view: RunView, names: Mapping[str, str], first_ink: int = 0) -> Iterator[Line]:
    """A line for each of these columns that the run has, under the given names."""
    known = {column: name for column, name in names.items() if column in view.series}
    for k, (column, name) in enumerate(known.items()):
        yield Line(name, view.series[column], first_ink if k == 0 else PARTS[(k - 1) % len(PARTS)])


def _loss_lines(view: RunView) -> Iterator[Line]:
    yield from _columns(view, {"loss": "training"})
    for which, name, ink in (("raw", "validation", RAW), ("ema", "validation, averaged weights", EMA)):
        points = view.validation(which, "loss")
        if np.isfinite(points.y).any():
            yield Line(name, points, ink, symbol="●")
    per_epoch = view.plan.steps_per_epoch if view.plan else 0
    for name, ink in (("loss", 0), ("val_loss", RAW)):
        pairs = _started(view, "expected").get(name)
        if pairs and per_epoch:
            epochs, values = np.array(pairs, np.float64).reshape(-1, 2).T
            words = "expected by the document" if name == "loss" else "expected, validation"
            yield Line(words, Points(epochs * per_epoch, values), ink, faint=True)


def _term_lines(view: RunView) -> Iterator[Line]:
    terms = view.layout.terms if view.layout else ()
    if len(terms) < 2:
        return
    kind = "weighted" if _weighted_word(view) else "raw"
    for k, term in enumerate(terms[: MOST_PARTS + 1]):
        if f"{kind}.{term}" in view.series:
            yield Line(term, view.series[f"{kind}.{term}"], PARTS[k % len(PARTS)] if k < len(PARTS) else 0)


def _weighted_word(view: RunView) -> str:
    """Empty where nobody knows the weights, as of a log of another tool."""
    return "times their weights" if any(name.startswith("weighted.") for name in view.series) else ""


def _metric_charts(run: RunSubject, chart: Callable[..., Asked]) -> Iterator[Asked]:
    """The monitored metric with what a constant answer reaches; the others together where they share a range."""
    view = run.view
    monitored = [name for name in monitored_metrics([run.facts]) if name != "loss"]
    best, floors = view.best, _started(view, "constant")
    for name in monitored:
        star = (
            Mark(float(best.step), "★", line=False, y=best.value, words=f"best, step {best.step:,}") if best else None
        )
        floor = floors.get(name)
        rules = ((float(floor), "constant answer"),) if isinstance(floor, (int, float)) else ()
        marks = (star,) if star is not None and best is not None and best.metric == name else ()
        title = f"Validation: {name}"
        yield chart(f"m-{name}", title, _results(view, name), may_log=False, rules=rules, marks=marks)
    terms = {"loss", *(view.layout.terms if view.layout else ())}
    others = [name for name in view.metrics() if name not in {*monitored, *terms} and not name.startswith("f1.")]
    within, beyond = _by_range(view, others[:MOST_OTHERS])
    lines = [Line(name, view.validation("raw", name), _part(k), symbol="●") for k, name in enumerate(within[:6])]
    yield chart("others", "Validation: other metrics", lines, may_log=False)
    for name in beyond[:4]:
        yield chart(f"m-{name}", f"Validation: {name}", _results(view, name))


def _part(k: int) -> int:
    return PARTS[k] if k < len(PARTS) else 0


def _by_range(view: RunView, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Those that lie between 0 and 1, and the rest; without what has no value at all."""
    within: list[str] = []
    beyond: list[str] = []
    for name in names:
        values = view.validation("raw", name).y
        finite = values[np.isfinite(values)]
        if len(finite):
            (within if finite.min() >= 0 and finite.max() <= 1 else beyond).append(name)
    return within, beyond


def _results(view: RunView, metric: str) -> Iterator[Line]:
    for which, words, ink in zip(WEIGHTS, ("raw weights", "averaged weights"), (RAW, EMA), strict=True):
        points = view.validation(which, metric)
        if len(points):
            yield Line(words if len(view.validation("ema", metric)) else metric, points, ink, symbol="●")


def _rate_lines(view: RunView) -> Iterator[Line]:
    named = {name: name.removeprefix("lr.") for name in view.series if name.startswith("lr.")}
    yield from _columns(view, dict([*named.items()][:MOST_PARTS]) or {"lr": "in force"})
    if view.plan is not None and len(view.plan.points):
        yield Line("planned", view.plan.points, 0, faint=True)


def _plan(view: RunView) -> dict[str, Any]:
    plan = view.plan
    if plan is None or not plan.total_steps:
        return {}
    if not plan.warmup_steps:
        return {}
    return {"spans": ((0.0, float(plan.warmup_steps)),), "note": f"warmup of {plan.warmup_steps:,} steps"}


def _norm_lines(view: RunView) -> Iterator[Line]:
    yield from _columns(view, {"grad_norm": "total"})
    groups = [name for name in (view.layout.groups if view.layout else ()) if f"grad_norm.{name}" in view.series]
    if len(groups) > 1:
        for k, name in enumerate(groups[: len(PARTS)]):
            yield Line(name, view.series[f"grad_norm.{name}"], PARTS[k])


def _clip(view: RunView) -> dict[str, Any]:
    clip = float(view.last["clip"]) if view.last is not None and "clip" in (view.last.dtype.names or ()) else math.nan
    return {} if math.isnan(clip) else {"rules": ((clip, f"clipped at {clip:g}"),)}


def _started(view: RunView, name: str) -> Mapping[str, Any]:
    """What the run said at its beginning under this name."""
    for event in reversed(view.of_kind(EventKind.START)):
        found = event.data.get(name)
        if isinstance(found, Mapping):
            return found
    return {}


# --- several ---------------------------------------------------------------------------------------------------------


def of_several(subject: PageSubject) -> list[Asked]:
    """The same quantity of every run in one chart."""
    runs = subject.runs
    maps = {run.name: run.view.x_map("epoch") for run in runs}
    # Steps of batches of different sizes say nothing about each other; epochs do, where every run knows them.
    is_by_epoch = all(x_map is not None for x_map in maps.values())
    maps = maps if is_by_epoch else dict.fromkeys(maps)
    first = maps[runs[0].name]
    marks = tuple(mark for run in runs for mark in _placed(_marks(run, EVERY_RUN), maps[run.name], first, run.ink))

    def chart(name: str, title: str, of: Callable[[RunView], Series | None], **more: Any) -> Asked:
        lines = [
            Line(run.name, series, run.ink, x_map=maps[run.name], symbol="●" if isinstance(series, Points) else "")
            for run in runs
            if (series := of(run.view)) is not None
        ]
        return Asked(name, title, Content(lines=tuple(lines), x_map=first, marks=marks), **more)

    asked = [chart("loss", "Training loss", lambda view: view.series.get("loss"), is_main=True)]
    asked.append(chart("val", "Validation loss", lambda view: _measured(view, "loss")))
    for name in monitored_metrics(subject.facts):
        if name != "loss":
            asked.append(
                chart(name, f"Validation: {name}", lambda view, name=name: _measured(view, name), may_log=False)
            )
    terms = list(dict.fromkeys(term for run in runs for term in (run.view.layout.terms if run.view.layout else ())))
    for term in terms[:MOST_PARTS] if len(terms) > 1 else ():
        asked.append(chart(term, f"Term: {term}", lambda view, term=term: view.series.get(f"raw.{term}")))
    asked.append(chart("lr", "Learning rate", lambda view: view.series.get("lr"), may_log=False))
    asked.append(chart("grad", "Gradient norm", lambda view: view.series.get("grad_norm")))
    return asked


def _measured(view: RunView, metric: str) -> Points | None:
    points = view.validation("raw", metric)
    return points if np.isfinite(points.y).any() else None


def _placed(marks: Iterable[Mark], own: XMap | None, shown: XMap | None, ink: int) -> Iterator[Mark]:
    """Marks of one run where they lie on the axis of another, in the run's colour."""
    for mark in marks:
        x = shown.step_of(own.x_of(mark.x)) if own is not None and shown is not None else mark.x
        yield Mark(x, mark.letter, mark.line, words=mark.words, ink=mark.ink or f"i{ink}")


# --- what happened ---------------------------------------------------------------------------------------------------


def _marks(run: RunSubject, kinds: Iterable[EventKind]) -> list[Mark]:
    """The newest events of these kinds, and the steps that findings name; of checkpoints the best ones alone."""
    events = [event for event in run.view.of_kind(*kinds) if event.data.get("which") != "latest"]
    found = [_event_mark(event) for event in events]
    for finding in run.health.findings if run.health is not None else ():
        step = finding.figures.get("step")
        if isinstance(step, int) and EventKind.FINDING in kinds:
            found.append(Mark(float(step), "!", words=f"{finding.code} {finding.name}: {finding.summary}", ink="error"))
    return sorted(found, key=lambda mark: mark.x)[-MOST_MARKS:]


def _event_mark(event: Event) -> Mark:
    ink = "error" if event.kind in (EventKind.NONFINITE, EventKind.FINDING) else ""
    words = f"step {event.step:,}: {event_words(event)[1]}"
    return Mark(
        float(event.step), MARK_LETTERS[event.kind], event.kind is not EventKind.CHECKPOINT, words=words, ink=ink
    )
