"""The trials of a study side by side: their parameters beside what they reached, as lines of words. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from trainctl.tui.charts.axis import short
from trainctl.tui.compare.comparison import BEST_MARK
from trainctl.tui.run.trial import RunTrial, TrialState

Trials = Sequence[tuple[str, RunTrial]]
"""Name of the run (empty: none) and trial."""
ORDER = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING, TrialState.FAILED)


def ranked(trials: Trials) -> Trials:
    """The complete ones from the best to the worst, then the others by their number."""
    return sorted(trials, key=_rank)


def best_trials(trials: Trials, most: int) -> Trials:
    """The best of the complete ones that have a run."""
    found = [pair for pair in ranked(trials) if pair[0] and pair[1].state is TrialState.COMPLETE]
    return found[:most]


def count_words(trials: Trials) -> str:
    """How many there are of each state: `31 complete, 7 pruned, 2 failed`."""
    counts = Counter(trial.state for _, trial in trials)
    return ", ".join(f"{counts[state]} {state}" for state in ORDER if counts[state]) or "none yet"


def params_words(params: Mapping[str, Any]) -> str:
    """The parameters of a trial on one line."""
    names = _short_keys(list(params))
    return "  ".join(f"{name} {value_words(value)}" for name, value in zip(names, params.values(), strict=True))


def value_words(value: Any) -> str:
    """A value in few characters: what is exact is in the run's configuration."""
    from trainctl.engine.config.yamlfile import format_value

    return short(value, 4) if isinstance(value, float) else format_value(value)


def short_run(name: str) -> str:
    """The end of a run's name, by which the command line finds it: `t017-ab12`."""
    return "-".join(name.rsplit("-", 2)[-2:])


def table(trials: Trials) -> list[list[str]]:
    """A head, then a line a trial, in the order given: mark, number, metric, epoch, parameters, state, run, reason."""
    if not trials:
        return []
    first = trials[0][1]
    keys = list(dict.fromkeys(key for _, trial in trials for key in trial.params))
    best = best_trials(trials, 1)
    rows = [["", "#", first.metric, "epoch", *_short_keys(keys), "state", "run", ""]]
    for run, trial in trials:
        rows.append(
            [
                BEST_MARK if best and trial is best[0][1] else "",
                str(trial.number),
                "-" if trial.value is None else short(trial.value, 4),
                str(trial.epoch or "-"),
                *(value_words(trial.params[key]) if key in trial.params else "-" for key in keys),
                str(trial.state),
                short_run(run) if run else "-",
                trial.reason,
            ]
        )
    return rows


def _rank(pair: tuple[str, RunTrial]) -> tuple[int, float, int]:
    _, trial = pair
    value = trial.value if trial.value is not None and trial.state is TrialState.COMPLETE else 0.0
    return ORDER.index(trial.state), -value if trial.direction == "max" else value, trial.number


def _short_keys(keys: Sequence[str]) -> list[str]:
    """The last word of each, the whole key where two would be the same."""
    last = [key.rpartition(".")[2] for key in keys]
    return [word if last.count(word) == 1 else key for word, key in zip(last, keys, strict=True)]
