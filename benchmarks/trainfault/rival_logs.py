"""Logs whose truth is known, as trainctl and the rival tools judge them, side by side.

    python -m benchmarks.trainfault.rival_logs LOGS TRUTH.csv [--python RIVALS/bin/python] [--each]

TRUTH.csv has the columns `log` (a file or folder in LOGS) and `families` (words of `rival_labels.FAMILIES`; none: the
training is healthy). A faulty log counts as hit where a label makes one of its families plausible, a healthy one as
accused where there is any alarm, that is a warning or an error in the tool's own words.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.trainfault.rival_labels import Families, families
from benchmarks.trainfault.rivals import Grade, Label, Rivals
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.finding import Severity
from trainctl.engine.diagnosis.logs.evidence import read_log_evidence
from trainctl.engine.errors import UserError

OURS = "trainctl"
GRADES = {Severity.ERROR: Grade.ERROR, Severity.WARNING: Grade.WARNING, Severity.INFO: Grade.INFO}


@dataclass(frozen=True)
class Judged:
    """One log, its truth and what each tool says of it."""

    log: str
    families: Families
    """Empty: it is healthy."""
    labels: Mapping[str, Sequence[Label]]

    def is_hit(self, tool: str, *, of_alarms: bool) -> bool:
        """Whether a label of the tool makes the truth plausible; `of_alarms`: information does not count."""
        told = (label for label in self.labels.get(tool, ()) if label.is_alarm or not of_alarms)
        return any(label.families & self.families for label in told)

    def is_accused(self, tool: str) -> bool:
        """Whether the tool raises any alarm."""
        return any(label.is_alarm for label in self.labels.get(tool, ()))

    def is_unjudged(self, tool: str) -> bool:
        """Whether the tool says that it cannot judge the log, or fails over it."""
        labels = self.labels.get(tool, ())
        return bool(labels) and all(label.grade is Grade.UNJUDGED for label in labels)


def our_labels(log: Path) -> list[Label]:
    """What `trainctl diagnose LOG` finds; of a log that it refuses to read one label, that it could not judge."""
    try:
        report = diagnose(read_log_evidence(str(log)))
    except UserError as err:
        return [Label(OURS, str(err), Grade.UNJUDGED)]
    return [Label(OURS, found.code, GRADES[found.severity]) for found in report.findings]


def read_truth(path: Path) -> dict[str, Families]:
    """The families of each log.

    Raises:
        ValueError: a word that is no family.
    """
    with path.open(encoding="utf-8", newline="") as file:
        return {row["log"]: families(row["families"]) for row in csv.DictReader(file)}


def judge_all(folder: Path, truth: Mapping[str, Families], rivals: Rivals) -> list[Judged]:
    """Every log of the truth, asked of every tool. One that our readers cannot read is read by none."""
    judged: list[Judged] = []
    for name, wrong in truth.items():
        labels: dict[str, Sequence[Label]] = {OURS: our_labels(folder / name)}
        try:
            labels |= rivals.judge_log(folder / name)
        except UserError as err:
            labels |= {tool: [Label(tool, str(err), Grade.UNJUDGED)] for tool in rivals.versions}
        judged.append(Judged(name, wrong, labels))
    return judged


def table(judged: Sequence[Judged], versions: Mapping[str, str]) -> list[str]:
    """How often each tool is right, and how often it accuses the healthy, as lines of Markdown."""
    faulty = [one for one in judged if one.families]
    healthy = [one for one in judged if not one.families]
    lines = [
        f"| tool | plausible alarm, of {len(faulty)} faulty | plausible label, information too | any alarm on them "
        f"| any alarm on {len(healthy)} healthy | cannot judge, of {len(judged)} |",
        "|---|---|---|---|---|---|",
    ]
    for tool, version in {OURS: "", **versions}.items():
        counts = (
            sum(one.is_hit(tool, of_alarms=True) for one in faulty),
            sum(one.is_hit(tool, of_alarms=False) for one in faulty),
            sum(one.is_accused(tool) for one in faulty),
            sum(one.is_accused(tool) for one in healthy),
            sum(one.is_unjudged(tool) for one in judged),
        )
        lines.append(f"| {f'{tool} {version}'.strip()} | {' | '.join(map(str, counts))} |")
    return lines


def each(judged: Sequence[Judged]) -> list[str]:
    """What each tool says of each log, in lines; `*` marks what makes the truth plausible."""
    lines: list[str] = []
    for one in judged:
        lines.append(f"{one.log}: {' '.join(sorted(one.families)) or 'healthy'}")
        for tool, labels in one.labels.items():
            told = [f"{label.code} ({label.grade}){'*' * bool(label.families & one.families)}" for label in labels]
            lines += [f"  {tool}: {', '.join(told)}"] if told else []
    return lines


def main() -> None:
    """Judge the logs of a folder."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("logs", type=Path)
    options.add_argument("truth", type=Path)
    options.add_argument("--python", default="", help="interpreter that has the rival tools")
    options.add_argument("--each", action="store_true", help="every label of every log, too")
    chosen = options.parse_args()
    with Rivals(chosen.python) as rivals:
        judged = judge_all(chosen.logs, read_truth(chosen.truth), rivals)
        if chosen.each:
            print("\n".join(each(judged)), end="\n\n")
        print("\n".join(table(judged, rivals.versions)))


if __name__ == "__main__":
    main()
