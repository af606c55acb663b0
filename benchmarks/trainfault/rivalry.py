"""What other tools say of a trial, and what ours says of the same file: one CSV with the steps and, at the last step of
an epoch, the validation. Keeps the answers; `rivals.py` asks the tools.
"""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.trainfault.rival_labels import plausible
from benchmarks.trainfault.rivals import Grade, Rivals
from benchmarks.trainfault.verdicts import Verdict
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.finding import Confidence, Severity
from trainctl.engine.diagnosis.logs.evidence import read_log_evidence
from trainctl.engine.errors import UserError
from trainctl.engine.runs.export.export import export_run
from trainctl.engine.runs.layout import RunPaths

ANSWERS = "rivals.json"
OURS = "trainctl"
ALARMS = frozenset({Grade.ERROR, Grade.WARNING})
PRINTED = {"step": "step", "epoch": "epoch", "loss": "loss", "lr": "lr[0]", "grad_norm": "grad_norm"}
"""What any training prints, by its name in our export; the rest of a record is our own."""


@dataclass(frozen=True)
class Answer:
    """What one tool says of one trial."""

    alarms: tuple[str, ...]
    """Its warnings and errors, by their labels."""
    could_judge: bool


def ask(rivals: Rivals, folder: Path) -> dict[str, Answer]:
    """Ask every tool, unless that was done, and ours anew: its rules may have changed since. A trial without a step has
    no answers."""
    kept = folder / ANSWERS
    known: dict[str, Any] | None = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else None
    kept.write_text(json.dumps(_asked(rivals, RunPaths(folder / "run"), known)), encoding="utf-8")
    return read_answers(folder) or {}


def read_answers(folder: Path) -> dict[str, Answer] | None:
    """What was answered; none: nobody asked."""
    path = folder / ANSWERS
    if not path.exists():
        return None
    plain: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return {tool: Answer(tuple(answer["alarms"]), bool(answer["could_judge"])) for tool, answer in plain.items()}


def leads_to_it(verdict: Verdict, tool: str, answer: Answer) -> bool:
    """Whether an alarm makes a kind of fault plausible that a code of the truth does too."""
    if tool == OURS:
        return bool(verdict.case.near & set(answer.alarms))
    wanted = frozenset().union(*(plausible(OURS, code) for code in verdict.case.near))
    return any(wanted & plausible(tool, label) for label in answer.alarms)


def _asked(rivals: Rivals, paths: RunPaths, known: dict[str, Any] | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        try:
            log = merged_log(paths, Path(name))
        except UserError:
            return {}
        found: dict[str, Any] = {**(known or {}), OURS: {"alarms": _ours(log), "could_judge": True}}
        if known:
            return found
        for tool, labels in rivals.judge_log(log).items():
            alarms = [label.code for label in labels if label.grade in ALARMS]
            judged = not any(label.grade is Grade.UNJUDGED for label in labels)
            found[tool] = {"alarms": alarms, "could_judge": judged}
    return found


def _ours(log: Path) -> Sequence[str]:
    try:
        report = diagnose(read_log_evidence(str(log)))
    except UserError:
        return []
    told = [each for each in report.findings if each.confidence is not Confidence.HINT]
    return [each.code for each in told if each.severity is not Severity.INFO]


def merged_log(paths: RunPaths, folder: Path) -> Path:
    """Write steps and validations as one table.

    Raises:
        UserError: the run has no step.
    """
    steps, *others = export_run(paths, "csv", folder / "steps.csv")
    validated = [path for path in others if ".validation" in path.suffixes]
    validations = {row["step"]: row for path in validated for row in _rows(path) if row["weights"] == "raw"}
    names = [name for name in next(iter(validations.values()), {}) if name not in NOT_MEASURED]
    out = folder / "log.csv"
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*PRINTED, *(f"val_{name}" for name in names)])
        for row in _rows(steps):
            validation = validations.get(row["step"], {})
            writer.writerow([*(row[name] for name in PRINTED.values()), *(validation.get(name, "") for name in names)])
    return out


NOT_MEASURED = frozenset({"step", "epoch", "time", "weights", "best", "after"})


def _rows(path: Path) -> Sequence[Mapping[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
