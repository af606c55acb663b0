"""The list of a thousand runs, one of which goes on: how soon it is there, how fast it obeys, what keeping it costs.

Keys: `down` moves the cursor, on which the preview follows; `i` sorts all rows the other way round. They are pressed at
irregular moments, so that they meet the looks at the folder at every phase. The cost of a look is the processor time of
the whole process over some seconds without a key, by the looks in it.

Usage: python -m benchmarks.cockpit.runs_list [--quick] [--json]
"""

from __future__ import annotations

import json
import random
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.cockpit.figures import Figure, Script, of_samples, run_scripts
from benchmarks.cockpit.programs import COCKPIT, LINEAR, MINIMAL, writer
from benchmarks.cockpit.records import finished_run
from benchmarks.cockpit.terminal import Terminal
from benchmarks.cockpit.usage import busy_s, memory
from trainctl.tui.screens.listing import PERIOD_S

DOWN, INVERT = "\x1b[B", "i"
LIMIT_S, LIMIT_MS = 0.5, 50.0
SETTLE_S = 4.0
PAUSES_S = (0.03, 0.35)
APART_S = 600


def make_runs(folder: Path, number: int, steps: int) -> list[str]:
    """As many finished runs, copies of one with names, times and results of their own; their ids, newest first."""
    first, now, chance = finished_run(folder / "first", steps), time.time(), random.Random(0)
    ids = [f"{k:04x}" for k in range(number)]
    for k, identity in enumerate(ids):
        started = now - 3600 - k * APART_S
        date = time.strftime("%Y%m%d-%H%M%S", time.localtime(started))
        root = shutil.copytree(first, folder / f"{date}-eyes-balanced-{identity}")
        for name, changes in (
            ("meta.json", {"started": started}),
            ("status.json", {"started": started, "heartbeat": started + 300}),
            ("summary.json", {"best": {"metric": "f1", "value": chance.uniform(0.5, 1), "epoch": 1}}),
        ):
            path = root / name
            path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    shutil.rmtree(first)
    return ids


def measure(number: int, steps: int, rounds: int, presses: int, idle_s: float) -> list[Figure]:
    """Open the list of `number` runs `rounds` times; press each key `presses` times; leave it alone for `idle_s`."""
    with tempfile.TemporaryDirectory(prefix="trainctl-bench-") as name:
        folder = Path(name) / "runs"
        ids = make_runs(folder, number, steps)
        argv = [*COCKPIT, "--runs-dir", str(folder), "--readonly"]
        shown, whole, minimal = list[float](), list[float](), list[float]()
        for _ in range(rounds + 1):
            with Terminal(MINIMAL) as terminal:
                minimal.append(terminal.wait_for(LINEAR) - terminal.started)
            with Terminal(argv) as terminal:
                shown.append(terminal.wait_for(ids[0].encode()) - terminal.started)
                whole.append(terminal.wait_for(rb"%d runs ." % number) - terminal.started)
        live = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-eyes-balanced-ffff"
        with writer(live, 100, 1000), Terminal(argv) as terminal:
            terminal.wait_for(rb"%d runs ." % (number + 1))
            terminal.drain(SETTLE_S)
            before = busy_s(terminal.pid)
            terminal.drain(idle_s)
            look_ms = 1e3 * (busy_s(terminal.pid) - before) / (idle_s / PERIOD_S)
            megabytes = memory(terminal.pid).resident
            moved = _press(terminal, DOWN, [rb"eyes-balanced-%s" % one.encode() for one in ids[:presses]])
            turned = _press(terminal, INVERT, [heading.encode() for heading in ("age ▴", "age ▾")] * (presses // 2))
    return [
        of_samples("minimal Textual app, first paint", minimal[1:], "s"),
        of_samples(f"first rows of {number} runs", shown[1:], "s", LIMIT_S, minimal[1:], "minimal app"),
        of_samples("all of them", whole[1:], "s"),
        *_figures("cursor moved", *moved),
        *_figures(f"{number + 1} rows sorted the other way round", *turned),
        Figure(f"a look every {PERIOD_S:g} s, on a processor", look_ms, "ms"),
        Figure("memory, resident", megabytes, "MB"),
    ]


def _press(terminal: Terminal, key: str, patterns: Sequence[bytes]) -> tuple[list[float], float]:
    """Milliseconds from the key to each pattern; processor time of all that a key leads to, in milliseconds."""
    pauses, taken_ms, before = random.Random(0), list[float](), busy_s(terminal.pid)
    for pattern in patterns:
        terminal.drain(pauses.uniform(*PAUSES_S))
        pressed = terminal.press(key)
        taken_ms.append(1e3 * (terminal.wait_for(pattern) - pressed))
    return taken_ms, 1e3 * (busy_s(terminal.pid) - before) / len(patterns)


def _figures(what: str, taken_ms: Sequence[float], busy_ms: float) -> list[Figure]:
    quantiles = [
        Figure(f"{what}, {name} of {len(taken_ms)}", float(np.percentile(taken_ms, percentile)), "ms", limit=limit)
        for name, percentile, limit in (("p50", 50, None), ("p99", 99, LIMIT_MS))
    ]
    return [*quantiles, Figure("  a key with all that follows, on a processor", busy_ms, "ms")]


SCRIPT = Script(
    "runs_list",
    "the list of a thousand runs",
    measure,
    {"number": 1000, "steps": 2000, "rounds": 5, "presses": 100, "idle_s": 30.0},
    {"number": 200, "steps": 2000, "rounds": 2, "presses": 40, "idle_s": 8.0},
)

if __name__ == "__main__":
    run_scripts([SCRIPT], __doc__)
