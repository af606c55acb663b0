"""A name in a printed line with its value, and whose it is where a bracket says it once: `[D loss: 0.7, acc: 0.5]`.

Knows no other line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from trainctl.engine.diagnosis.logs.names import Kind, meaning_of

_CARRIED = frozenset({Kind.TOTAL, Kind.RATE, Kind.ERROR, Kind.SCORE, Kind.CORRELATION})
"""Kinds of which each of several networks, and each part of the training, has its own."""
_PARTS = re.compile(r"[ _/.-]")
_HEAD = re.compile(r"(?P<head>.+)[ _/.-](?P<last>[^ _/.-]+)")
_BEFORE = re.compile(r"(?P<head>[^\W\d]\w*) ?:? ?\Z")
_OPENING, _CLOSING, _BARS = "[(", "])", "|;"


@dataclass(frozen=True)
class Pair:
    """A name and which number is its value."""

    name: str
    """As printed; `MARK` stands for the number `inner`."""
    at: int
    split: str
    """Of a word before it in the line; empty: none, or the name itself says it."""
    is_percent: bool = False
    inner: int = 0
    of: int | None = None
    """Which number it is a part of: `5401/10000`."""


def scoped(template: str, pairs: Sequence[tuple[int, Pair]]) -> list[Pair]:
    """The pairs of a line, each with the place of its name; what a bracket begins with goes before the names in it.

    What stands before a bracket, or begins a field between bars, does so only where a name comes more than once.
    """
    fields = [_field(template, at) for at, _ in pairs]
    firsts = {field: pair for field, (_, pair) in zip(reversed(fields), reversed(pairs), strict=True)}
    heads = {field: _head(pair) for field, pair in firsts.items()}
    plain = [
        _with_head(pair, heads[field])
        if pair is not firsts[field] and template[field : field + 1] in ("[", "(")
        else pair
        for field, (_, pair) in zip(fields, pairs, strict=True)
    ]
    times = Counter((pair.name, pair.split) for pair in plain)
    told = [heads[field] or _said_before(template, field) for field in fields]
    repeated = [index for index, pair in enumerate(plain) if times[pair.name, pair.split] > 1]
    if not all(told[index] for index in repeated):
        return plain
    return [_with_head(pair, told[index]) if index in repeated else pair for index, pair in enumerate(plain)]


def _field(template: str, at: int) -> int:
    """Where the bracket or the field between bars begins that a name stands in."""
    depth = 0
    for index in range(at - 1, -1, -1):
        sign = template[index]
        depth += (sign in _CLOSING) - (sign in _OPENING)
        if depth < 0 or (depth == 0 and sign in _BARS):
            return index
    return 0


def _head(first: Pair) -> str:
    """What a name says before the figure: `D` of `D loss`, `val` of `val_loss`."""
    found = _HEAD.fullmatch(first.name)
    return found["head"] if found and meaning_of(found["last"]).kind in _CARRIED else ""


def _said_before(template: str, field: int) -> str:
    found = _BEFORE.search(template, 0, field) if template[field : field + 1] in _OPENING else None
    return found["head"] if found else ""


def _with_head(pair: Pair, head: str) -> Pair:
    meaning = meaning_of(pair.name)
    is_plain = not _PARTS.search(pair.name.rstrip(".")) and meaning.kind in _CARRIED and not meaning.split
    return replace(pair, name=f"{head} {pair.name}") if head and is_plain and not pair.split else pair
