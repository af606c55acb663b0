"""What share of a core the cockpit takes while a run writes 1,000 steps a second, and beside a finished run.

Compared with an app of Textual that does nothing but repaint the whole screen four times a second.

Usage: python -m benchmarks.cockpit.cpu [--quick] [--json]
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.cockpit.figures import Figure, Script, of_samples, run_scripts
from benchmarks.cockpit.programs import LINEAR, MINIMAL, PANELS, cockpit, writer
from benchmarks.cockpit.records import LAST_SHOWN, finished_run
from benchmarks.cockpit.terminal import Terminal
from benchmarks.cockpit.usage import cpu_s

LIMIT_PERCENT = 10.0
UNIT = "% of a core"


def measure(windows: int, window_s: float, settle_s: float, steps_per_s: int, history: int) -> list[Figure]:
    """Watch each for so many windows of so many seconds, after `settle_s`."""
    with tempfile.TemporaryDirectory(prefix="trainctl-bench-") as folder:
        live, finished = Path(folder) / "live", finished_run(Path(folder) / "finished", history)
        with Terminal([*MINIMAL, "repaint"]) as terminal:
            terminal.wait_for(LINEAR)
            floor, floor_bytes = _watch(terminal, windows, window_s, settle_s)
        with writer(live, steps_per_s, history), Terminal(cockpit(live)) as terminal:
            terminal.wait_for(PANELS)
            busy, busy_bytes = _watch(terminal, windows, window_s, settle_s)
        with Terminal(cockpit(finished)) as terminal:
            terminal.wait_for(LAST_SHOWN)
            idle, idle_bytes = _watch(terminal, windows, window_s, settle_s)
    return [
        of_samples("repainting Textual app", floor, UNIT),
        of_samples(f"cockpit, {steps_per_s} steps/s", busy, UNIT, LIMIT_PERCENT, floor, "repainting"),
        of_samples("cockpit, finished run", idle, UNIT, None, floor, "repainting"),
        Figure("  to the terminal, repainting", floor_bytes, "kB/s"),
        Figure("  to the terminal, live", busy_bytes, "kB/s"),
        Figure("  to the terminal, finished run", idle_bytes, "kB/s"),
    ]


def _watch(terminal: Terminal, windows: int, window_s: float, settle_s: float) -> tuple[list[float], float]:
    """Percent of a core in each window, and kilobytes a second written to the terminal."""
    terminal.drain(settle_s)
    shares: list[float] = []
    count, started = 0, time.perf_counter()
    for _ in range(windows):
        before, since = cpu_s(terminal.pid), time.perf_counter()
        count += terminal.drain(window_s)
        shares.append(100 * (cpu_s(terminal.pid) - before) / (time.perf_counter() - since))
    return shares, count / (time.perf_counter() - started) / 1e3


SCRIPT = Script(
    "cpu",
    "share of a core while it is looked at",
    measure,
    {"windows": 8, "window_s": 4.0, "settle_s": 4.0, "steps_per_s": 1000, "history": 50_000},
    {"windows": 2, "window_s": 4.0, "settle_s": 3.0, "steps_per_s": 1000, "history": 50_000},
)

if __name__ == "__main__":
    run_scripts([SCRIPT], __doc__)
