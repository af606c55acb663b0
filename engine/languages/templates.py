"""An English message with gaps: whether a text is one, and what stands in its gaps. Takes time linear in the text.

No regular expression over the whole: a hostile text would make it search for ever. Each literal is looked for from the
left, once; a gap for a figure holds nothing else. Knows no table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from trainctl.engine.languages.tables import PLURAL

FIGURE = re.compile(r"[-+−]?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)(?:e[-+]?\d+|k)?%?|[-+−]?(?:nan|inf)")
"""As figures are printed: 1,234, 0.69, −.5, 1e-05, 12k, 12%, nan."""
_GAP = re.compile(r"\{(#?)(\d+)\}")
_WHOLE_WORD = re.compile(r"(?<![\0A-Za-z])[A-Za-z]+(?![\0A-Za-z])")
_WEAK, _SHORT = 6, 60
"""Of a template with fewer letters the gaps are short and hold no sentence: it would fit anything."""
_SENTENCE = re.compile(r"[;:.] ")


@dataclass(frozen=True)
class Template:
    """A message with gaps."""

    literals: tuple[str, ...]
    """Before, between and behind the gaps: one more than there are gaps."""
    is_figure: tuple[bool, ...]
    """Of each gap, whether it holds a figure."""
    numbers: tuple[int, ...]
    """Of each gap, its number in the translation."""

    @cached_property
    def letters(self) -> int:
        """How much of it is certain."""
        return sum(sign.isalpha() for literal in self.literals for sign in literal)

    @property
    def is_ending(self) -> bool:
        """Whether it is the ending of another message, with a space between them."""
        return self.literals[0].startswith(" ")

    @cached_property
    def touching(self) -> list[tuple[int, int]]:
        """Numbers of the first and the last of text gaps that have nothing between them."""
        found: list[tuple[int, int]] = []
        for index in range(1, len(self.numbers)):
            if not self.literals[index] and not self.is_figure[index - 1] and not self.is_figure[index]:
                first = self.numbers[index - 1]
                if found and found[-1][1] == first:
                    first = found.pop()[0]
                found.append((first, self.numbers[index]))
        return found

    def words(self) -> list[str]:
        """Whole words of its literals, which every text of it holds; none at a gap, where a word may go on."""
        return _WHOLE_WORD.findall("\0".join(self.literals))

    def match(self, text: str) -> dict[int, str] | None:
        """What stands in the gaps, by their numbers; None: the text is not of this template.

        The last of several gaps for text that touch has all of what is theirs.
        """
        first, last = self.literals[0], self.literals[-1]
        if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
            return None
        found, place, end = dict[int, str](), len(first), len(text) - len(last)
        for index, number in enumerate(self.numbers):
            stop = self._end_of_gap(text, index, place, end)
            if stop is None:
                return None
            found[number] = text[place:stop]
            place = stop if index == len(self.numbers) - 1 else stop + len(self.literals[index + 1])
        return found if place == end and self._is_plausible(found) else None

    def _end_of_gap(self, text: str, index: int, place: int, end: int) -> int | None:
        """Where the gap ends that begins at `place`; None: nowhere."""
        follows = "" if index == len(self.numbers) - 1 else self.literals[index + 1]
        if self.is_figure[index]:
            figure = FIGURE.match(text, place, end)
            is_last = index == len(self.numbers) - 1
            is_followed = figure and (figure.end() == end if is_last else text.startswith(follows, figure.end()))
            return figure.end() if figure and is_followed else None
        if index == len(self.numbers) - 1:
            return end if self._may_hold(index, text[place:end]) else None
        if not follows:
            return place if not self.is_figure[index + 1] else self._next_figure(text, place, end)
        stop = text.find(follows, place, end)
        while stop >= 0:
            after = stop + len(follows)
            is_followed = not self.is_figure[index + 1] or self._end_of_gap(text, index + 1, after, end) is not None
            if is_followed and self._may_hold(index, text[place:stop]):
                return stop
            stop = text.find(follows, stop + 1, end)
        return None

    @staticmethod
    def _next_figure(text: str, place: int, end: int) -> int | None:
        figure = FIGURE.search(text, place, end)
        return figure.start() if figure else None

    def _may_hold(self, index: int, content: str) -> bool:
        """Whether a gap for text may hold it: a word of a literal does not go on in a gap, nor is a space doubled."""
        before, after = self.literals[index][-1:], self.literals[index + 1][:1]
        if not content:
            return not {before, after} <= {"", " "} or not before + after
        if (content[0] == " " and before == " ") or not _is_balanced(content):
            return False
        return not (before.isalpha() and content[0].isalpha()) and not (after.isalpha() and content[-1].isalpha())

    def _is_plausible(self, found: dict[int, str]) -> bool:
        if self.letters >= _WEAK:
            return True
        return all(len(content) <= _SHORT and not _SENTENCE.search(content) for content in found.values())


def _is_balanced(content: str) -> bool:
    """Whether every bracket that is closed was opened in it."""
    depth = 0
    for sign in content if ")" in content else "":
        depth += (sign == "(") - (sign == ")")
        if depth < 0:
            return False
    return True


def templates_of(english: str) -> Iterator[Template]:
    """The templates that a key of a table stands for: `(s)` is there or not."""
    count = english.count(PLURAL)
    for chosen in range(2**count):
        pieces = english.split(PLURAL)
        endings = ["s" if chosen >> bit & 1 else "" for bit in range(count)]
        text = "".join(piece + ending for piece, ending in zip(pieces, [*endings, ""], strict=True))
        parts = _GAP.split(text)
        yield Template(tuple(parts[::3]), tuple(map(bool, parts[1::3])), tuple(map(int, parts[2::3])))
