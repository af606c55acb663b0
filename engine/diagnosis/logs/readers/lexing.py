"""Splits a printed line into its numbers and a template of all else, in which each number is a `MARK`.

Time stamps, positions in a source file and progress bars are no numbers. Lines of one template mean the same, so that
they need be understood only once. Knows no meaning of a word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

LONGEST = 4000
"""Characters of a line that are looked at."""
MARK = "\0"
STAMP = "\1"
"""Stands for a date, a time, or a position in a source file."""
BAR = "\2"
"""Stands for a progress bar."""

_ENDLESS = re.compile(r"[\w@./-]{200,}")
"""No word or number, but something encoded; patterns that look for names would go over it again and again."""
_STATES = re.compile(r"[\r\b]+")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")
_COMMENT = re.compile(r"\s#\s(?!\d+\s?:).*$")
_NUMBERED = re.compile(r"(?<=\w )#\s?(?=\d+\s?[:=])")
_INDEXED = re.compile(r"(?<=loss)\[(?=\d+\] ?[:=])(\d+)\]", re.IGNORECASE)
"""A loss of which the place is told like that of an entry: `loss[3]: 0.5`."""
_RANKED = re.compile(r"(?<=\w)\((?:k|top[- ]?k) ?= ?(\d{1,4})\)", re.IGNORECASE)
"""Among the first so many: `NDCG(k=20)`."""
_CALLS = re.compile(r"\b(?:tensor|(?:np|numpy)\.float\d+)\(|, ?(?:device|dtype|grad_fn|requires_grad)=[^,)]*")
_JOINED = re.compile(
    r"(?<![\w./\\-])(step|iter|iteration|epoch)_(?=\d+(?:[\s,:;]|$))"
    r"|(?<![\w./\\-])((?:(?:train|val|valid|test)_)?(?:loss|acc|accuracy))_(?=[-+]?\d+\.\d+(?:e[-+]?\d+)?(?:[\s,;]|$))"
)
"""A name and its number in one word: `step_200: loss_-4.06`."""
_SCRIPTS = re.compile(r"(?<=[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af])(?=\d)")
"""Between a word of a script without spaces and a number: `第3轮`."""
_NORMS = re.compile(r"(?<![\w|])\|{1,2}g(?:rad)?\|{1,2}(?=\s?[=:])")
_SOURCE = re.compile(
    r"(?<![\w./\\<>-])[\w./\\<>-]+\.(?:py|pyx|cc|cpp|cxx|cu|c|h|hpp|go|rs|jl|lua|java|scala|kt|swift|ts|js|ipynb)"
    r":(?:\d+| {1,6}\d+(?= ?\]))"
    r"|(?<![\w.])[\w.]+:[\w<>.]+:\d+(?=\s+[-|]|\s*\])|\(\w+:\d+\)|\bline \d+\b|\b(?:cuda|mps|xpu|npu):\d+"
)
_STAMPS = re.compile(
    r"\b(?<!\d\.)\d{4}[-/.]\d\d?[-/.]\d\d?(?:T(?=\d))?|(?<![\d/.])\d\d?[-/]\d\d?(?:[-/]\d{2,4})?(?=\s+\d\d?:\d\d)"
    r"|(?<![\d.:])\d{1,4}:\d\d(?::\d\d)?(?:[.,]\d+)?Z?(?!\d|:\d)"
)
_BARS = re.compile(
    r"\d[\d.]*%\s?\|[^|A-Za-z]*\|\s*(?:[\d.?]+[kKMG]?\s?/\s?[\d.?]+[kKMG]?)?"
    r"|(?:(?<![\d.])\d{1,3}(?:\.\d+)?%\s?)?\[[=>.#*\s-]{4,}\]|[━─╸╺█▏▎▍▌▋▊▉#]{4,}"
)
_BAR_SIGNS = re.compile(r"%\s?\||\[[=>.#*]|[━█#]")
_PLACES = re.compile(r"(@[\d.]+):([\d.]+)(?=\s*[:=|])")
_FRAMES = str.maketrans(
    {"│": "|", "┃": "|", "║": "|", "：": ":", "，": ",", '"': None, "\0": None, "\1": None, "\2": None}
)
_NUMBERS = re.compile(
    r"(?<![\w.@])(?<!\w-)("
    r"[-+]?\d{1,3}(?:,\d{3})+(?![\d,])(?:\.\d+)?"
    r"|[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
    r"|[-+]?(?:[nN][aA][nN]|[iI][nN][fF](?:inity|INITY)?)(?!\w)"
    r"(?! (?:(?:iteration|step|batch|loss|value|gradient)(?:e?s)?|or|found|detected|encountered)\b))"
)


class Lexed(NamedTuple):
    """A line taken apart."""

    template: str
    """With single spaces."""
    numbers: list[str]
    """As printed."""
    half_units: Sequence[float | None]
    """Half a unit of the last digit of each, as `half_unit` says; None: not yet computed."""
    indent: int


def lex(raw: str) -> Lexed:
    """Take a line apart. Which digits it has makes no difference, only where they are."""
    text = raw.rstrip("\r\n")
    if "\r" in text or "\b" in text:  # drawn over itself: its last state counts
        text = next((state for state in reversed(_STATES.split(text)) if state.strip()), "")
    text = text[:LONGEST]
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    text = text.translate(_FRAMES) if not text.isascii() or '"' in text or not text.isprintable() else text
    if len(text) >= 200:
        text = _ENDLESS.sub(" ", text)
    indent = len(text) - len(text.lstrip())
    text = _without_decoration(text)
    parts = _NUMBERS.split(" ".join(text.split()))
    numbers = parts[1::2]
    return Lexed(MARK.join(parts[::2]), numbers, [None] * len(numbers), indent)


def _without_decoration(text: str) -> str:
    if "#" in text:
        text = _NUMBERED.sub("", _COMMENT.sub("", text))
    if "_" in text:
        text = _JOINED.sub(lambda found: f"{found[1] or found[2]} ", text)
    if not text.isascii():
        text = _SCRIPTS.sub(" ", text)
    if "'" in text:
        text = text.replace("'s ", "\u2019s ").replace("'", "")
    if "loss[" in text or "Loss[" in text:
        text = _INDEXED.sub(r" \1", text)
    if "(" in text:
        text = _RANKED.sub(r"@\1", _CALLS.sub("", text)) if "=" in text else _CALLS.sub("", text)
    if "|g" in text:
        text = _NORMS.sub("grad_norm", text)
    if _BAR_SIGNS.search(text):
        text = _BARS.sub(f" {BAR} ", text)
    if ":" in text or "line" in text:
        text = _PLACES.sub(r"\1-\2", text) if "@" in text else text
        text = _STAMPS.sub(f" {STAMP} ", _SOURCE.sub(f" {STAMP} ", text))
    return text


def value_of(number: str) -> float:
    """The value of a number that `lex` found."""
    return float(number.replace(",", "") if "," in number else number)
