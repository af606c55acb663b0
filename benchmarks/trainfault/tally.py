"""Counts over verdicts: how many were detected, named first, among the first three. Prints nothing."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.trainfault.fixing import read_fix, recovers
from benchmarks.trainfault.hosts import HOSTS
from benchmarks.trainfault.rivalry import leads_to_it, read_answers
from benchmarks.trainfault.verdicts import Collection, Verdict

HALVES = {"held out": True, "calibration": False}


@dataclass(frozen=True)
class Tally:
    """Shares of some faults."""

    count: int
    spoken: int
    """With any warning or error."""
    detected: int
    """With one that leads to the cause."""
    first: int
    """Whose first cause is the true one."""
    among: int
    """One of whose first three leads to it."""


def tally(verdicts: Sequence[Verdict], path: str = "all") -> Tally:
    """Count over one path, or over before training and records together."""
    return Tally(
        len(verdicts),
        sum(verdict.speaks(path) for verdict in verdicts),
        sum(verdict.is_detected(path) for verdict in verdicts),
        sum(verdict.is_first(path) for verdict in verdicts),
        sum(verdict.is_among(path) for verdict in verdicts),
    )


def half(verdicts: Sequence[Verdict], *, is_held_out: bool) -> list[Verdict]:
    """Those of the hosts of one half."""
    return [verdict for verdict in verdicts if HOSTS[verdict.trial.host].is_held_out is is_held_out]


def loud(verdicts: Sequence[Verdict], path: str = "all") -> list[Verdict]:
    """Those with a warning or an error on a path; `any`: on whichever."""
    paths = ("preflight", "records", "log") if path == "any" else (path,)
    return [verdict for verdict in verdicts if any(verdict.speaks(each) for each in paths)]


def steps_to_detect(verdicts: Sequence[Verdict]) -> tuple[int, float | None]:
    """How many were detected before their training ended, and the median of the steps it took."""
    steps = [step for verdict in verdicts if (step := verdict.first_step()) is not None]
    return len(steps), statistics.median(steps) if steps else None


def seconds(verdicts: Sequence[Verdict], path: str) -> tuple[float, float]:
    """Median and longest time that gathering and judging took."""
    times = [float(verdict.told[path]["seconds"]) for verdict in verdicts]
    return (statistics.median(times), max(times)) if times else (0.0, 0.0)


def fixes(found: Collection, verdicts: Sequence[Verdict], root: Path) -> tuple[int, int]:
    """How many faults had a fix proposed and trained, and in how many the result recovered."""
    tried = [(v, fix) for v in verdicts if (fix := read_fix(v, v.trial.folder(root))) is not None]
    back = sum(recovers(found.usual[verdict.trial.host], verdict.result, fix[1]) for verdict, fix in tried)
    return len(tried), back


@dataclass
class Beside:
    """What one tool says of the trainings of one half."""

    faults: int = 0
    leading: int = 0
    """Faults with an alarm that leads to the cause."""
    alarmed: int = 0
    healthy: int = 0
    false_alarms: int = 0
    unjudged: int = 0
    """Trainings that the tool could not judge."""


def beside(found: Collection, root: Path, *, is_held_out: bool) -> dict[str, Beside]:
    """Every tool that was asked, ours first."""
    counts: defaultdict[str, Beside] = defaultdict(Beside)
    for verdicts, are_faults in ((found.faults, True), (found.healthy, False)):
        for verdict in half(verdicts, is_held_out=is_held_out):
            for tool, answer in (read_answers(verdict.trial.folder(root)) or {}).items():
                count = counts[tool]
                count.unjudged += not answer.could_judge
                if are_faults:
                    count.faults += 1
                    count.alarmed += bool(answer.alarms)
                    count.leading += leads_to_it(verdict, tool, answer)
                else:
                    count.healthy += 1
                    count.false_alarms += bool(answer.alarms)
    return dict(counts)


def commonest(verdicts: Sequence[Verdict], codes: Callable[[Verdict], list[str]]) -> str:
    """What was said first, by how often; `-`: nothing."""
    counted = Counter((codes(verdict) or ["-"])[0] for verdict in verdicts)
    return ", ".join(f"{code} {count}" if len(counted) > 1 else code for code, count in counted.most_common(3))
