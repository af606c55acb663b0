"""Opening a finished run of 10 million steps, and one of 1 million steps with twelve curves.

The last steps have a loss of their own, so the clock stops when the legend shows it. A progressive reader could show
it early: `quiet` is when the process has stopped computing (less than 20 % of a core over half a second).

Usage: python -m benchmarks.cockpit.long_run [--quick] [--json]
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.cockpit.figures import Figure, Script, of_samples, run_scripts
from benchmarks.cockpit.programs import LINEAR, MINIMAL, PANELS, cockpit
from benchmarks.cockpit.records import EYES, LAST_SHOWN, TWELVE, finished_run
from benchmarks.cockpit.terminal import Terminal
from benchmarks.cockpit.usage import Memory, busy_s, cpu_s, memory
from trainctl.engine.runs.record import RecordLayout

LIMIT_S, LIMIT_MB = 1.0, 250.0
PATIENCE_S = 300.0
QUIET_WINDOW_S, QUIET_SHARE = 0.5, 0.2


def measure(rounds: int, steps: int, peers_steps: int) -> list[Figure]:
    """Open each run `rounds` times; a first time, in which the files come into the page cache, is not counted."""
    with Terminal(MINIMAL) as terminal:
        terminal.wait_for(LINEAR)
        terminal.drain(0.5)
        least = memory(terminal.pid)
    figures = [Figure("minimal Textual app, resident", least.resident, "MB")]
    for name, count, layout in ((f"{steps} steps", steps, EYES), (f"{peers_steps} x 12", peers_steps, TWELVE)):
        with tempfile.TemporaryDirectory(prefix="trainctl-bench-") as folder:
            figures += _open(name, Path(folder) / "run", count, layout, rounds, least)
    return figures


def _open(name: str, root: Path, steps: int, layout: RecordLayout, rounds: int, least: Memory) -> list[Figure]:
    run = finished_run(root, steps, layout)
    taken = [_once(run) for _ in range(rounds + 1)][1:]
    panels, loaded, busy, quiet = ([once[k] for once, _ in taken] for k in range(4))
    memories = [found for _, found in taken]
    floor = [least.resident]
    return [
        of_samples(f"{name}: first paint", panels, "s"),
        of_samples(f"{name}: last step shown", loaded, "s", LIMIT_S),
        of_samples(f"{name}:   of this, on a processor", busy, "s"),
        of_samples(f"{name}: quiet", quiet, "s"),
        of_samples(f"{name}: resident", [m.resident for m in memories], "MB", LIMIT_MB, floor, "minimal app"),
        of_samples(f"{name}: proportional", [m.proportional for m in memories], "MB"),
        of_samples(f"{name}: anonymous", [m.anonymous for m in memories], "MB"),
    ]


def _once(run: Path) -> tuple[tuple[float, ...], Memory]:
    """Seconds to the first paint, to the last step, of this on a processor, until quiet; and the memory then."""
    with Terminal(cockpit(run)) as terminal:
        panels = terminal.wait_for(PANELS) - terminal.started
        loaded = terminal.wait_for(LAST_SHOWN, PATIENCE_S) - terminal.started
        busy = busy_s(terminal.pid)
        quiet = _until_quiet(terminal) - terminal.started
        return (panels, loaded, busy, quiet), memory(terminal.pid)


def _until_quiet(terminal: Terminal) -> float:
    """The beginning of the first window in which the process computes little."""
    limit = time.perf_counter() + PATIENCE_S
    while (now := time.perf_counter()) < limit:
        before = cpu_s(terminal.pid)
        terminal.drain(QUIET_WINDOW_S)
        if cpu_s(terminal.pid) - before < QUIET_SHARE * QUIET_WINDOW_S:
            return now
    raise RuntimeError("the cockpit does not come to rest")


SCRIPT = Script(
    "long_run",
    "opening a finished run",
    measure,
    {"rounds": 5, "steps": 10_000_000, "peers_steps": 1_000_000},
    {"rounds": 1, "steps": 1_000_000, "peers_steps": 100_000},
)

if __name__ == "__main__":
    run_scripts([SCRIPT], __doc__)
