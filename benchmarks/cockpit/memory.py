"""Whether memory grows while a run is watched: from nothing to a million steps, written while the cockpit is attached.

They are written 20 times as fast as in the other benchmarks, to be done in a minute.

Usage: python -m benchmarks.cockpit.memory [--quick] [--json]
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.cockpit.figures import Figure, Script, run_scripts
from benchmarks.cockpit.programs import PANELS, cockpit, writer
from benchmarks.cockpit.records import EYES
from benchmarks.cockpit.terminal import Terminal
from benchmarks.cockpit.usage import memory

LIMIT_MB_PER_MILLION = 5.0
"""What counts as flat: a run of 10 million steps then still fits with room to spare."""
SAMPLE_S = 0.5
SETTLE_S = 2.0


def measure(steps: int, steps_per_s: int) -> list[Figure]:
    """Watch a run take so many steps."""
    with tempfile.TemporaryDirectory(prefix="trainctl-bench-") as folder:
        run = Path(folder) / "run"
        with writer(run, steps_per_s, limit=steps), Terminal(cockpit(run)) as terminal:
            terminal.wait_for(PANELS)
            samples = [(0.0, memory(terminal.pid).resident)]
            while samples[-1][0] < steps:
                terminal.drain(SAMPLE_S)
                samples.append((_steps(run), memory(terminal.pid).resident))
            terminal.drain(SETTLE_S)
            end = memory(terminal.pid)
    return _figures(np.array([*samples, (steps, end.resident)]), end.anonymous)


def _figures(samples: np.ndarray, anonymous: float) -> list[Figure]:
    at, resident = samples[:, 0], samples[:, 1]
    last, tenth = at[-1], at[-1] / 10
    late = at >= last / 2  # before, its buffers are still being made
    slope = float(np.polyfit(at[late] / 1e6, resident[late], 1)[0])
    return [
        Figure("resident at the first paint", resident[0], "MB"),
        Figure(f"resident at {tenth:.0f} live steps", float(np.interp(tenth, at, resident)), "MB"),
        Figure(
            f"resident at {last:.0f} live steps", resident[-1], "MB", ratio=resident[-1] / resident[0], versus="start"
        ),
        Figure("anonymous at the end", anonymous, "MB"),
        Figure(f"slope from {last / 2:.0f} steps on", slope, "MB/million", limit=LIMIT_MB_PER_MILLION),
    ]


def _steps(run: Path) -> float:
    return (run / "steps.bin").stat().st_size / EYES.dtype.itemsize


SCRIPT = Script(
    "memory",
    "of a cockpit attached to a live run",
    measure,
    {"steps": 1_000_000, "steps_per_s": 20_000},
    {"steps": 200_000, "steps_per_s": 20_000},
)

if __name__ == "__main__":
    run_scripts([SCRIPT], __doc__)
