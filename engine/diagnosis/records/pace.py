"""How long each of several processes took for its part of the newest steps.

Reads what the ranks recorded; knows no rule.
"""

from __future__ import annotations

import numpy as np

from trainctl.engine.diagnosis.facts.run import PaceFacts
from trainctl.engine.diagnosis.records.waits import FEWEST, FIRST, NEWEST
from trainctl.engine.errors import UserError
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.ranks.side_by_side import BUSY, read_ranks

NO_RANKS = "one process trained alone, or its ranks recorded too few steps"


def recorded_pace(paths: RunPaths, device: str) -> PaceFacts | None:
    """The facts of a run; None: one process, too few steps, or nothing that can be read.

    Args:
        paths: of the run.
        device: on which it trains, in words.
    """
    try:
        found = read_ranks(paths, NEWEST)
        if found is None or len(found.ranks) < 2:
            return None
        fetched, busy = found.column("data_s"), found.column(f"scalar.{BUSY}")
    except (UserError, OSError, ValueError, KeyError):  # what one rank could not write is no fault of the training
        return None
    is_told = (found.steps > FIRST) & np.isfinite(fetched).all(0) & np.isfinite(busy).all(0)
    taken, fetched = (fetched + busy)[:, is_told], fetched[:, is_told]
    if taken.shape[1] < FEWEST:
        return None
    half = taken.shape[1] // 2
    older, newer = (int(np.median(part, 1).argmax()) for part in (taken[:, :half], taken[:, half:]))
    return PaceFacts(
        num_steps=taken.shape[1],
        taken_s=dict(zip(found.ranks, np.median(taken, 1).tolist(), strict=True)),
        fetched_s=dict(zip(found.ranks, np.median(fetched, 1).tolist(), strict=True)),
        slowest=(found.ranks[older], found.ranks[newer]),
        is_card=device.startswith(("cuda", "mps")),
    )
