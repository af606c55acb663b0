"""How much a training is slowed by somebody looking at it: within one training the cockpit comes and goes.

Windows with and without it alternate (A B, B A, ...); steps per second come from the times in the run's own records,
and what is compared are the two windows of a round. Two trainings: the eyes as built in, and the smallest network that
the other benchmarks use, whose steps take less than a millisecond. One thread each.

Usage: python -m benchmarks.cockpit.slowdown [--quick] [--json]
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.cockpit.figures import Figure, Script, of_samples, run_scripts
from benchmarks.cockpit.programs import COCKPIT, PANELS, ROOT, cockpit
from benchmarks.cockpit.terminal import Terminal
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.store import StepReader

LIMIT_PERCENT = 2.0
DEADLINE_S = 120.0
FOREVER = 1_000_000
TRAININGS = {
    "eyes": ("--scale", "small"),
    "toy MLP": ("--task", f"{ROOT / 'benchmarks' / 'mlp.py'}:MlpTask"),
}


def measure(rounds: int, window_s: float, settle_s: float, trainings: Sequence[str] = tuple(TRAININGS)) -> list[Figure]:
    """Compare so many pairs of windows in each training; each begins `settle_s` after the cockpit came or went."""
    figures: list[Figure] = []
    for name in trainings:
        with tempfile.TemporaryDirectory(prefix="trainctl-bench-") as folder, training(Path(folder), name) as run:
            pairs = [_round(run, window_s, settle_s, k % 2 == 1) for k in range(rounds)]
        alone, watched = [a for a, _ in pairs], [b for _, b in pairs]
        slower = [100 * (a / b - 1) for a, b in pairs]
        figures += [
            of_samples(f"{name}, alone", alone, "steps/s"),
            of_samples(f"{name}, cockpit attached", watched, "steps/s", None, alone, "alone"),
            of_samples(f"{name}, slower by", slower, "%", LIMIT_PERCENT),
        ]
    return figures


def _round(run: Path, window_s: float, settle_s: float, watched_first: bool) -> tuple[float, float]:
    """Steps per second without and with the cockpit."""
    if watched_first:
        watched = _watched(run, window_s, settle_s)
        return _alone(run, window_s, settle_s), watched
    alone = _alone(run, window_s, settle_s)
    return alone, _watched(run, window_s, settle_s)


def _alone(run: Path, window_s: float, settle_s: float) -> float:
    time.sleep(settle_s)
    started = time.time()
    time.sleep(window_s)
    return steps_per_s(run, started, time.time())


def _watched(run: Path, window_s: float, settle_s: float) -> float:
    with Terminal(cockpit(run)) as terminal:
        terminal.wait_for(PANELS)
        terminal.drain(settle_s)
        started = time.time()
        terminal.drain(window_s)
        return steps_per_s(run, started, time.time())


def steps_per_s(run: Path, started: float, ended: float) -> float:
    """Speed of a training between two moments (seconds since 1970), from the times in its records.

    Raises:
        RuntimeError: it took fewer than two steps.
    """
    times = StepReader(RunPaths(run)).all()["time"]
    first, last = np.searchsorted(times, [started, ended])
    if last - first < 2:
        raise RuntimeError(f"{run} took fewer than two steps in {ended - started:.1f} s")
    return float((last - 1 - first) / (times[last - 1] - times[first]))


@contextmanager
def training(folder: Path, name: str) -> Generator[Path]:
    """A training that goes on until the context is left; begins when it has recorded a step."""
    argv = [*COCKPIT[:-1], "run", *TRAININGS[name], "--device", "cpu", "--runs-dir", str(folder)]
    argv += [f"train.epochs={FOREVER}", f"train.eval_every={FOREVER}", "runtime.threads=1"]
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        argv, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    assert process.stderr is not None
    try:
        limit = time.monotonic() + DEADLINE_S
        while not (found := [path for path in folder.glob("*/steps.bin") if path.stat().st_size]):
            if process.poll() is not None or time.monotonic() > limit:
                process.kill()
                raise RuntimeError(f"{name} recorded no step: {process.stderr.read().decode(errors='replace')}")
            time.sleep(0.05)
        yield found[0].resolve().parent
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


SCRIPT = Script(
    "slowdown",
    "of a training while it is looked at",
    measure,
    {"rounds": 8, "window_s": 6.0, "settle_s": 2.0},
    {"rounds": 2, "window_s": 4.0, "settle_s": 2.0},
)

if __name__ == "__main__":
    run_scripts([SCRIPT], __doc__)
