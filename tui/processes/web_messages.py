"""What a browser's page may say to its cockpit, read from text that anybody could have sent. Pure.

The page of textual-serve sends JSON lists whose first entry names what follows: `["stdin", "x"]`,
`["resize", {"width": 80, "height": 24}]`, `["ping", 1]`, `["focus"]`, `["blur"]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trainctl.engine.files import parse_json

MOST_BYTES = 1 << 20
"""Of a message: what somebody may paste."""
SMALLEST, LARGEST = 2, 1000
"""Columns and rows of a terminal: each cell is memory in the cockpit."""


@dataclass(frozen=True)
class Typed:
    """Keys, mouse, a paste."""

    data: bytes


@dataclass(frozen=True)
class Resized:
    """The terminal in the page has another size."""

    width: int
    height: int


@dataclass(frozen=True)
class Pinged:
    """The page asks whether anybody is there, and wants its value back."""

    value: Any


@dataclass(frozen=True)
class Focused:
    """The page has come to the front, or has gone."""

    is_focused: bool


Message = Typed | Resized | Pinged | Focused


def read_message(text: str) -> Message:
    """The message in `text`.

    Raises:
        ValueError: it is none.
    """
    match parse_json(text.encode("utf-8", "replace")):
        case ["stdin", str() as data]:
            return Typed(data.encode("utf-8", "replace"))
        case ["resize", {"width": int() as width, "height": int() as height}]:
            return Resized(terminal_size(width), terminal_size(height))
        case ["ping", value]:
            return Pinged(value)
        case ["focus" | "blur" as word, *_]:
            return Focused(word == "focus")
        case _:
            raise ValueError("no message of the page")


def terminal_size(cells: int) -> int:
    """Columns or rows within reason."""
    return min(max(cells, SMALLEST), LARGEST)
