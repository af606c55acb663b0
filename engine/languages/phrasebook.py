"""Says a finished English message in another language, as far as its tables know it; what they lack stays English.

A message is looked up as a whole; else the template with the most letters that fits it is filled with the translations
of what stands in its gaps; else it is taken apart, at what was appended to it and at `;`, `:`, `,`. Names, figures and
code pass unchanged. Never raises; the time for a long or hostile text is bounded.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from functools import cache, lru_cache
from pathlib import Path

from trainctl.engine.languages.tables import PLURAL, Tables, digest, read_tables
from trainctl.engine.languages.templates import FIGURE, Template, templates_of
from trainctl.engine.languages.typography import joined

LANGUAGES = ("en", "zh")
"""English is what the house speaks; of every other there is a folder of tables."""
LONGEST, DEEPEST, MOST_WORK = 2000, 12, 2000
"""Signs of a text, gaps within gaps, and attempts at it (longer ones count more), beyond which it stays as it is."""
_CODE = re.compile(r"([A-Z]\d{3,4}) ([^:;,(]+?)((?:[:;,]| \().*)?", re.DOTALL)
"""A finding by its code and name, and what follows."""
_ALONE = re.compile(r"[A-Z]\d{3,4}  ")
"""A code as the head of a line."""
_SIGNS = {". ": "。", "; ": "；", ": ": "：", ", ": "，", " and ": " 和 "}
"""Where a message that no template fits is taken apart, in this order, and what stands there then."""
_STOPS = ";:,"
_APPENDED = re.compile(r"[;:,] | \(| ")
"""Behind what something may have been appended."""
_EDGES = re.compile(r"( *(?:[✓✗!·–?×#] )?)(.*?)((?: ·)? *)", re.DOTALL)
_DOT = " · "
_OPEN, _CLOSED = "([{", ")]}"
_GAP = re.compile(r"\{#?(\d+)(\*?)\}")
CERTAIN, MOST_LEFT = 8, 3
"""Letters of a template below which it may fit by chance; then so many English words may be left in its gaps."""
MOST_FITTING = 6
"""Templates that fit and are tried: the one is taken that leaves the least English."""
_PLAIN = re.compile(r"(?<![\w./\\-])[a-z]{2,}(?![\w./\\=(-])")
_PROSE = re.compile(r"(?<![\w.])[A-Za-z]?[a-z']+(?:,? [a-z']+){2}(?![\w.=])")
"""Three plain words in a row."""
_LATIN = re.compile(r"[A-Za-z]{2}")
_Known = tuple[Template, str]
"""A template and its translation."""


class Phrasebook:
    """The words of one language.

    Args:
        language: its name.
        tables: what it says; without any it says everything as it is.
    """

    def __init__(self, language: str, tables: Tables) -> None:
        self.language = language
        self._tables = tables
        self._exact = {word: text for word, text in tables.words.items() if " " in word}
        every: list[_Known] = []
        for key, text in tables.phrases.items():
            if "{" in key or PLURAL in key:
                every += [(template, text) for template in templates_of(key)]
            else:
                self._exact[key] = text
        self._exact |= {template.literals[0]: text for template, text in every if not template.numbers}
        known = [(template, text) for template, text in every if template.numbers]
        self._by_word = _by_rarest_word(known)
        self._endings = [(template, text) for template, text in known if template.is_ending]
        self._work = 0
        self._seen: dict[str, str | None] = {}
        self._lookup = lru_cache(maxsize=2048)(self._whole)

    def say(self, text: str) -> str:
        """A message in this language, as far as it is known; a mark before it stays, and so do spaces at its edges."""
        edges = _EDGES.fullmatch(text)
        if edges is None or len(text) > LONGEST or not _LATIN.search(text):
            return text
        return joined(edges[1], self._lookup(edges[2])) + edges[3]

    def fill(self, template: str, *parts: str) -> str:
        """A message of parts that are in this language already, by the English template with gaps from `{1}` on."""
        said, *pieces = _GAP.split(self._tables.phrases.get(template, template))
        for number, _, literal in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True):
            said = joined(joined(said, parts[int(number) - 1]), literal)
        return said

    def _whole(self, text: str) -> str:
        self._work, self._seen = 0, {}
        if _DOT in text:
            return _DOT.join(self._whole(part) for part in text.split(_DOT))
        parts = text.split(", ")
        if all(part in self._tables.words for part in parts):
            return "，".join(self._tables.words[part] for part in parts)
        known = self._tables.names.get(text) or self._tables.paragraphs.get(digest(text))
        return known or self._headed(text)

    def _headed(self, text: str) -> str:
        """A message, or a word of ours and what is said of it: that is what stands at the head of a line."""
        said = self._inner(text, -1)
        head, separator, rest = text.partition(": ")
        if not separator or head not in self._tables.words:
            return said
        under = joined(f"{self._tables.words[head]}：", self._inner(rest, -1))
        return under if _english_left(under) < _english_left(said) else said

    def _known(self, text: str, depth: int) -> str | None:
        """The translation; None: nothing of it is known."""
        if text not in self._seen:
            self._work += 1 + len(text) // 50
            is_beyond = depth > DEEPEST or self._work > MOST_WORK
            self._seen[text] = None if is_beyond else self._looked_up(text, depth)
        return self._seen[text]

    def _looked_up(self, text: str, depth: int) -> str | None:
        exact = self._exact.get(text)
        if exact is not None or " " not in text or FIGURE.fullmatch(text) or not _LATIN.search(text):
            return exact
        said = self._by_code(text, depth)
        if said is not None:
            return said
        found: list[tuple[int, str]] = []
        for attempt in (self._by_template, self._by_ending, self._by_parts):
            said = attempt(text, depth)
            if said is not None:
                found.append((_english_left(said), said))
                if not found[-1][0]:
                    break
        return min(found, key=lambda entry: entry[0], default=(0, None))[1]

    def _inner(self, text: str, depth: int, *, may_be_word: bool = False) -> str:
        """What stands in a gap, with the spaces and the separator at its edges."""
        core = text.strip(" ")
        if not core:
            return text
        if core[:2] in _SIGNS:
            return joined(_SIGNS[core[:2]], self._inner(core[2:], depth, may_be_word=may_be_word))
        if core[-1] in _STOPS:
            return self._inner(core[:-1], depth, may_be_word=may_be_word) + _SIGNS[f"{core[-1]} "]
        if core[0] == "(" and core[-1] == ")" and len(_split(core[1:-1], ")")) == 1:
            said = self._inner(core[1:-1], depth, may_be_word=may_be_word)
            return text if said == core[1:-1] else f"（{said}）"
        if may_be_word and (core in self._tables.words or core in self._tables.names):
            return self._tables.words.get(core) or self._tables.names[core]
        if may_be_word and ", " in core:
            return "、".join(self._inner(part, depth, may_be_word=True) for part in core.split(", "))
        ending = self._exact.get(f" {core}") if text[0] == " " else None
        start = text.index(core)
        return text[:start] + (ending or self._known(core, depth + 1) or core) + text[start + len(core) :]

    def _by_code(self, text: str, depth: int) -> str | None:
        """`D101 single-class batches: ...`, the name looked up as one."""
        alone = _ALONE.match(text)
        if alone is not None:
            return alone[0] + self._inner(text[alone.end() :], depth)
        found = _CODE.fullmatch(text)
        if found is None or found[2] not in self._tables.names:
            return None
        return joined(f"{found[1]} {self._tables.names[found[2]]}", self._inner(found[3] or "", depth))

    def _by_template(self, text: str, depth: int) -> str | None:
        words = {"", *re.findall(r"[A-Za-z]+", text)}
        candidates = [entry for word in words for entry in self._by_word.get(word, ())]
        fitting: list[tuple[int, str]] = []
        for template, translation in sorted(candidates, key=_certainty):
            self._work += 1
            gaps = template.match(text) if len(fitting) < MOST_FITTING else None
            if gaps is not None:
                said = self._filled(translation, self._parted(gaps, template, depth), depth)
                if _is_sure(template.letters, said):
                    fitting.append((_english_left(said), said))
        return min(fitting, key=lambda entry: entry[0], default=(0, None))[1]

    def _parted(self, gaps: dict[int, str], template: Template, depth: int) -> dict[int, str]:
        """Gaps that touch share what stands there: the first has it up to where something was appended."""
        parted = dict(gaps)
        for first, last in template.touching:
            place = self._appended_at(gaps[last], depth)
            parted[first], parted[last] = gaps[last][:place], gaps[last][place:]
        return parted

    def _filled(self, translation: str, gaps: dict[int, str], depth: int) -> str:
        said, *pieces = _GAP.split(translation)
        for number, star, literal in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True):
            content = self._inner(gaps.get(int(number), ""), depth, may_be_word=bool(star))
            said = joined(joined(said, content), literal) if content else joined(said, literal)
        return said

    def _by_ending(self, text: str, depth: int) -> str | None:
        """A message that has an ending, or something in brackets."""
        place = self._appended_at(text, depth, " ")
        if place == len(text):
            return None
        said, letters = self._ending(text[place:], depth) or (self._inner(text[place:], depth), CERTAIN)
        whole = joined(self._inner(text[:place], depth), said)
        return whole if _is_sure(letters, whole) else None

    def _appended_at(self, text: str, depth: int, kinds: str = ";:, ") -> int:
        """Where something known was appended behind one of these signs; the length of the text: nowhere."""
        for found in _APPENDED.finditer(text):
            sign, rest = found[0], text[found.end() :]
            if sign[0] not in kinds or (not found.start() and sign == " "):
                continue
            if sign == " (" and text.endswith(")"):
                is_known = any(self._known(one, depth + 1) is not None for one in (rest[:-1], text[: found.start()]))
            elif sign == " ":
                is_known = self._ending(text[found.start() :], depth) is not None
            else:
                is_known = self._known(rest, depth + 1) is not None
            if is_known:
                return found.start()
        return len(text)

    def _ending(self, text: str, depth: int) -> tuple[str, int] | None:
        """The translation of an ending, and how many letters of it are certain."""
        if text in self._exact:
            return self._exact[text], len(text)
        fitting = [(one, to, gaps) for one, to in self._endings if (gaps := one.match(text)) is not None]
        if not fitting:
            return None
        template, translation, gaps = max(fitting, key=lambda entry: entry[0].letters)
        return self._filled(translation, self._parted(gaps, template, depth), depth), template.letters

    def _by_parts(self, text: str, depth: int) -> str | None:
        """Several messages that were joined, if one is known: taken apart where that leaves the least English."""
        found: list[tuple[int, str]] = []
        for separator, sign in _SIGNS.items():
            parts = _split(text, separator)
            if separator == ": ":
                parts = [parts[0], text[len(parts[0]) + 2 :]] if len(parts) > 1 else []
            said = [self._known(part, depth + 1) for part in parts] if len(parts) > 1 else []
            if any(one is not None for one in said):
                whole = said[0] or parts[0]
                for known, part in zip(said[1:], parts[1:], strict=True):
                    whole = joined(joined(whole, sign), known or part)
                found.append((_english_left(whole), whole))
        return min(found, key=lambda entry: entry[0], default=(0, None))[1]


def _is_sure(letters: int, said: str) -> bool:
    """Whether a template of so many letters fits not by chance: else there is next to no English in its gaps."""
    return letters >= CERTAIN or (_english_left(said) <= MOST_LEFT and not _PROSE.search(said))


def _english_left(said: str) -> int:
    return len(_PLAIN.findall(said))


def _certainty(entry: _Known) -> tuple[int, int]:
    """The more letters a template has the better, and of those the fewer gaps; for sorting."""
    return -entry[0].letters, len(entry[0].numbers)


def _by_rarest_word(known: list[_Known]) -> dict[str, list[_Known]]:
    """Templates by the one of their words that the fewest others have: few are tried on a text."""
    words = [template.words() for template, _ in known]
    counts = Counter(word for of_one in words for word in set(of_one))
    found: defaultdict[str, list[_Known]] = defaultdict(list)
    for of_one, entry in zip(words, known, strict=True):
        found[min(of_one, key=lambda word: counts[word]) if of_one else ""].append(entry)
    return dict(found)


def _split(text: str, separator: str) -> list[str]:
    """Parts of a text between separators that stand in no brackets."""
    parts, depth, start, place = list[str](), 0, 0, 0
    while place < len(text):
        sign = text[place]
        if depth == 0 and text.startswith(separator, place):
            parts.append(text[start:place])
            start = place = place + len(separator)
            continue
        depth = max(depth + (sign in _OPEN) - (sign in _CLOSED), 0)
        place += 1
    return [*parts, text[start:]]


@cache
def phrasebook(language: str) -> Phrasebook:
    """The phrasebook of a language; that of English says everything as it is."""
    folder = Path(__file__).parent / language
    return Phrasebook(language, Tables() if language == "en" else read_tables(folder))
