"""W1304: a process that the others wait for. Pure functions of evidence."""

from __future__ import annotations

import numpy as np

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.run import PaceFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity
from trainctl.engine.diagnosis.rules.run.waiting import in_ms

SLOWER = 1.2
"""Times what the fastest takes."""
LEAST_S = 1e-3
"""Lost in a step; less is not worth a look."""
MOST_RANKS = 8


@rule(
    "W1304",
    "a process is slower than the others",
    section="data",
    severity=Severity.WARNING,
    precedence=Precedence.CAPACITY,
    cost=Cost.RECORDS,
)
def slow_process(pace: PaceFacts) -> Answer:
    """One rank takes 1.2 times as long as the fastest for its part of a step (samples fetched, and worked on until it
    first waits for the others), by medians of the newest steps (60 to 4,096), the same rank in both halves, and loses
    a millisecond a step or more.

    Times of whole steps are equal on all ranks and show nothing: whoever is done waits. On a GPU, where a program only
    hands the work over, an information.

    Costs: every step takes as long as the slowest process; the result is the same.
    Do: look at its machine: other programs, heat, a slower disk; give every process as many cores.
    """
    rank, *others = sorted(pace.taken_s, key=lambda number: -pace.taken_s[number])
    fastest = pace.taken_s[others[-1]]
    lost_s = pace.taken_s[rank] - fastest
    ratio = pace.taken_s[rank] / fastest if fastest > 0 else np.inf
    if set(pace.slowest) != {rank} or ratio < SLOWER or lost_s < LEAST_S:
        return None
    is_fetching = pace.fetched_s[rank] - pace.fetched_s[others[-1]] > lost_s / 2
    shown = ", ".join(f"rank {number} {in_ms(pace.taken_s[number])}" for number in sorted(pace.taken_s)[:MOST_RANKS])
    shown += ", ..." if len(pace.taken_s) > MOST_RANKS else ""
    return Hit(
        severity=Severity.INFO if pace.is_card else Severity.WARNING,
        confidence=Confidence.LIKELY if pace.is_card else Confidence.PROVEN,
        summary=f"rank {rank} takes {ratio:.2f} times as long for its part of a step as rank {others[-1]}",
        where=f"newest {pace.num_steps:,} steps, medians: {shown}"
        + (", ..." if len(pace.taken_s) > MOST_RANKS else ""),
        why="it waits for its samples" if is_fetching else "it works longer on its samples; fetching them is no slower",
        fix=Fix(
            "read its samples from a disk as fast as the others', in as many processes"
            if is_fetching
            else "look at its machine: other programs, heat, fewer cores; or take another one"
        ),
        figures={"rank": rank, "ratio": float(ratio), "lost_s": lost_s, "steps": pace.num_steps},
        explains=False,
    )
