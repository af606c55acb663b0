"""What was said of each trial, held against the truth. Reads what the stages kept; trains and judges nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from benchmarks.trainfault.cases import Case, all_cases
from benchmarks.trainfault.damage import Usual, harms, usual
from benchmarks.trainfault.judging import read_judged
from benchmarks.trainfault.plan import Selection, trials
from benchmarks.trainfault.trial import Result, Trial, read_result

TOP = 3


@dataclass(frozen=True)
class Verdict:
    """What was said of one trial."""

    trial: Trial
    result: Result
    told: Mapping[str, Any]

    @property
    def case(self) -> Case:
        """What is planted."""
        return all_cases()[self.trial.case]

    def grave(self, path: str) -> list[str]:
        """Codes of warnings and errors on one path, the first cause first; of hints none."""
        found: Sequence[Mapping[str, Any]] = self.told[path]["findings"]
        return [each["code"] for each in found if each["severity"] != "info" and each["confidence"] != "hint"]

    def causes(self, path: str) -> list[str]:
        """Those that are no consequence of another."""
        found: Sequence[Mapping[str, Any]] = self.told[path]["findings"]
        lone = {each["code"] for each in found if each["consequence_of"] is None}
        return [code for code in self.grave(path) if code in lone]

    def order(self, path: str) -> list[str]:
        """Codes in the order in which a user meets them: on `all` paths before training first, then of the run."""
        if path != "all":
            return self.grave(path)
        return list(dict.fromkeys([*self.grave("preflight"), *self.grave("records")]))

    @cached_property
    def is_refused(self) -> bool:
        """Whether the training was refused with words that name the cause."""
        return bool(self.trial.case and self.case.refusal and self.case.refusal in self.result.reason)

    def speaks(self, path: str = "all") -> bool:
        """Whether there was any warning or error."""
        return self.is_refused or bool(self.order(path))

    def is_detected(self, path: str = "all") -> bool:
        """Whether a warning or error leads to the cause."""
        return self.is_refused or bool(self.case.near & set(self.order(path)))

    def is_first(self, path: str = "all") -> bool:
        """Whether the first of all causes is the true one."""
        return self.is_refused or bool(self.case.cause & set(self.order(path)[:1]))

    def is_among(self, path: str = "all") -> bool:
        """Whether one of the first three leads to the cause."""
        return self.is_refused or bool(self.case.near & set(self.order(path)[:TOP]))

    def first_step(self) -> int | None:
        """Steps until a warning or error led to the cause; 0: before training; none: never while it went on."""
        if self.is_refused or self.is_detected("preflight"):
            return 0
        return next((step for step, codes in self.told["live"] if self.case.near & set(codes)), None)


@dataclass(frozen=True)
class Collection:
    """All that is known."""

    usual: Mapping[str, Usual]
    faults: Sequence[Verdict]
    """Of faults that harm their host."""
    harmless: Sequence[tuple[str, str]]
    """Host and case of faults that do not."""
    healthy: Sequence[Verdict]
    """Healthy trainings."""
    spoilt: Sequence[tuple[str, str]]
    """Host and case of traps whose result is worse, which therefore do not count as healthy."""
    harm: Mapping[tuple[str, str], str]
    """How a fault harms a host."""
    waiting: int
    """Trials that were not trained or judged yet."""


def collect(selection: Selection) -> Collection:
    """Read everything that the stages kept."""
    verdicts: dict[tuple[str, str, int], Verdict] = {}
    waiting = 0
    by_case: defaultdict[tuple[str, str], list[Result]] = defaultdict(list)
    for trial in trials(selection):
        folder = trial.folder(selection.root)
        result, told = read_result(folder), read_judged(folder)
        if result is None:
            waiting += 1
            continue
        key = (trial.host, trial.case, trial.seed)
        by_case[key[:2]].append(result)
        if told is None:
            waiting += 1
            continue
        verdicts[key] = Verdict(trial, result, told)
    hosts = {host: usual(host, found) for (host, case), found in by_case.items() if not case and len(found) > 1}
    harm = {key: harms(hosts[key[0]], found) for key, found in by_case.items() if key[0] in hosts}
    return _sorted(hosts, harm, verdicts, waiting)


def _sorted(
    hosts: Mapping[str, Usual],
    harm: Mapping[tuple[str, str], str],
    verdicts: Mapping[tuple[str, str, int], Verdict],
    waiting: int,
) -> Collection:
    cases = all_cases()
    harmless = [key for key, how in harm.items() if key[1] and cases[key[1]].is_fault and not how]
    spoilt = [key for key, how in harm.items() if key[1] and not cases[key[1]].is_fault and how]
    faults, healthy = [], []
    for (host, case, _), verdict in verdicts.items():
        if case and cases[case].is_fault:
            if harm.get((host, case)):
                faults.append(verdict)
        elif not case or not harm.get((host, case)):
            healthy.append(verdict)
    return Collection(hosts, faults, harmless, healthy, spoilt, harm, waiting)
