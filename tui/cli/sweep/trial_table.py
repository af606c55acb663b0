"""The trials of a study as a table and as plain data, for whoever prints them. Imports nothing of the study itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from trainctl.tui.cli.output import Cell, align
from trainctl.tui.compare.study import Trials, ranked, table
from trainctl.tui.run.trial import TrialState

STATE_STYLES = {TrialState.COMPLETE: "", TrialState.PRUNED: "dim", TrialState.FAILED: "yellow"}


def trial_lines(trials: Trials, most: int | None, *, with_reasons: bool = True) -> Iterator[Sequence[Cell]]:
    """The best trials with their parameters, below a head.

    Args:
        trials: of one study.
        most: how many; None: all.
        with_reasons: say beside each why it is not complete.
    """
    shown = ranked(trials)[:most]
    rows = table(shown)
    if not rows:
        return
    cells: list[list[Cell]] = [[(word, "dim") for word in rows[0]]]
    for row, (_, trial) in zip(rows[1:], shown, strict=True):
        style = "green" if row[0] else STATE_STYLES.get(trial.state, "")
        cells.append([(word, style) for word in (row if with_reasons else row[:-1])])
    yield from align(cells)
    if len(shown) < len(trials):
        study = trials[0][1].study
        yield [(f"  and {len(trials) - len(shown)} more: trainctl sweep status {study}", "dim")]


def trials_json(trials: Trials) -> dict[str, Any]:
    """Plain data by the key `trials`; nothing where there are none."""
    found = [
        {
            "number": trial.number,
            "state": str(trial.state),
            "value": trial.value,
            "epoch": trial.epoch,
            "params": dict(trial.params),
            "run": run or None,
            "reason": trial.reason,
        }
        for run, trial in trials
    ]
    return {"trials": found} if found else {}
