"""A stand-in for NVIDIA's management library: as many cards as are asked for, each with what it tells."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class FakeLibrary:
    """Module `pynvml` with these cards.

    Args:
        cards: of each what it tells: `name`, `uuid`, `use`, `used`, `total`, `temperature`, `power` (milliwatts); what
            it lacks is refused, as the library does.
    """

    NVML_TEMPERATURE_GPU = 0

    def __init__(self, *cards: dict[str, Any]) -> None:
        self.cards = cards
        self.num_inits = 0

    def nvmlInit(self) -> None:  # noqa: N802 - the library's name
        self.num_inits += 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> dict[str, Any]:  # noqa: N802
        return self.cards[index]

    def __getattr__(self, name: str) -> Any:
        keys = {"UUID": "uuid", "Name": "name", "Temperature": "temperature", "PowerUsage": "power"}

        def ask(handle: dict[str, Any], *_: object) -> Any:
            asked = name.removeprefix("nvmlDeviceGet")
            if asked == "UtilizationRates":
                return SimpleNamespace(gpu=handle["use"])
            if asked == "MemoryInfo":
                return SimpleNamespace(used=handle["used"], total=handle["total"])
            return handle[keys[asked]]

        return ask


def h200(**more: Any) -> dict[str, Any]:
    """A card that tells everything."""
    told = {"name": "NVIDIA H200", "uuid": "GPU-abc-1", "use": 87, "used": 12 << 30, "total": 141 << 30}
    return {**told, "temperature": 54, "power": 412_300, **more}
