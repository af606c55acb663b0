"""Random numbers of the ranks of a run: each draws its own.

Knows the state of a run, and ranks by their numbers.
"""

from __future__ import annotations

import random

import numpy as np
import torch

from trainctl.engine.training.state.state import TrainState


def draw_for_step(state: TrainState, seed: int, rank: int) -> None:
    """Let a rank draw for the coming step what no other draws, and nobody at another step.

    It follows from seed, step and rank: a step that was begun and not taken leaves no trace, and no checkpoint needs
    the random numbers of ranks that may be gone.
    """
    words = np.random.SeedSequence((seed, state.progress.step, rank)).generate_state(2, np.uint64)
    number, of_augmentation = (int(word >> np.uint64(1)) for word in words)
    random.seed(number)
    np.random.seed(number % 2**32)
    torch.default_generator.manual_seed(number)  # torch.manual_seed takes a hundred times as long, for devices unused
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed(number)
    state.generator.manual_seed(of_augmentation)
