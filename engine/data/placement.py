"""Where data that is made, not read, should be made: the device of the run says so, whoever makes data asks.

Knows neither what is made nor who says it. Where nobody says anything it is the CPU.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

_DEVICE: ContextVar[torch.device | None] = ContextVar("device", default=None)


@contextmanager
def made_on(device: torch.device) -> Generator[None]:
    """Within, `making_device` of this thread is `device`."""
    token = _DEVICE.set(device)
    try:
        yield
    finally:
        _DEVICE.reset(token)


def making_device() -> torch.device:
    """Where to make data."""
    return _DEVICE.get() or torch.device("cpu")
