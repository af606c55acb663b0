"""How long the newest steps of a run waited for their batches, and how busy the machine was meanwhile.

Gets records and samples of the hardware; knows no file and no rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trainctl.engine.diagnosis.facts.run import WaitFacts
from trainctl.engine.runs.hardware.samples import HardwareSample
from trainctl.engine.runs.record import RecordLayout, Records

FIRST = 20
"""Steps at the beginning that say nothing of the others: kernels are chosen, files are read for the first time."""
NEWEST, FEWEST = 4096, 60
"""Steps that are looked at, at most and at least."""
FEWEST_STARTS = 3
"""Epochs whose first steps are looked at, at least."""
HELD_UP = 20.0
"""A step counts as so many median ones at most: a process may be stopped, a machine may sleep."""
WORTH_A_LOOK = 0.1
"""Share of the time from which it is looked at what the machine did meanwhile."""
NO_WAITS = "the run has too few steps, or does not say how long they waited for their batches"

Floats = np.ndarray[Any, np.dtype[np.float64]]


def recorded_waits(
    newest: Records,
    layout: RecordLayout,
    samples: Callable[[], Sequence[HardwareSample]],
    *,
    device: str,
    num_steps: int,
) -> WaitFacts | None:
    """The facts of a run; None: too few steps, or its records do not tell.

    Args:
        newest: records, the last of the run among them.
        layout: what they hold.
        samples: gives those of the hardware, oldest first; asked only where much is waited. Those of the time of the
            steps count.
        device: on which it trains, in words.
        num_steps: of the run.
    """
    names = newest.dtype.names or ()
    if not {"data_s", "step_s", "epoch", "time"} <= set(names) or {"data_s", "step_s"} & set(layout.unmeasured):
        return None
    rows = newest[newest["step"] > FIRST][-NEWEST:]
    wait, step = (rows[name].astype(np.float64) for name in ("data_s", "step_s"))
    if len(rows) < FEWEST + 1 or not (np.isfinite(wait).all() and np.isfinite(step).all() and step.min() > 0):
        return None
    starts = np.flatnonzero(np.diff(rows["epoch"].astype(np.int64))) + 1
    is_start = np.zeros(len(rows), bool)
    is_start[0] = True  # as far as is known
    is_start[starts] = True
    most = HELD_UP * float(np.median(step))
    waited, took = np.clip(wait[~is_start], 0, most), np.minimum(step[~is_start], most)
    if len(took) < FEWEST:
        return None
    middle = len(took) // 2
    start_share = _start_share(wait[starts], float(took.sum()))
    told = samples() if max(_share(waited, took), start_share) >= WORTH_A_LOOK else ()
    meanwhile = [one for one in told if rows[0]["time"] <= one.time <= rows[-1]["time"] + one.seconds]
    return WaitFacts(
        num_steps=len(took),
        wait_s=float(waited.mean()),
        step_s=float(took.mean()),
        shares=(_share(waited[:middle], took[:middle]), _share(waited[middle:], took[middle:])),
        start_share=start_share,
        num_starts=len(starts),
        total_s=float(took.mean()) * num_steps,
        is_card="cuda" in device or "mps" in device,
        card_percent=_mean([card.use_percent for one in meanwhile for card in one.cards]),
        machine_percent=_mean([one.load.machine_cpu_percent for one in meanwhile]),
        core_share=_mean([one.load.process_cpu_percent / 100 / one.cores for one in meanwhile if one.cores]),
    )


def _share(waited: Floats, took: Floats) -> float:
    return float(waited.sum() / took.sum())


def _start_share(waits: Floats, others_s: float) -> float:
    """Part of all the time that the first steps of the epochs waited, as the median one does; 0: there are too few."""
    if len(waits) < FEWEST_STARTS:
        return 0.0
    waited = float(np.median(waits)) * len(waits)
    return waited / (others_s + waited)


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if value == value]
    return float(np.mean(known)) if known else float("nan")
