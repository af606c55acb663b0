"""A line of the list of runs in words: where a run stands, how far it came, how well. Pure; no widget, no file."""

from __future__ import annotations

from trainctl.engine.runs.index import RunInfo
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Liveness
from trainctl.tui.charts.axis import short

SYMBOLS = {
    "starting": "·",
    "running": "▸",
    "paused": "=",
    "validating": "▸",
    "finished": "✓",
    "stopped": "-",
    "preempted": "-",
    "failed": "×",
    "killed": "×",
    "silent": "!",
    "presumed crashed": "×",
    "unreadable": "!",
}
"""Symbol of each word for where a run stands."""
SEVERITY_WORDS = {
    "running": "ok",
    "validating": "ok",
    "finished": "ok",
    "paused": "warning",
    "stopped": "warning",
    "preempted": "warning",
    "killed": "warning",
    "silent": "warning",
    "failed": "error",
    "presumed crashed": "error",
    "unreadable": "error",
}
"""How good or bad each of them is, in the words of `styles`; of one that only begins nothing is said yet."""

_AGES = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))


def run_state_word(info: RunInfo) -> str:
    """Where the run stands; a word of `SYMBOLS`."""
    if info.problem:
        return "unreadable"
    if info.liveness is Liveness.CRASHED:
        return "presumed crashed"
    if info.liveness is Liveness.SILENT and info.state is not RunState.PAUSED:
        return "silent"
    return str(info.state or RunState.STARTING)


def short_age(seconds: float) -> str:
    """An age in one unit: 40 s, 3 min, 2 h, 4 d."""
    for size, unit in _AGES:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(int(seconds), 0)} s"


def best_words(info: RunInfo) -> str:
    """The best validation of the monitored metric; a dash while there is none."""
    return f"{info.best.metric} {short(info.best.value, 4)}" if info.best else "-"


def progress_words(info: RunInfo) -> str:
    """Steps taken of all steps."""
    return _of(info.step, info.total_steps)


def epoch_words(info: RunInfo) -> str:
    """The epoch in progress of all epochs."""
    return _of(info.epoch, info.epochs)


def _of(done: int, total: int) -> str:
    words = _count(done) if done or total else "-"
    return f"{words}/{_count(total)}" if total else words


def _count(number: int) -> str:
    return str(number) if number < 100_000 else short(float(number))
