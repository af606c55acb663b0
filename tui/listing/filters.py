"""The small language that a list of runs is filtered by: `state:running preset:balanced f1>.9 age<2d -weld`. Pure.

Words must occur in a run's name, preset, state, study or best metric. `FIELD:TEXT` asks a field for a text, of several
with commas for one of them; `=` asks for it whole. Figures are compared: `step>=100`, `age<2d`; a metric's name stands
for the best value of the runs that are judged by it. `-` in front of anything means: not.
"""

from __future__ import annotations

import difflib
import math
import operator
import re
import shlex
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from trainctl.engine.errors import UserError
from trainctl.tui.listing.listed import Listed
from trainctl.tui.words.runs import best_words, run_state_word

Test = Callable[[Listed, float], bool]
"""Whether a run is shown; the second argument is the present moment, seconds since 1970."""

TEXTS: dict[str, Callable[[Listed], str]] = {
    "name": lambda run: run.info.name,
    "state": lambda run: run_state_word(run.info),
    "preset": lambda run: run.info.preset,
    "task": lambda run: run.info.task or run.info.preset.partition("/")[0],
    "study": lambda run: run.study,
    "metric": lambda run: run.info.best.metric if run.info.best else "",
}
"""Fields that hold text."""
FIGURES: dict[str, Callable[[Listed, float], float]] = {
    "best": lambda run, _: run.info.best.value if run.info.best else math.nan,
    "loss": lambda run, _: run.last_loss,
    "step": lambda run, _: float(run.info.step),
    "steps": lambda run, _: float(run.info.total_steps or math.nan),
    "epoch": lambda run, _: float(run.info.epoch),
    "epochs": lambda run, _: float(run.info.epochs or math.nan),
    "trial": lambda run, _: _trial(run),
    "took": lambda run, _: run.info.seconds,
    "age": lambda run, now: now - run.info.seen,
}
"""Fields that hold figures; the last two seconds."""
TIMES = ("took", "age")
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_TERM = re.compile(r"(?P<field>[^\s:<>=!]+)(?P<op>>=|<=|!=|[:<>=])(?P<value>.*)", re.DOTALL)
_TIME = re.compile(r"(\d*\.?\d+)\s*([a-z]*)")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ":": operator.eq,
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Filter:
    """What must hold of a run, all of it."""

    tests: tuple[Test, ...] = ()
    asks_loss: bool = False
    """Whether it asks for the loss, which is not in the small files."""

    def shows(self, run: Listed, now: float) -> bool:
        """Whether it holds at a moment, seconds since 1970."""
        return all(test(run, now) for test in self.tests)


def parse_filter(text: str, metrics: Collection[str] = ()) -> Filter:
    """What a line asks for; an empty one asks for nothing.

    Args:
        text: as it was typed.
        metrics: that runs are judged by; empty: not known yet, and any name may be one.

    Raises:
        UserError: it cannot be understood; says what of it and what could be written.
    """
    try:
        words = shlex.split(text, posix=True)
    except ValueError:
        raise UserError(f"a quote is not closed: {text.strip()}", 'close it, as in name:"a b"') from None
    tests, asks_loss = list[Test](), False
    for word in words:
        is_not, bare = (word[0] == "-", word.removeprefix("-")) if word else (False, "")
        if not bare:
            continue
        test = _test(bare, metrics)
        asks_loss = asks_loss or re.match(r"loss\b", bare) is not None
        tests.append(_negated(test) if is_not else test)
    return Filter(tuple(tests), asks_loss)


def _test(word: str, metrics: Collection[str]) -> Test:
    parts = _TERM.fullmatch(word)
    if parts is None:
        return _occurs(word.lower())
    field, op, value = parts["field"].lower(), parts["op"], parts["value"]
    if not value:
        raise UserError(f"{word} lacks a value", f"as in {_example(field, op)}")
    if field in TEXTS:
        if op in ("<", "<=", ">", ">="):
            raise UserError(f"{word}: {field} is text", f"write {field}:{value}")
        return _text_test(TEXTS[field], op, value.lower())
    if field in FIGURES:
        return _figure_test(FIGURES[field], op, _figure(word, field, value))
    return _metric_test(word, parts["field"], op, value, metrics)


def _occurs(word: str) -> Test:
    def test(run: Listed, _: float) -> bool:
        info = run.info
        return word in f"{info.name} {info.preset} {run_state_word(info)} {run.study} {best_words(info)}".lower()

    return test


def _text_test(read: Callable[[Listed], str], op: str, value: str) -> Test:
    wanted = [one for one in value.split(",") if one]
    if op == ":":
        return lambda run, _: any(one in read(run).lower() for one in wanted)
    is_in = op == "="
    return lambda run, _: (read(run).lower() in wanted) is is_in


def _figure_test(read: Callable[[Listed, float], float], op: str, value: float) -> Test:
    compare = _COMPARE[op]

    def test(run: Listed, now: float) -> bool:
        figure = read(run, now)
        return not math.isnan(figure) and compare(figure, value)

    return test


def _metric_test(word: str, metric: str, op: str, value: str, metrics: Collection[str]) -> Test:
    known = next((name for name in metrics if name.lower() == metric.lower()), None)
    if metrics and known is None:
        raise UserError(f"{word}: no field {metric}", _meant(metric, metrics))
    number = _number(value)
    if number is None:
        raise UserError(
            f"{word}: {value} is no number" if known else f"{word}: no field {metric}", _meant(metric, metrics)
        )
    compare, wanted = _COMPARE[op], metric.lower()

    def test(run: Listed, _: float) -> bool:
        best = run.info.best
        return best is not None and best.metric.lower() == wanted and compare(best.value, number)

    return test


def _meant(field: str, metrics: Collection[str]) -> str:
    names = [*TEXTS, *FIGURES, *metrics]
    near = difflib.get_close_matches(field, names, 1, 0.6)
    return f"did you mean {near[0]}?" if near and near[0] != field else f"fields: {', '.join(names)}"


def _figure(word: str, field: str, value: str) -> float:
    if field not in TIMES:
        number = _number(value)
        if number is None:
            raise UserError(f"{word}: {value} is no number", f"as in {_example(field, '>')}")
        return number
    parts = _TIME.fullmatch(value.lower())
    if parts is None or parts[2] not in _UNITS:
        raise UserError(f"{word}: {value} is no time", f"as in {field}<90s, {field}<20min, {field}<3h, {field}<2d")
    return float(parts[1]) * _UNITS[parts[2]]


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return None if math.isnan(number) else number


def _example(field: str, op: str) -> str:
    examples = {"state": "running", "preset": "balanced", "age": "2d", "took": "3h", "step": "100"}
    return f"{field}{op}{examples.get(field, '.9' if op != ':' else 'text')}"


def _negated(test: Test) -> Test:
    return lambda run, now: not test(run, now)


def _trial(run: Listed) -> float:
    number = run.info.trial.number if run.info.trial else None
    return math.nan if number is None else float(number)


def metrics_of(runs: Sequence[Listed]) -> list[str]:
    """Metrics that runs are judged by, in the order of the list."""
    return list(dict.fromkeys(run.info.best.metric for run in runs if run.info.best))
