"""How long `trainctl diagnose` takes before a training, and with what: each preset in a process of its own.

`first` is with an empty folder for what trainctl keeps for speed, as after an installation: built-in pictures are made
anew. All else is of the processes after it, whose median is shown: seconds on the clock and, in parentheses, of
processor time, which other work on the machine changes little. `start` is Python, its imports and the configuration;
`end` the judgement and the report.

Usage: python -m benchmarks.preflight [PRESET ...] [--rounds N] [--threads N] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.cockpit.usage import cpu_s
from benchmarks.report import RESULTS, headline, machine
from trainctl.engine.config.presets import preset_names
from trainctl.tui.cli.live.diagnosis_progress import MEASURED

CLI = "import sys; from trainctl.tui.cli.main import main; sys.exit(main())"
DIGITS = Path(__file__).resolve().parents[1] / "docs" / "examples" / "digits.py"
START, END = "start", "end"
PARTS = (START, "training data", *MEASURED, END)
FOUND_ERRORS = 3


@dataclass(frozen=True)
class Took:
    """Seconds."""

    wall: float
    cpu: float

    def __sub__(self, other: Took) -> Took:
        return Took(self.wall - other.wall, self.cpu - other.cpu)


@dataclass
class Diagnosis:
    """One process."""

    total: Took
    parts: dict[str, Took] = field(default_factory=dict[str, Took])
    """What it did, in its order."""
    report: str = ""
    """What it printed."""


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", help="presets, or digits (default: all, and digits)")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each after the first")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads (default: OMP_NUM_THREADS is unset)")
    parser.add_argument("--keep", type=Path, default=None, help="folder for the reports, to compare their findings")
    options = parser.parse_args(argv)
    about = machine()
    headline("diagnosis before training, each in a fresh process", about)
    found: dict[str, list[Diagnosis]] = {}
    with tempfile.TemporaryDirectory(prefix="trainctl-bench-") as folder:
        environment = _environment(Path(folder), options.threads)
        for name in options.presets or ["digits", *preset_names()]:
            found[name] = [_diagnose(name, environment, Path(folder)) for _ in range(1 + options.rounds)]
            _print(name, found[name], is_first=len(found) == 1)
            if options.keep is not None:
                options.keep.mkdir(parents=True, exist_ok=True)
                file = options.keep / f"{name.replace('/', '-')}.json"
                file.write_text(found[name][-1].report, encoding="utf-8")
    print(f"   load at the end: {os.getloadavg()[0]:.2f}")
    RESULTS.mkdir(exist_ok=True)
    kept = {name: [{"total": asdict(one.total), "parts": _plain(one)} for one in each] for name, each in found.items()}
    content = {"benchmark": "preflight", "machine": about, "load": os.getloadavg()[0], "diagnoses": kept}
    (RESULTS / "preflight-cpu.json").write_text(json.dumps(content, indent=1) + "\n")


def _plain(one: Diagnosis) -> dict[str, dict[str, float]]:
    return {part: asdict(took) for part, took in one.parts.items()}


def _environment(folder: Path, threads: int | None) -> dict[str, str]:
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    environment.pop("OMP_NUM_THREADS", None)
    return environment if threads is None else environment | {"OMP_NUM_THREADS": str(threads)}


def _diagnose(name: str, environment: dict[str, str], folder: Path) -> Diagnosis:
    """Run it once, and note when it says what it works on next.

    Raises:
        RuntimeError: it failed.
    """
    wanted = ["--task", f"{DIGITS}:Digits"] if name == "digits" else ["--preset", name]
    argv = [sys.executable, "-c", CLI, "diagnose", *wanted, "--device", "cpu", "--json", "--progress"]
    output = folder / "report.json"
    with output.open("w") as file:
        started = time.perf_counter()
        process = subprocess.Popen(argv, stdout=file, stderr=subprocess.PIPE, text=True, env=environment, cwd=folder)
        assert process.stderr is not None
        marks, said = [(START, Took(0.0, 0.0))], ""
        for line in process.stderr:
            now = Took(time.perf_counter() - started, cpu_s(process.pid, with_children=True))
            said = line
            event = json.loads(line) if line.startswith("{") else {}
            if event.get("event") == "work":
                marks.append((event["part"], now))
            elif event.get("event") == "report":
                marks.append((END, now))
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stderr.close()
        total = Took(time.perf_counter() - started, usage.ru_utime + usage.ru_stime)
    if process.returncode not in (0, FOUND_ERRORS):
        raise RuntimeError(f"the diagnosis of {name} failed ({process.returncode}): {said}")
    ends = [at for _, at in marks[1:]] + [total]
    parts = {part: end - begun for (part, begun), end in zip(marks, ends, strict=True)}
    return Diagnosis(total, parts, output.read_text())


def _print(name: str, each: Sequence[Diagnosis], *, is_first: bool) -> None:
    first, later = each[0], each[1:] or each
    if is_first:
        heads = ["first", "total", *(part.removeprefix("training ") for part in PARTS)]
        print(f"   {'':22}" + "".join(f"{head:>13}" for head in heads))
    shown = [_words([first.total]), _words([one.total for one in later])]
    shown += [_words([one.parts[part] for one in later if part in one.parts]) for part in PARTS]
    print(f"   {name:22}" + "".join(f"{words:>13}" for words in shown), flush=True)


def _words(each: Sequence[Took]) -> str:
    """The medians; where there is nothing, the time was up before it."""
    if not each:
        return "-"
    return f"{statistics.median(one.wall for one in each):.1f} ({statistics.median(one.cpu for one in each):.1f})"


if __name__ == "__main__":
    main()
