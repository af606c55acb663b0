"""Faults planted into programs that are not ours, recorded with a few lines or with none: what the diagnosis says.

Usage: python -m benchmarks.foreign_faults [--programs NAME ...] [--faults NAME ...] [--ways lines none] [--again]

Trains what has no result yet in the folder of results (`--again`: judges only, under the rules of today), prints a line
for each training and then the table of docs/watch.md. Programs whose packages are not installed are named.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.finding import Report, Severity
from trainctl.engine.diagnosis.records.evidence import read_evidence
from trainctl.engine.errors import UserError
from trainctl.engine.runs.layout import RunPaths

PROGRAMS = Path(__file__).parents[1] / "tests" / "adapters" / "programs"
NEEDS = {"char_gpt": "torch", "digits_cnn": "sklearn", "vae": "sklearn", "hf_trainer": "transformers",
         "lightning_module": "lightning"}  # fmt: skip
HEALTHY = "-"
CAUSES = {
    "lr": ("O601",),
    "labels": ("L201",),
    "no_zero_grad": ("O612",),
    "frozen": ("G702",),
    "left_out": ("O613",),
    "sorted": ("D101", "D102"),
    "softmax": ("C303",),
    "evaluation": ("G713",),
}
"""Codes that name the cause of a fault."""
WAYS = {"lines": "with its lines", "none": "without a line"}


@dataclass(frozen=True)
class Trial:
    """A program with a fault, recorded in a way."""

    program: str
    fault: str
    way: str

    def folder(self, root: Path) -> Path:
        """Where it is kept."""
        return root / self.program / (self.fault if self.fault != HEALTHY else "healthy") / self.way


@dataclass(frozen=True)
class Told:
    """What was said of it."""

    trial: Trial
    verdict: str
    codes: tuple[str, ...]
    """Warnings and errors, the first cause first; information in brackets."""

    @property
    def is_right(self) -> bool:
        """Whether the first finding names the cause; of a healthy training: whether there is no warning."""
        if self.trial.fault == HEALTHY:
            return all(code.startswith("(") for code in self.codes)
        return bool(self.codes) and self.codes[0] in CAUSES[self.trial.fault]


def faults_of(program: str) -> tuple[str, ...]:
    """Those that a program can have, as it says itself; first none."""
    found = re.search(r"`--fault`: ([a-z_, ]+)", (PROGRAMS / f"{program}.py").read_text(encoding="utf-8"))
    return (HEALTHY, *(found[1].replace(" ", "").split(",") if found else ()))


def trials(programs: Sequence[str], faults: Sequence[str], ways: Sequence[str]) -> Iterator[Trial]:
    """Every training that is asked for."""
    for program in programs:
        for fault in faults_of(program):
            if not faults or fault in faults:
                yield from (Trial(program, fault, way) for way in ways)


def train(trial: Trial, folder: Path) -> None:
    """Run the program, as its user would."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(PROGRAMS / f"{trial.program}.py")]
    command += ["--fault", trial.fault] if trial.fault != HEALTHY else []
    runs = folder / "runs"
    if trial.way == "lines":
        command.append("--watch")
    else:
        command = [sys.executable, "-m", "trainctl.tui.cli.main", "run", "--runs-dir", str(runs), "--", *command]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "TRAINCTL_RUNS_DIR": str(runs)}
    with (folder / "said.txt").open("w", encoding="utf-8") as said:
        subprocess.run(command, cwd=folder, env=env, stdout=said, stderr=subprocess.STDOUT, check=False)


def run_in(folder: Path) -> RunPaths | None:
    """The run that a training left; None: it left none."""
    runs = folder / "runs"
    found = [path for path in runs.iterdir() if path.is_dir() and not path.is_symlink()] if runs.is_dir() else []
    return RunPaths(found[0]) if len(found) == 1 else None


def judge(trial: Trial, paths: RunPaths | None) -> Told:
    """What `trainctl diagnose RUN` says."""
    try:
        report = diagnose(read_evidence(paths)) if paths is not None else None
    except UserError as err:
        return Told(trial, str(err), ())
    return Told(trial, str(report.verdict), _codes(report)) if report is not None else Told(trial, "no run", ())


def _codes(report: Report) -> tuple[str, ...]:
    return tuple(one.code if one.severity is not Severity.INFO else f"({one.code})" for one in report.findings)


def table(told: Sequence[Told]) -> str:
    """The table of docs/watch.md: warnings and errors by program and fault, the first in bold where that is right."""
    ways = [way for way in WAYS if any(one.trial.way == way for one in told)]
    rows = [["program", "fault", *(WAYS[way] for way in ways)], ["---"] * (2 + len(ways))]
    for program, fault in dict.fromkeys((one.trial.program, one.trial.fault) for one in told):
        by_way = {one.trial.way: one for one in told if (one.trial.program, one.trial.fault) == (program, fault)}
        rows.append([program, fault if fault != HEALTHY else "none", *(_cell(by_way[way]) for way in ways)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(told: Told) -> str:
    grave = [code for code in told.codes if not code.startswith("(")]
    if grave and told.is_right:
        grave[0] = f"**{grave[0]}**"
    return " ".join(grave) or "nothing"


def main(argv: Sequence[str] | None = None) -> int:
    """Train, judge, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.foreign_faults", description=__doc__)
    parser.add_argument("--programs", nargs="+", choices=tuple(NEEDS), default=tuple(NEEDS))
    parser.add_argument("--faults", nargs="+", choices=(HEALTHY, *CAUSES), default=())
    parser.add_argument("--ways", nargs="+", choices=tuple(WAYS), default=tuple(WAYS))
    parser.add_argument("--results", type=Path, default=Path(".cache/foreign_faults"), help="folder of the trainings")
    parser.add_argument("--again", action="store_true", help="judge what was trained, train nothing")
    asked = parser.parse_args(argv)
    missing = [name for name in asked.programs if importlib.util.find_spec(NEEDS[name]) is None]
    told: list[Told] = []
    for trial in trials([name for name in asked.programs if name not in missing], asked.faults, asked.ways):
        folder, started = trial.folder(asked.results.resolve()), time.perf_counter()
        if run_in(folder) is None and not asked.again:
            train(trial, folder)
        told.append(judge(trial, run_in(folder)))
        mark = "right" if told[-1].is_right else "WRONG"
        say(f"{mark}  {trial.program} {trial.fault} {trial.way}: {told[-1].verdict}; {' '.join(told[-1].codes)}")
        say(f"       {time.perf_counter() - started:.1f} s")
    for name in missing:
        say(f"{name}: {NEEDS[name]} is not installed (make adapters)")
    say(table(told))
    return 0 if all(one.is_right for one in told) else 1


def say(text: str) -> None:
    """A line, at once."""
    print(text, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
