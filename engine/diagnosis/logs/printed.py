"""Reads what trainings print: `Epoch 3/50 loss 1.23 val_loss=...`, or names and values under a heading.

A line belongs to the row before it until a name comes again or another step or epoch begins. Lines that are indented
under a heading such as `Train Loss: 0.0234` belong to its part of the training. Knows no meaning of a name but step,
epoch and train/validation/test.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from trainctl.engine.diagnosis.logs.names import meaning_of
from trainctl.engine.diagnosis.logs.numbers import NUMBER, half_unit
from trainctl.engine.diagnosis.logs.table import LogTable, TableBuilder

LONGEST = 4000
"""Characters of a line that are looked at."""

_WORD = r"[^\W\d][\w./@-]*(?:\(\w*\)|\[\w*\])?"
_VALUE = rf"(?P<value>{NUMBER})(?P<percent>\s?%)?(?!\.?\w|[:/])"
_PAIR = re.compile(rf"(?<![\w./-])(?P<name>{_WORD}(?: {_WORD}){{0,3}})\s*[:=]+\s*{_VALUE}")
_SPOKEN = r"[\w/@.-]*(?:loss|acc|accuracy|lr|f1|srcc|plcc|auc|miou|dice|grad_norm)(?:@\d|_\w+)?"
_BARE = re.compile(rf"(?<![\w./-])(?P<name>(?:{_WORD} ){{0,2}}{_SPOKEN})\s+{_VALUE}", re.IGNORECASE)
_SIGN = re.compile(r"[:=]")
_STEM = re.compile(r"(?:loss|acc|accuracy|lr|f1|srcc|plcc|auc|miou|dice|grad_norm)[\w@]*\s", re.IGNORECASE)
"""Cheap signs that a line can hold a pair at all."""
_UNLESS = r"(?<!best )(?<!total )(?<!max )(?<!num )(?<!per )(?<!best_)(?<![\w/])"
_COUNT = r"\s*[:=#]*\s*[\[(]?\s*(\d+(?:\.\d+)?)(?:\s*(?:/|of)\s*\d+)?[\])]?"
_BATCHES = re.compile(r"(?<![\w/])(?:iter|iteration|batch)\b\s*[:=#]*\s*[\[(]?\s*\d+\s*(?:/|of)\s*(\d+)", re.IGNORECASE)
"""`batch 3/4`: how many an epoch has."""
_EPOCH = re.compile(rf"{_UNLESS}(?:ep|epoch)\b{_COUNT}|第\s*(\d+)\s*轮", re.IGNORECASE)
_STEP = re.compile(rf"{_UNLESS}(?:global[_ ]step|step|iter|iteration|batch)\b{_COUNT}|第\s*(\d+)\s*步", re.IGNORECASE)
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_BULLET = re.compile(r"^[\s\-*•·├└│─|>]*(?=[^\W\d]|\d|第)")
_COMMENT = re.compile(r"\s#\s.*$")
_HEADING = re.compile(rf"(?P<name>{_WORD}(?: {_WORD}){{0,3}})\s*:\s*$")
_INTERESTING = re.compile(r"\d|nan|inf|:\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class _Pair:
    name: str
    value: float
    half_unit: float
    is_percent: bool


@dataclass(frozen=True)
class _Line:
    """What one line says."""

    indent: int
    heading: str
    """Its first name, if it can be a heading."""
    step: float | None
    epoch: float | None
    pairs: tuple[_Pair, ...]
    batches: int | None = None
    """Of an epoch."""


@dataclass
class _State:
    """Where the reader is."""

    seen: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    """Split and name of the values in the present row."""
    step: float | None = None
    epoch: float | None = None
    headings: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    """Indent and split of the headings above."""


def read_printed(lines: Sequence[str], source: str) -> LogTable:
    """The table of a text; a text without figures gives a table without columns."""
    builder, state = TableBuilder(source, "text"), _State()
    for number, raw in enumerate(lines, 1):
        line = _parse(raw)
        if line is not None:
            if line.batches is not None:
                builder.batches.add(line.batches)
            _take(builder, state, line, number)
    return builder.build()


def _take(builder: TableBuilder, state: _State, line: _Line, number: int) -> None:
    split = _heading_split(state, line)
    keys = [(split, pair.name) for pair in line.pairs]
    moved = _moved(line.step, state.step) or _moved(line.epoch, state.epoch)
    if moved and _moved(line.epoch, state.epoch):
        state.step = None
    state.step = state.step if line.step is None else line.step
    state.epoch = state.epoch if line.epoch is None else line.epoch
    if moved or not builder.num_rows or any(key in state.seen for key in keys):
        if not builder.num_rows or state.seen:
            builder.start_row()
        state.seen = set()
    builder.place(step=state.step, epoch=state.epoch)
    for key, pair in zip(keys, line.pairs, strict=True):
        state.seen.add(key)
        builder.add(pair.name, pair.value, line=number, half_unit=pair.half_unit, split=split, percent=pair.is_percent)


def _moved(new: float | None, old: float | None) -> bool:
    return new is not None and new != old


def _heading_split(state: _State, line: _Line) -> str:
    """The split of the heading that the line stands under; the line may be a heading itself."""
    while state.headings and state.headings[-1][0] >= line.indent:
        state.headings.pop()
    above = state.headings[-1][1] if state.headings else ""
    own = meaning_of(line.heading).split if line.heading else ""
    if own:
        state.headings.append((line.indent, own))
    return above


def _parse(raw: str) -> _Line | None:
    """What a line says; None: nothing."""
    text = raw[:LONGEST].rstrip("\r\n")
    if "\r" in text:  # a progress bar drawn over itself: its last state counts
        text = text.rpartition("\r")[2]
    if not _INTERESTING.search(text):
        return None
    text = _COMMENT.sub("", _ESCAPES.sub("", text)).replace("：", ":").replace("'", "").replace('"', "")
    indent = len(text) - len(text.lstrip())
    batches = _BATCHES.search(text) if "/" in text or " of " in text else None
    text = _BULLET.sub("", text)
    epoch, text = _cut(_EPOCH, text)
    step, text = _cut(_STEP, text)
    pairs, text = _pairs(text)
    heading = _HEADING.fullmatch(text.strip())
    name = heading["name"] if heading else pairs[0].name if len(pairs) == 1 else ""
    if not pairs and step is None and epoch is None and not heading:
        return None
    return _Line(indent, name, step, epoch, tuple(pairs), int(batches[1]) if batches else None)


def _cut(pattern: re.Pattern[str], text: str) -> tuple[float | None, str]:
    """The number that a pattern finds, and the text without it."""
    found = pattern.search(text)
    if found is None:
        return None, text
    number = found[1] or found[2]
    return float(number), f"{text[: found.start()]} | {text[found.end() :]}"


def _pairs(text: str) -> tuple[list[_Pair], str]:
    """Names with their values in the order of the text, and what is left of it."""
    found: list[tuple[int, _Pair]] = []
    for pattern, hint in ((_PAIR, _SIGN), (_BARE, _STEM)):
        if hint.search(text):
            matches = list(pattern.finditer(text))
            found += [(match.start(), _pair(match)) for match in matches]
            for match in matches:
                text = f"{text[: match.start()]}{'|' * len(match[0])}{text[match.end() :]}"
    return [pair for _, pair in sorted(found, key=lambda entry: entry[0])], text


def _pair(match: re.Match[str]) -> _Pair:
    return _Pair(match["name"], float(match["value"]), half_unit(match["value"]), match["percent"] is not None)
