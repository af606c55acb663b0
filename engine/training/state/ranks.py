"""Random numbers of the ranks of a run: each draws its own, from the start and after a resume.

Knows the state of a run, and ranks by their numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trainctl.engine.ranks import Ranks
from trainctl.engine.training.device import seed_everything
from trainctl.engine.training.state.state import TrainState, restore_random_state

RANKS = "ranks"
"""Name in the state of a checkpoint under which the random numbers of all ranks stand, in their order."""


def draw_apart(state: TrainState, seed: int, ranks: Ranks) -> None:
    """Let this rank draw numbers that no other draws at this step. The leading one goes on as a run alone would."""
    if ranks.leads:
        return
    words = np.random.SeedSequence((seed, state.progress.step, ranks.rank)).generate_state(2, np.uint64)
    seed_everything(int(words[0] >> np.uint64(1)))
    state.generator.manual_seed(int(words[1] >> np.uint64(1)))


def restore_drawing(state: TrainState, saved: dict[str, Any], seed: int, ranks: Ranks) -> None:
    """Go on drawing where this rank stopped; with another number of ranks than then, draw apart from here on.

    Args:
        state: restored otherwise.
        saved: state of a checkpoint.
        seed: of the run.
        ranks: who this is.
    """
    if ranks.is_alone:
        return
    drawn = saved.get(RANKS, ())
    if len(drawn) != ranks.size:
        draw_apart(state, seed, ranks)
        return
    own = drawn[ranks.rank]
    state.generator.set_state(own["generator"])
    restore_random_state(own["rng"])
