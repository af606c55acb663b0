"""From `?` to the help and from `ctrl+p` to the palette, and back, over a run of 60 terms, 200 classes and 40 metrics.

Beside it the same over the usual run: what a dialog takes must not depend on what is behind it.

Usage: python -m benchmarks.cockpit.dialogs [--quick] [--json]
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.cockpit.figures import Figure, Script, run_scripts
from benchmarks.cockpit.programs import PANELS, cockpit, writer
from benchmarks.cockpit.terminal import Terminal

DIALOGS = (("help", "?", rb"Acting on the run"), ("palette", "\x10", rb"earch for commands"))
ESCAPE = "\x1b"
LIMIT_MS = 100.0
STEPS_PER_S, HISTORY = 100, 30_000
SETTLE_S = 3.0
PAUSES_S = (0.2, 0.6)


def measure(presses: int) -> list[Figure]:
    """Open and close each so often."""
    taken = {is_wide: _of(presses, is_wide=is_wide) for is_wide in (False, True)}
    figures: list[Figure] = []
    for name in taken[True]:
        usual, wide = taken[False][name], taken[True][name]
        for word, percentile in (("p50", 50), ("max", 100)):
            value, base = (float(np.percentile(ms, percentile)) for ms in (wide, usual))
            limit = LIMIT_MS if percentile == 100 else None
            label = f"{name}, {word} of {len(wide)}"
            figures.append(Figure(label, value, "ms", None, None, limit, value / base, "usual run"))
    return figures


def _of(presses: int, *, is_wide: bool) -> dict[str, list[float]]:
    with tempfile.TemporaryDirectory(prefix="trainctl-bench-") as folder:
        run = Path(folder) / "run"
        with writer(run, STEPS_PER_S, HISTORY, is_wide=is_wide), Terminal(cockpit(run)) as terminal:
            terminal.wait_for(PANELS)
            terminal.drain(SETTLE_S)
            return _press(terminal, presses)


def _press(terminal: Terminal, presses: int) -> dict[str, list[float]]:
    """Milliseconds to each dialog and back to the panels."""
    pauses, taken_ms = random.Random(0), dict[str, list[float]]()
    for _ in range(presses):
        for name, key, shown in DIALOGS:
            for label, pressed, wanted in ((name, key, shown), (f"{name} closed", ESCAPE, PANELS)):
                terminal.drain(pauses.uniform(*PAUSES_S))
                began = terminal.press(pressed)
                taken_ms.setdefault(label, []).append(1e3 * (terminal.wait_for(wanted) - began))
    return taken_ms


SCRIPT = Script(
    "dialogs",
    "from a key to a dialog over very many terms, classes and metrics",
    measure,
    {"presses": 30},
    {"presses": 8},
)

if __name__ == "__main__":
    run_scripts([SCRIPT], __doc__)
