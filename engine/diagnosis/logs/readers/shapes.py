"""Understands the template of a printed line: its step and epoch, its figures, whether it is a heading or of a table.

Knows no numbers and no lines before it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from trainctl.engine.diagnosis.logs.names import TEST, Kind, meaning_of, step_unit
from trainctl.engine.diagnosis.logs.readers import patterns
from trainctl.engine.diagnosis.logs.readers.lexing import BAR, MARK
from trainctl.engine.diagnosis.logs.readers.pairs import Marker, blank, index_of, markers_in, pairs_in
from trainctl.engine.diagnosis.logs.readers.scopes import Pair

_BESIDE = (
    "epoch epochs result results phase set metrics stats statistics loop summary performance on running mode stage"
    " error errors"
)
_HEADING_WORDS = frozenset(re.findall(r"\w+", _BESIDE))
"""Words that may stand in a heading beside the part of the training."""
_WORDS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Cell:
    """A field of a line that may be the row of a table."""

    at: int | None
    """Which number it is; None: it is a word."""


@dataclass(frozen=True, eq=False)
class Shape:
    """What lines of one template say; numbers are named by their place in the line. One template has one shape."""

    pairs: tuple[Pair, ...] = ()
    epoch: int | None = None
    step: int | None = None
    unit: str = ""
    """What `step` counts, if the line says so."""
    batches: int | None = None
    bar: tuple[int, int] | None = None
    """Which numbers say how many steps of a bar are done, and of how many."""
    heads_epoch: bool = False
    """Whether it says an epoch of so many, and no figure."""
    is_place_alone: bool = False
    """Whether it is a name such as `epoch` and a number: a place, or a setting."""
    heading: str = ""
    """The part of the training that lines below belong to."""
    has_figures: bool = False
    """Whether the heading is itself a name with its value: then it holds for lines that are indented under it only."""
    is_ruler: bool = False
    section: str = ""
    """Of a table of names and values: what the names below begin with."""
    is_cell: bool = False
    header: tuple[str, ...] = ()
    """Names, if the line can be the header of a table."""
    cells: tuple[Cell, ...] = ()
    is_awaited: bool = False
    """Whether it is a name whose figure may stand alone in the line below."""
    is_above_recap: bool = False
    """Whether the line below repeats what another said."""
    is_of_node: bool = False
    """Whether the line says which of several processes wrote it."""

    @property
    def says_something(self) -> bool:
        """Whether it has a figure, a step or an epoch."""
        return bool(self.pairs) or self.step is not None or self.epoch is not None


NOTHING = Shape()


@dataclass(frozen=True)
class _Places:
    """Which numbers of a line are its step and epoch."""

    epoch: int | None = None
    step: int | None = None
    unit: str = ""
    batches: int | None = None


@lru_cache(maxsize=20_000)
def shape_of(template: str) -> Shape:
    """What a line of this template says."""
    if not template:
        return NOTHING
    if patterns.RULER.fullmatch(template):
        return Shape(is_ruler=True)
    section = patterns.SECTION.fullmatch(template)
    if section:
        return Shape(section=section["name"])
    cell = patterns.CELL.fullmatch(template)
    if cell:
        return Shape(pairs=(Pair(cell["name"], 0, ""),), is_cell=True)
    return _line(template)


def _line(template: str) -> Shape:
    if patterns.RECAP.search(template):
        return NOTHING
    text, node = _cut(patterns.NODE, template)
    text, _ = _cut(patterns.BULLET, text)
    markers = [Marker(0, TEST)] * bool(patterns.STARRED.match(template)) + markers_in(text)
    text, _ = _cut(patterns.SETTINGS, text)
    text, epoch = _cut(patterns.EPOCH, text)
    if epoch is None:
        text, epoch = _cut(patterns.EPOCH_AFTER, text)
    for pattern in (patterns.EPOCH_LISTED, patterns.EPOCH_BARE):
        if epoch is None:
            text, epoch = _cut(pattern, text)
    text, step = _cut(patterns.GLOBAL_STEP, text)
    text, inner = _cut(patterns.STEP, text)
    step = step or inner
    if step is None:
        text, step = _cut(patterns.COUNTED, text)
    pairs = pairs_in(template, text, markers)
    places = _places(template, epoch, step or (patterns.ROUND.match(text) if pairs else None))
    if places.step is None and len(pairs) == 1 and _is_counted(pairs[0]):  # `Validation loss 6312: 0.15`
        places, pairs = replace(places, step=pairs[0].inner), [replace(pairs[0], name=pairs[0].name.rpartition(" ")[0])]
    if inner is not None and inner is not step:
        places = replace(places, batches=_at(template, inner, "all", "batches"))
    if len(pairs) > 1 and patterns.CONFIGURATION.search(template):
        pairs, places = [pair for pair in pairs if meaning_of(pair.name).kind is Kind.WEIGHT], _Places()
    heading, has_figures = _heading(template, text, pairs)
    shape = Shape(
        pairs=tuple(pairs),
        epoch=places.epoch,
        step=places.step,
        unit=places.unit,
        batches=places.batches,
        bar=_bar(template),
        heads_epoch=not pairs and _at(template, epoch, "all") is not None,
        is_place_alone=patterns.PLACE_ALONE.fullmatch(template) is not None,
        heading=heading,
        has_figures=has_figures,
        header=() if pairs else _header(template),
        cells=() if pairs and not patterns.LIST.search(template) else _cells(template),
        is_awaited=patterns.AWAITED.fullmatch(template) is not None,
        is_above_recap=patterns.RECAP_ABOVE.search(template) is not None,
        is_of_node=node is not None,
    )
    says_nothing = not (shape.says_something or shape.heading or shape.header or shape.cells)
    says_nothing &= not (shape.is_awaited or shape.is_above_recap)
    return NOTHING if says_nothing else shape


def _is_counted(pair: Pair) -> bool:
    """Whether the number in a name is a step: a loss that names no part has no number."""
    name, _, number = pair.name.rpartition(" ")
    return number == MARK and meaning_of(name).kind is Kind.TOTAL


def _bar(template: str) -> tuple[int, int] | None:
    found = patterns.BARRED.match(template)
    return (index_of(template, found.start("done")), index_of(template, found.start("all"))) if found else None


def _places(template: str, epoch: re.Match[str] | None, step: re.Match[str] | None) -> _Places:
    """Which numbers are the epoch and the step; a step of its own goes before the place within an epoch."""
    at_epoch, at_step = _at(template, epoch, "count", "other"), _at(template, step, "count", "other", "batch")
    if at_step is not None and step is not None:
        unit = _unit(step)
        return _Places(at_epoch, at_step, unit, _at(template, step, "all", "batches"))
    within = _at(template, epoch, "step", "inner")
    if within is None:
        return _Places(at_epoch)
    is_of_samples = epoch is not None and "share" in epoch.re.groupindex and bool(epoch["share"])
    return _Places(at_epoch, within, "batch", None if is_of_samples else _at(template, epoch, "batches", "size"))


def _unit(step: re.Match[str]) -> str:
    """What a step counts."""
    if step.re is patterns.COUNTED:
        return "step"
    if "unit" not in step.re.groupindex:
        return "round"
    return step_unit(step["unit"] or "step" * bool(step["other"])) or "batch"


def _at(template: str, found: re.Match[str] | None, *groups: str) -> int | None:
    """Which number the first of some groups is that was found."""
    if found is None:
        return None
    known = [group for group in groups if group in found.re.groupindex and found[group]]
    return index_of(template, found.start(known[0])) if known else None


def _cut(pattern: re.Pattern[str], text: str) -> tuple[str, re.Match[str] | None]:
    """The text with what a pattern finds blanked out, of the same length, and what was found."""
    found = pattern.search(text)
    return (text if found is None else blank(text, found)), found


def _heading(template: str, text: str, pairs: list[Pair]) -> tuple[str, bool]:
    """The part of the training that a line is the heading of, and whether it has a figure of its own."""
    summary = patterns.SUMMARY.search(template.rpartition(MARK)[2]) if pairs else None
    if summary and (split := _headed(summary["words"])):
        return split, False
    if len(pairs) == 1:
        meaning = meaning_of(pairs[0].name, pairs[0].split)
        return ("" if meaning.kind is Kind.OTHER else meaning.split), True
    return ("" if pairs else _headed(text)), False


def _headed(text: str) -> str:
    """The part of the training that words are the heading of; empty: none, or they say more."""
    words = [word.lower() for word in _WORDS.findall(text)]
    splits = {split for word in words if (split := _spoken_split(word))}
    is_heading = len(splits) == 1 and all(word in _HEADING_WORDS or _spoken_split(word) for word in words)
    return splits.pop() if is_heading else ""


def _spoken_split(word: str) -> str:
    return {"evaluating": "val", "validating": "val"}.get(word) or meaning_of(word).split


def _header(template: str) -> tuple[str, ...]:
    """The fields of a line without numbers, if it can be the header of a table."""
    names = _fields(template)
    if not 2 <= len(names) <= 64 or len(set(names)) < len(names) or any(map(_is_no_name, names)):
        return ()
    return tuple(names) if any(meaning_of(name).kind is not Kind.OTHER for name in names) else ()


def _is_no_name(field: str) -> bool:
    return not field or MARK in field or field[-1] in ".!?=:"


def _fields(template: str) -> list[str]:
    line = patterns.EDGES.sub("", template.partition(BAR)[0].strip()).removesuffix(":").strip("| ")
    if "|" in line:
        return [field.strip() for field in line.split("|")]
    listed = patterns.LIST.search(line)
    if listed and listed["spaced"]:
        part = f"{listed['of']} " * bool(meaning_of(listed["of"]).split)
        return [part + name for name in listed["spaced"].split(", ")]
    return listed["fields"].split(",") if listed else line.split()


def _cells(template: str) -> tuple[Cell, ...]:
    if MARK not in template:
        return ()
    cells: list[Cell] = []
    seen = 0
    for text in _fields(template):
        cells.append(Cell(seen if patterns.FIGURE.fullmatch(text) else None))
        seen += text.count(MARK)
    return tuple(cells)
