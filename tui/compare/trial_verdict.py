"""What a trial of a fix comes to, in a word and a sentence, and its curves as rows. Pure.

What is compared and what counts as noise is in `trial`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from trainctl.engine.errors import ExitCode
from trainctl.tui.compare.trial import Arm, Trial, TrialFigure, num_steps
from trainctl.tui.compare.verdicts import LEAST_SEEDS

ROWS = 10
"""Rows of a curve."""


class Word(StrEnum):
    """What a trial comes to."""

    HELPS = "the fix helps"
    NO_DIFFERENCE = "no difference beyond noise"
    WORSE = "worse"
    CANNOT = "cannot be verified"

    @property
    def meaning(self) -> str:
        """How good or bad that is, in the words of `words.styles`."""
        return {"the fix helps": "ok", "worse": "error"}.get(self.value, "warning")

    @property
    def exit_code(self) -> ExitCode:
        """How the command ends."""
        return {Word.HELPS: ExitCode.OK, Word.CANNOT: ExitCode.USAGE}.get(self, ExitCode.RUN_FAILED)


@dataclass(frozen=True)
class TrialVerdict:
    """What a trial comes to, and why."""

    word: Word
    why: str


def judge_trial(trial: Trial, figures: Sequence[TrialFigure]) -> TrialVerdict:
    """The verdict: by who finishes at all, else by the first figure that moves beyond noise."""
    ended = _by_the_end(trial)
    if ended is not None:
        return ended
    compared = [one for one in figures if not one.not_compared and one.difference.n]
    if not compared:
        reasons = dict.fromkeys(one.not_compared for one in figures if one.not_compared)
        return TrialVerdict(Word.CANNOT, "; ".join(reasons) or "no figure was measured in both")
    seeds = len(trial.seeds)
    chance = "" if seeds >= LEAST_SEEDS else f"; {_seed_words(seeds)}: chance between seeds is not known"
    first = next((one for one in compared if one.direction), None)
    if first is None:
        return TrialVerdict(Word.NO_DIFFERENCE, f"{compared[0].words}{chance}")
    against = [one.label for one in compared if one.direction == -first.direction]
    but = f"; but {', '.join(against)} the other way" if against else ""
    return TrialVerdict(Word.HELPS if first.direction > 0 else Word.WORSE, f"{first.words}{but}{chance}")


def curve_rows(trial: Trial) -> list[tuple[int, int, float, float]]:
    """Steps of both, and the mean training loss of each over the stretch that ends there and over the seeds."""
    present, fixed = num_steps(trial.present), num_steps(trial.fixed)
    pace = trial.pace if present else 1.0
    edges = np.unique(np.rint(np.linspace(0, max(present, round(fixed / pace)), ROWS + 1)).astype(int))
    paced = np.rint(edges * pace).astype(int)
    return [
        (
            int(edges[k]),
            int(paced[k]),
            _stretch(trial.present, int(edges[k - 1]), int(edges[k])),
            _stretch(trial.fixed, int(paced[k - 1]), int(paced[k])),
        )
        for k in range(1, len(edges))
    ]


def finding_words(arms: Mapping[int, Arm]) -> str:
    """In how many of the trainings the finding was there, as their records tell; empty: they cannot."""
    told = [arm.has_finding for arm in arms.values() if arm.has_finding is not None]
    return f"found in {sum(told)} of {len(told)}" if told else ""


def _by_the_end(trial: Trial) -> TrialVerdict | None:
    """The verdict where one of the two does not finish; None: both do, in every seed that counts."""
    lost = {seed: (trial.present[seed], trial.fixed[seed]) for seed in trial.seeds}
    rescued = [a for a, b in lost.values() if b.is_sound and not a.is_sound]
    broken = [b for a, b in lost.values() if a.is_sound and not b.is_sound]
    if broken and not rescued:
        return TrialVerdict(Word.WORSE, f"with it {_ended(broken, len(lost))}")
    if rescued and not broken:
        return TrialVerdict(Word.HELPS, f"without it {_ended(rescued, len(lost))}")
    if lost and not any(a.is_sound and b.is_sound for a, b in lost.values()):
        return TrialVerdict(Word.NO_DIFFERENCE, f"with it, too, {_ended([b for _, b in lost.values()], len(lost))}")
    return None


def _ended(arms: Sequence[Arm], total: int) -> str:
    reason = next((arm.reason for arm in arms if arm.reason), "its loss is no number")
    who = "the training does" if total == 1 else f"{len(arms)} of {total} trainings do"
    return f"{who} not finish: {reason}"


def _stretch(arms: Mapping[int, Arm], start: int, stop: int) -> float:
    means = [float(arm.losses[start:stop].mean()) for arm in arms.values() if len(arm.losses) > start]
    return sum(means) / len(means) if means else math.nan


def _seed_words(count: int) -> str:
    return "one seed" if count == 1 else f"{count} seeds"
