"""Keeps probes from leaving traces: random states and torch's global switches are put back, and time is limited.

Knows no data and no network.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class RandomStates:
    """The random states of the process."""

    python: tuple[Any, ...]
    numpy: tuple[Any, ...]
    torch: Tensor
    cuda: list[Tensor] | None
    """None: no such device is in use."""

    @classmethod
    def now(cls) -> RandomStates:
        """As they are."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
        return cls(random.getstate(), cast("tuple[Any, ...]", np.random.get_state()), torch.get_rng_state(), cuda)

    def restore(self) -> None:
        """Put them back."""
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.torch)
        if self.cuda is not None:
            torch.cuda.set_rng_state_all(self.cuda)

    def are_now(self) -> bool:
        """Whether the next random numbers are those that followed then."""
        now = RandomStates.now()
        mine, others = ([one.torch, *(one.cuda or [])] for one in (self, now))
        name, keys, *rest = self.numpy
        are_same = self.python == now.python and (name, *rest) == (now.numpy[0], *now.numpy[2:])
        are_same = are_same and np.array_equal(keys, now.numpy[1])
        return are_same and len(mine) == len(others) and all(map(torch.equal, mine, others))


@contextlib.contextmanager
def undisturbed(seed: int) -> Generator[None]:
    """Seed python, numpy and torch for a probe, and put back their states and torch's switches, come what may."""
    switches = [get() for get, _ in SWITCHES]
    states = RandomStates.now()
    try:
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        yield
    finally:
        states.restore()
        for (get, put), value in zip(SWITCHES, switches, strict=True):
            if get() != value:  # some import torch's compiler when they are set
                put(value)


def _determinism() -> tuple[bool, bool]:
    is_warning = torch.is_deterministic_algorithms_warn_only_enabled()
    return torch.are_deterministic_algorithms_enabled(), is_warning


def _set_determinism(state: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(state[0], warn_only=state[1])


def _cudnn() -> tuple[bool, bool, bool]:
    cudnn = torch.backends.cudnn
    return cudnn.enabled, cudnn.benchmark, cudnn.deterministic


def _set_cudnn(state: tuple[bool, bool, bool]) -> None:
    cudnn = torch.backends.cudnn
    cudnn.enabled, cudnn.benchmark, cudnn.deterministic = state


SWITCHES: tuple[tuple[Callable[[], Any], Callable[[Any], object]], ...] = (
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (torch.get_default_dtype, torch.set_default_dtype),
    (_determinism, _set_determinism),
    (torch.is_anomaly_enabled, torch.set_anomaly_enabled),
    (torch.is_warn_always_enabled, torch.set_warn_always),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (_cudnn, _set_cudnn),
    (torch.get_num_threads, torch.set_num_threads),
    (np.geterr, lambda errors: np.seterr(**errors)),
)
"""What a task's code may switch for the whole process: how it is read, and set."""


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

    def restart(self) -> None:
        """Give all of the time again, from now."""
        self._start = self._clock()

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
