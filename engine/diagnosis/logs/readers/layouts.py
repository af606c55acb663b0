"""Takes lines apart that have their digits at the same places as one before: without looking for numbers again.

In a long log nearly all lines are of a few such layouts. Where the numbers are is found out once for each, by lines
whose digits say their own positions. Knows no meaning of a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from trainctl.engine.diagnosis.logs.numbers import half_unit
from trainctl.engine.diagnosis.logs.readers.lexing import LONGEST, Lexed, lex

MOST = 20_000
"""Layouts that are remembered."""
_SAME = str.maketrans("123456789", "0" * 9)
_DIGIT = re.compile(r"[0-9]")
_WORDS = re.compile(r"nan|inf(?:inity)?", re.IGNORECASE)
_TENS = (1, 10, 100, 1000)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the numbers of a line are, and the digits that are parts of its words."""

    places: list[slice]
    half_units: Sequence[float | None]
    literals: list[int]
    indent: int
    templates: dict[str, str] = field(default_factory=dict[str, str])
    """Template by the digits at `literals`."""


class Lexer:
    """Takes lines apart as `lex` does, and remembers layouts."""

    def __init__(self) -> None:
        self._layouts: dict[str, _Layout | None] = {}

    def lex(self, raw: str) -> Lexed:
        """Take a line apart."""
        key = raw.translate(_SAME)
        layout = self._layouts.get(key)
        if layout is None:
            return self._learn(key, raw)
        digits = "".join([raw[at] for at in layout.literals]) if layout.literals else ""
        template = layout.templates.get(digits)
        if template is None:
            template = layout.templates[digits] = lex(raw).template
        return Lexed(template, [raw[place] for place in layout.places], layout.half_units, layout.indent)

    def _learn(self, key: str, raw: str) -> Lexed:
        lexed = lex(raw)
        if len(raw) > LONGEST:
            return lexed
        if key in self._layouts:  # the second of its kind: there will be more
            self._layouts[key] = _layout(raw, lexed)
        elif len(self._layouts) < MOST:
            self._layouts[key] = None
        else:
            self._layouts.clear()
        return lexed


def _layout(raw: str, lexed: Lexed) -> _Layout | None:
    """Where the numbers of a line are; None: it cannot be told, as some were changed before they were found."""
    told = [lex(_DIGIT.sub(lambda found, tens=tens: str(found.start() // tens % 10), raw)) for tens in _TENS]
    if any(len(one.numbers) != len(lexed.numbers) for one in told):
        return None
    words = iter([found.start() for found in _WORDS.finditer(raw)])
    places: list[slice] = []
    for index, number in enumerate(lexed.numbers):
        start = _start([one.numbers[index] for one in told], words)
        places.append(slice(start, start + len(number)))
    if [raw[place] for place in places] != lexed.numbers:
        return None
    digits = [[found[0] for found in _DIGIT.finditer(one.template)] for one in told]
    literals = [_position(list(column)) for column in zip(*digits, strict=True)]
    units = [None if "e" in number.lower() else half_unit(number) for number in lexed.numbers]
    return _Layout(places, units, literals, lexed.indent)


def _start(told: list[str], words: Iterator[int]) -> int:
    """Where a number begins, as its first digit says; of a word such as `nan`, the next such word."""
    found = _DIGIT.search(told[0])
    if found is None:
        sign = len(told[0]) - len(told[0].lstrip("+-"))
        return next(words, sign) - sign
    return _position([one[found.start()] for one in told]) - found.start()


def _position(digits: list[str]) -> int:
    return sum(int(digit) * tens for digit, tens in zip(digits, _TENS, strict=True))
