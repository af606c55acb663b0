"""How long until the cockpit is there: from the start of `trainctl ui RUN` to the panels, and to their data.

Beside it Python alone, and the first paint of the least that Textual can do. They take turns. The time on a processor
tells how much of it was waiting for a busy machine.

Usage: python -m benchmarks.cockpit.paint [--quick] [--json]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.cockpit.figures import Figure, Script, of_samples, run_scripts
from benchmarks.cockpit.programs import LINEAR, MINIMAL, PANELS, cockpit
from benchmarks.cockpit.records import LAST_SHOWN, finished_run
from benchmarks.cockpit.terminal import Terminal
from benchmarks.cockpit.usage import busy_s

LIMIT_S = 0.5


def measure(rounds: int, steps: int) -> list[Figure]:
    """Start each `rounds` times, on a finished run of `steps` steps; a first round is not counted."""
    python: list[float] = []
    minimal: list[float] = []
    panels: list[float] = []
    data: list[float] = []
    minimal_busy: list[float] = []
    busy: list[float] = []
    with tempfile.TemporaryDirectory(prefix="trainctl-bench-") as folder:
        run = finished_run(Path(folder) / "run", steps)
        for _ in range(rounds + 1):
            python.append(_python())
            with Terminal(MINIMAL) as terminal:
                minimal.append(terminal.wait_for(LINEAR) - terminal.started)
                minimal_busy.append(busy_s(terminal.pid))
            with Terminal(cockpit(run)) as terminal:
                panels.append(terminal.wait_for(PANELS) - terminal.started)
                busy.append(busy_s(terminal.pid))
                data.append(terminal.wait_for(LAST_SHOWN) - terminal.started)
    return [
        of_samples("python alone", python[1:], "s"),
        of_samples("minimal Textual app, first paint", minimal[1:], "s"),
        of_samples("trainctl ui, first paint", panels[1:], "s", LIMIT_S, minimal[1:], "minimal app"),
        of_samples("  of this, on a processor", busy[1:], "s", None, minimal_busy[1:], "minimal app"),
        of_samples(f"trainctl ui, {steps} steps shown", data[1:], "s", None, minimal[1:], "minimal app"),
    ]


def _python() -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - started


SCRIPT = Script(
    "paint",
    "from the start of the program to what it shows",
    measure,
    {"rounds": 15, "steps": 20_000},
    {"rounds": 3, "steps": 20_000},
)

if __name__ == "__main__":
    run_scripts([SCRIPT], __doc__)
