"""What a study has come to, as lines and as plain data. Starts nothing."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainctl.tui.charts.axis import short
from trainctl.tui.cli.output import SCHEMA, Cell
from trainctl.tui.cli.sweep.space import overrides_of
from trainctl.tui.cli.sweep.study import Study
from trainctl.tui.cli.sweep.trial_table import trial_lines, trials_json
from trainctl.tui.compare.study import Trials, best_trials, count_words
from trainctl.tui.run.trial import RunTrial, TrialState

MOST_REASONS = 5


@dataclass(frozen=True)
class Shown:
    """What there is to show."""

    study: Study
    trials: Trials
    importance: Mapping[str, float]
    left: Sequence[int] = ()
    """Numbers of the trials whose workers are gone."""
    file: Path | None = None
    """The best as a preset."""

    @property
    def best(self) -> RunTrial | None:
        """The best complete trial."""
        found = best_trials(self.trials, 1)
        return found[0][1] if found else None

    @property
    def num_running(self) -> int:
        """Trials that other workers are at."""
        return sum(trial.state is TrialState.RUNNING for _, trial in self.trials) - len(self.left)

    @property
    def is_over(self) -> bool:
        """Whether no trial is under way."""
        return not self.num_running and not self.left

    @property
    def command(self) -> str:
        """What trains the best once more; empty: there is none."""
        if self.best is None:
            return ""
        return shlex.join(["trainctl", "run", *self.study.command, *overrides_of(self.best.params)])


def lines(shown: Shown, most: int | None) -> Iterator[Sequence[Cell]]:
    """The study as text, with its best trials; `most` of them, None: all."""
    study, objective = shown.study, shown.study.objective
    yield [(study.name, "bold"), (f"  {study.preset}, {study.scale} scale, {study.data or 'built-in data'}", "")]
    better = "more" if objective.direction == "max" else "less"
    how = f"sampler {study.sampler}, pruner {study.pruner}, seed {study.seed}"
    yield [(f"{objective.metric}, {better} is better; {how}", "dim")]
    yield [(f"{len(shown.trials)} trials: {count_words(shown.trials)}", "")]
    yield []
    yield from trial_lines(shown.trials, most, with_reasons=False)
    yield from _reasons(shown.trials)
    if shown.importance:
        told = "  ".join(f"{key} {short(share, 2)}" for key, share in shown.importance.items())
        yield [("importance  ", "dim"), (told, "")]
    if shown.num_running:
        yield [(f"{shown.num_running} still under way elsewhere", "")]
    if shown.left:
        numbers = ", ".join(map(str, shown.left))
        yield [(f"left by their workers: {numbers}; the same command goes on with them", "yellow")]
    if shown.command:
        yield [("train the best with:", "")]
        yield [(f"  {shown.command}", "")]
    if shown.file is not None:
        yield [(f"wrote {shown.file}", "")]


def as_json(shown: Shown) -> dict[str, Any]:
    """Plain data."""
    study = shown.study
    return {
        "schema": SCHEMA,
        "study": study.name,
        "path": str(study.folder.absolute()),
        "preset": study.preset,
        "scale": study.scale,
        "data": study.data,
        "metric": study.objective.metric,
        "direction": study.objective.direction,
        "sampler": study.sampler,
        "pruner": study.pruner,
        "seed": study.seed,
        "space": study.space.as_json(),
        "trials": trials_json(shown.trials).get("trials", []),
        "best": None if shown.best is None else shown.best.number,
        "importance": dict(shown.importance),
        "left": list(shown.left),
        "command": shown.command,
        "file": None if shown.file is None else str(shown.file),
    }


def _reasons(trials: Trials) -> Iterator[Sequence[Cell]]:
    """Why trials failed, each reason once."""
    failed = [trial for _, trial in trials if trial.state is TrialState.FAILED]
    counts = Counter(trial.reason for trial in failed)
    for reason, count in counts.most_common(MOST_REASONS):
        numbers = ", ".join(str(trial.number) for trial in failed if trial.reason == reason)
        yield [(f"failed ({count}): ", "yellow"), (f"{reason}  [{numbers}]", "")]
