"""From a key to what it changes on the screen, while a run writes 1,000 steps a second and every panel is live.

The key switches the axis of the loss panel; the clock stops when the changed heading has arrived in the terminal. The
pauses between keys are irregular, so that they meet the refreshes at every phase. Beside it a key of the least that
Textual can do, which has nothing else to draw.

Usage: python -m benchmarks.cockpit.keys [--quick] [--json]
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.cockpit.figures import Figure, Script, run_scripts
from benchmarks.cockpit.programs import LINEAR, LOG, MINIMAL, PANELS, cockpit, writer
from benchmarks.cockpit.terminal import Terminal

KEY = "y"
LIMIT_MS = 50.0
SETTLE_S = 2.0
PAUSES_S = (0.03, 0.35)


def measure(presses: int, steps_per_s: int, history: int) -> list[Figure]:
    """Press the key so often in the cockpit and in the minimal app."""
    with tempfile.TemporaryDirectory(prefix="trainctl-bench-") as folder:
        run = Path(folder) / "run"
        with writer(run, steps_per_s, history), Terminal(cockpit(run)) as terminal:
            terminal.wait_for(PANELS)
            terminal.drain(SETTLE_S)
            ours = _press(terminal, presses)
    with Terminal(MINIMAL) as terminal:
        terminal.wait_for(LINEAR)
        terminal.drain(SETTLE_S)
        minimal = _press(terminal, presses)
    return [*_figures("minimal app", minimal), *_figures("cockpit", ours, minimal)]


def _press(terminal: Terminal, presses: int) -> list[float]:
    """Milliseconds of each key; the heading is linear before the first one."""
    pauses, taken_ms = random.Random(0), list[float]()
    for k in range(presses):
        terminal.drain(pauses.uniform(*PAUSES_S))
        pressed = terminal.press(KEY)
        shown = terminal.wait_for(LINEAR if k % 2 else LOG)
        taken_ms.append(1e3 * (shown - pressed))
    return taken_ms


def _figures(who: str, taken_ms: Sequence[float], baseline: Sequence[float] = ()) -> list[Figure]:
    figures: list[Figure] = []
    for name, percentile, limit in (("p50", 50, None), ("p99", 99, LIMIT_MS), ("max", 100, None)):
        value = float(np.percentile(taken_ms, percentile))
        ratio = value / float(np.percentile(baseline, percentile)) if baseline else None
        limit = limit if baseline else None
        figures.append(
            Figure(f"{who}, {name} of {len(taken_ms)}", value, "ms", None, None, limit, ratio, "minimal app")
        )
    return figures


SCRIPT = Script(
    "keys",
    "from a key to what it changes, at 1,000 steps/s",
    measure,
    {"presses": 400, "steps_per_s": 1000, "history": 50_000},
    {"presses": 60, "steps_per_s": 1000, "history": 50_000},
)

if __name__ == "__main__":
    run_scripts([SCRIPT], __doc__)
