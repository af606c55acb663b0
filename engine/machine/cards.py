"""What NVIDIA's cards do, as their management library tells (NVML, package `nvidia-ml-py`). Knows no run and no torch.

Where package, driver or card are not there, there are no cards; what a card does not tell is NaN. Never an error, and
never a wait for a driver that hangs.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

NAN = math.nan
MOST = 64
"""Cards that are looked at."""
LIMIT_S = 1.0
"""How long whoever asks waits for an answer."""


@dataclass(frozen=True)
class Card:
    """One card now; NaN: it does not tell."""

    index: int
    """Among those of the machine, 0 for the first."""
    name: str = ""
    use_percent: float = NAN
    """Share of the time in which a kernel ran, 0 to 100: how long it was busy, not how much of it was."""
    memory_used_bytes: float = NAN
    """By all processes."""
    memory_total_bytes: float = NAN
    temperature_c: float = NAN
    power_w: float = NAN

    @property
    def figures(self) -> dict[str, float]:
        """What it tells, by name."""
        named = {
            "use_percent": self.use_percent,
            "memory_used_bytes": self.memory_used_bytes,
            "memory_total_bytes": self.memory_total_bytes,
            "temperature_c": self.temperature_c,
            "power_w": self.power_w,
        }
        return {name: value for name, value in named.items() if value == value}


class Cards:
    """Reads cards.

    Args:
        wanted: their identities (UUIDs, with or without `GPU-` before them); None: all there are.
    """

    def __init__(self, wanted: Collection[str] | None = None) -> None:
        self._wanted = None if wanted is None else {_plain(identity) for identity in wanted}
        self._library: Any = None
        self._handles: dict[int, Any] | None = None
        """Of the cards by their number; None: not looked for yet."""
        self._names: dict[int, str] = {}
        self._asking: threading.Thread | None = None
        self._found: tuple[Card, ...] = ()

    def read(self) -> tuple[Card, ...]:
        """Every card that tells anything; none while the driver is still asked, as at first it may take its time."""
        if self._wanted is not None and not self._wanted:
            return ()
        if self._asking is None or not self._asking.is_alive():
            self._found = ()
            # A thread of its own: the library cannot be asked with a limit, and some broken drivers never answer.
            self._asking = threading.Thread(target=self._ask, name="trainctl-cards", daemon=True)
            self._asking.start()
        self._asking.join(LIMIT_S)
        return () if self._asking.is_alive() else self._found

    def _ask(self) -> None:
        if self._handles is None:
            self._handles = {}
            with contextlib.suppress(Exception):  # an ImportError, or whatever a broken driver comes up with
                self._find()
        found = (self._card(index, handle) for index, handle in self._handles.items())
        self._found = tuple(card for card in found if card.figures)

    def _find(self) -> None:
        self._library = library = importlib.import_module("pynvml")
        library.nvmlInit()
        handles: dict[int, Any] = {}
        for index in range(min(library.nvmlDeviceGetCount(), MOST)):
            with contextlib.suppress(Exception):  # one that has fallen off the bus hides no other
                handle = library.nvmlDeviceGetHandleByIndex(index)
                if self._wanted is None or _plain(_text(library.nvmlDeviceGetUUID(handle))) in self._wanted:
                    self._names[index] = _text(library.nvmlDeviceGetName(handle))
                    handles[index] = handle
        self._handles = handles

    def _card(self, index: int, handle: Any) -> Card:
        library = self._library
        memory: Any = None
        with contextlib.suppress(Exception):
            memory = library.nvmlDeviceGetMemoryInfo(handle)
        return Card(
            index,
            self._names[index],
            use_percent=_told(lambda: library.nvmlDeviceGetUtilizationRates(handle).gpu),
            memory_used_bytes=_told(lambda: memory.used),
            memory_total_bytes=_told(lambda: memory.total),
            temperature_c=_told(lambda: library.nvmlDeviceGetTemperature(handle, library.NVML_TEMPERATURE_GPU)),
            power_w=_told(lambda: library.nvmlDeviceGetPowerUsage(handle) / 1000),  # in milliwatts
        )


def _told(ask: Callable[[], Any]) -> float:
    """A number, or NaN where the card does not tell: each figure is one that some cards lack."""
    with contextlib.suppress(Exception):
        value = float(ask())
        return value if math.isfinite(value) and value >= 0 else NAN
    return NAN


def _text(value: Any) -> str:
    """Older versions of the package give bytes."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _plain(identity: str) -> str:
    return identity.strip().lower().removeprefix("gpu-")
