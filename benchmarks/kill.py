"""Kills a training many times with SIGKILL at seeded random moments, and says what was lost.

Moments: anywhere (start-up included), while a checkpoint is written, while it validates. Every sitting is a process of
its own; they are forked from one that has imported torch (`--cold` starts each from nothing, which takes longer).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "e2e"))

from kills import STEPS_PER_EPOCH, Toll, assert_same_run, killed, undisturbed
from sittings import Sittings

EPOCHS_PER_KILL = 10


def main() -> None:
    """Print what 50 kills did; fails with an assertion if anything was lost."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--kills", type=int, default=50)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--cold", action="store_true", help="start every process from nothing")
    args = options.parse_args()
    epochs = max(args.kills * EPOCHS_PER_KILL, 4)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Sittings(cold=args.cold) as sittings:
        whole = undisturbed(sittings, Path(folder) / "whole", epochs)
        run, toll = killed(sittings, Path(folder) / "killed", epochs, args.kills, args.seed)
        steps = assert_same_run(whole, run)
    assert steps == epochs * STEPS_PER_EPOCH
    print("\n".join(_report(toll, steps, args.seed, time.monotonic() - started)))


def _report(toll: Toll, steps: int, seed: int, seconds: float) -> list[str]:
    gaps_ms = 1e3 * np.array(toll.gaps_s)
    moments = ", ".join(f"{count} {name}" for name, count in toll.moments.items())
    return [
        f"kills                {toll.kills} ({moments}; seed {seed}, {seconds:.0f} s)",
        f"resumes that worked  {toll.kills} of {toll.kills}",
        f"last record to kill  median {np.median(gaps_ms):.0f} ms, largest {gaps_ms.max():.0f} ms (n={len(gaps_ms)})",
        f"half-written files   {toll.during_write} kills came while a checkpoint was written",
        f"checkpoints          {toll.checkpoints_read} read with weights_only=True, none damaged",
        f"records taken back   median {np.median(toll.dropped):.0f} a resume, largest {max(toll.dropped)}",
        f"in the end           {steps} steps, 1..N without gap or repeat; weights, optimiser, random numbers,",
        "                     records and validations bit for bit those of the undisturbed run",
    ]


if __name__ == "__main__":
    main()
