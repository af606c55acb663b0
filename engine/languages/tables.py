"""Reads the tables of a language: English templates with their translations, single words, long paragraphs.

A table is a text file. An entry is an English line, and under it, indented, what it is in the other language; both may
go on over several lines. `#` at the beginning of a line is a comment, `␣` a space at an edge.

```
{1} rose from {#2} to {#3}
    {1} 从 {2} 升到 {3}
[it is|they are] exactly 0        two templates that are translated alike
```

`{1}` is a gap that holds any text, `{#1}` one that holds a figure; the translation may take them in another order, or
leave one out. `{1*}` in a translation: the gap may also hold words of `words.txt` and names of rules. Knows no message.
"""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

WORDS, NAMES, PARAGRAPHS = "words.txt", "names.txt", "explanations.txt"
"""Tables that are looked up as a whole: single words, names of rules, and paragraphs by the digest of the English."""
EDGE = "␣"
PLURAL = "(s)"
"""Of a key: the letter may be there or not."""
_CHOICE = re.compile(r"\[([^\[\]|]*(?:\|[^\[\]|]*)+)\]")


@dataclass(frozen=True)
class Tables:
    """All tables of a language."""

    phrases: dict[str, str] = field(default_factory=dict[str, str])
    """Translation by English template."""
    words: dict[str, str] = field(default_factory=dict[str, str])
    names: dict[str, str] = field(default_factory=dict[str, str])
    """Of rules, by their English names."""
    paragraphs: dict[str, str] = field(default_factory=dict[str, str])
    """By `digest` of the English."""


def read_tables(folder: Path) -> Tables:
    """Read every table of a folder.

    Raises:
        ValueError: an entry without a translation, or a second one for the same English; names file and line.
    """
    tables = Tables()
    special = {WORDS: tables.words, NAMES: tables.names, PARAGRAPHS: tables.paragraphs}
    for path in sorted(folder.glob("*.txt")):
        into = special.get(path.name, tables.phrases)
        for line, english, translated in read_entries(path):
            for one in alternatives(english):
                if one in into:
                    raise ValueError(f"{path.name}, line {line}: {one!r} is there already")
                into[one] = translated
    return tables


def read_entries(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line, English and translation of each entry of a table.

    Raises:
        ValueError: an entry without a translation.
    """
    english, translated, start = "", "", 0
    for number, line in enumerate([*path.read_text(encoding="utf-8").splitlines(), ""], 1):
        is_comment, is_translation = line.startswith("#"), line[:1] == " " and bool(line.strip())
        if is_translation and english:
            translated += line.strip()
            continue
        if translated:
            yield start, english.replace(EDGE, " "), translated
            english, translated = "", ""
        if line.strip() and not is_comment:
            start, english = (start, f"{english} {line}") if english else (number, line)
        elif english:
            raise ValueError(f"{path.name}, line {start}: {english!r} has no translation")


def alternatives(english: str) -> list[str]:
    """The templates that an entry is for: `[a|b] c` is `a c` and `b c`."""
    pieces = _CHOICE.split(english)
    choices = [[piece] if index % 2 == 0 else piece.split("|") for index, piece in enumerate(pieces)]
    return ["".join(chosen) for chosen in itertools.product(*choices)]


def digest(text: str) -> str:
    """What a paragraph is found by: a translation of an older wording is not shown for a newer one."""
    return f"{zlib.crc32(text.encode()):08x}"
