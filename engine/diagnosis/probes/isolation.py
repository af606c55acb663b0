"""Keeps probes from leaving traces: random states are put back, and time is limited.

Knows no data and no network.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Generator

import numpy as np
import torch


@contextlib.contextmanager
def undisturbed(seed: int) -> Generator[None]:
    """Seed python, numpy and torch for a probe, and put their states back after it, come what may."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda_states = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    try:
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if cuda_states is not None:
            torch.cuda.set_rng_state_all(cuda_states)


class Deadline:
    """How much time a diagnosis may still take.

    Args:
        budget_s: seconds from now.
        clock: gives seconds; for tests.
    """

    def __init__(self, budget_s: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self.budget_s = budget_s
        self._clock = clock
        self._start = clock()

    @property
    def spent_s(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._start

    @property
    def has_passed(self) -> bool:
        """Whether no time is left."""
        return self.spent_s >= self.budget_s

    def __str__(self) -> str:
        return f"the time budget of {self.budget_s:g} s was used up"
