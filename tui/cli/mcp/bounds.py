"""Keeps answers small, as whoever asks has little room, and says what was left out. Knows no tool."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

from pydantic import Field

from trainctl.engine.errors import UserError
from trainctl.engine.runs.atomic import to_plain

MOST_CHARS = 24_000
"""Of an answer: about eight thousand tokens."""
PASSES = ((2_000, 64), (400, 16), (100, 6))
"""Longest text, and most elements of an inner list or map; the first that makes the answer fit is taken."""
MOST_NUMBERS = 256
"""Elements of a list of numbers, which are short; whoever makes one bounds it."""
INNER = 3
"""Depth from which maps are cut: the answer is 0, an entry of one of its lists 2."""
DIGITS = 6
"""Significant digits of a number."""

Limit = Annotated[int, Field(ge=1, le=100, description="At most so many; `left_out` says how many there are beside.")]
RunName = Annotated[str, Field(description="Name of a run, a part of it that no other has, or `latest`.")]


@dataclass
class Answer:
    """An answer in the making: plain data, and what it lacks, in words."""

    data: dict[str, Any] = field(default_factory=dict[str, Any])
    left_out: list[str] = field(default_factory=list[str])

    def first(self, items: Sequence[Any], limit: int, what: str) -> list[Any]:
        """The first `limit` of some; the others are said to be left out."""
        return self._kept(items[:limit], len(items) - limit, what)

    def last(self, items: Sequence[Any], limit: int, what: str) -> list[Any]:
        """The last `limit` of some."""
        return self._kept(items[-limit:], len(items) - limit, what)

    def _kept(self, items: Sequence[Any], missing: int, what: str) -> list[Any]:
        if missing > 0:
            self.left_out.append(f"{missing:,} {what}; raise limit")
        return list(items)

    def text(self) -> str:
        """The answer as strict JSON of at most `MOST_CHARS`.

        Raises:
            UserError: it cannot be made so short.
        """
        for most_chars, most_items in PASSES:
            cutter = _Cutter(most_chars, most_items)
            data = cutter.cut(to_plain(self.data))
            document = {**data, "left_out": [*self.left_out, *_some(cutter.cuts)]}
            text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            if len(text) <= MOST_CHARS:
                return text
        raise UserError("the answer is too long", "ask for less: a smaller limit, fewer names")


@dataclass
class _Cutter:
    """Cuts long texts, lists and maps. What an answer is made of stays whole: its keys, and the entries of its lists,
    which `limit` bounds."""

    most_chars: int
    most_items: int
    cuts: list[str] = field(default_factory=list[str])

    def cut(self, value: Any, at: str = "", depth: int = 0) -> Any:
        """The same, shorter."""
        if isinstance(value, float):
            return float(f"{value:.{DIGITS}g}") if abs(value) < 10**DIGITS else round(value, 1)  # times are large
        if isinstance(value, str):
            return self._kept(value, self.most_chars, at, "characters")
        if isinstance(value, dict):
            items = list(cast("dict[str, Any]", value).items())
            kept = self._kept(items, self.most_items if depth >= INNER else len(items), at, "keys")
            return {key: self.cut(below, f"{at}.{key}".lstrip("."), depth + 1) for key, below in kept}
        if isinstance(value, list):
            elements = cast("list[Any]", value)
            is_numbers = all(one is None or isinstance(one, (int, float)) for one in elements)
            most = MOST_NUMBERS if is_numbers else self.most_items if depth > 1 else len(elements)
            kept = self._kept(elements, most, at, "elements")
            return [self.cut(below, f"{at}[{k}]", depth + 1) for k, below in enumerate(kept)]
        return value

    def _kept(self, value: Any, most: int, at: str, what: str) -> Any:
        if len(value) > most:
            self.cuts.append(f"{at}: {len(value) - most:,} {what}")
        return value[:most]


def _some(cuts: Sequence[str], most: int = 10) -> list[str]:
    return [*cuts[:most], *([f"{len(cuts) - most:,} more places"] if len(cuts) > most else [])]
