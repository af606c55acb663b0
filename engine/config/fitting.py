"""What a task proposes for a short run once it knows what data the user brings. Knows no task, no data, no layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

IsFree = Callable[[str], bool]
"""Whether the value of a dotted key is still the presets' to say: nothing the user wrote sets it."""


@dataclass(frozen=True)
class Fit:
    """Values for a run at small scale on data of the user's, instead of those that were chosen for built-in data."""

    values: Mapping[str, Any]
    """By dotted key, as plain data."""
    to: str
    """The facts of the data that they follow from, in words: `3,779 images of 24x24`."""
