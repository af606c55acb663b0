"""Understands the template of a printed line: which of its numbers is the epoch, the step, or the value of a name.

Knows no numbers and no lines before it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from trainctl.engine.diagnosis.logs.names import SPLITS, Kind, meaning_of, step_unit
from trainctl.engine.diagnosis.logs.readers.lexing import BAR, MARK, STAMP

RUNTIME, SUMMARY = "train_runtime", {"train_loss": "train_loss (summary)"}
"""The closing row of a Hugging Face trainer sums up the whole training."""

_WORD = r"[^\W\d][\w./@\u2019-]*(?:\([\w()]*\)|\[\w*\])?"
_NAME = rf"(?<![\w./-])(?P<name>{_WORD}(?: {_WORD}){{0,3}}(?: {MARK}(?=:)| \(\w+\)(?= ?[:=]))?)"
_VALUE = rf"(?P<value>{MARK})(?P<percent>\s?%)?(?!\.?[\w{MARK}]|[:/])"
_PAIR = re.compile(rf"{_NAME} ?[:=]+ ?\[?{_VALUE}")
_IS = re.compile(rf"{_NAME}(?: so far| now| currently)? (?:is|was|are|were)(?: at| now)?:? {_VALUE}")
_STEMS = (
    "acc|accuracy|lr|f1|srcc|plcc|auc|miou|dice|iou|map|grad_norm|gnorm|objf|objective|wer|cer|ter|ler|ppl|perplexity"
    "|reward|mse|mae|rmse|error|kl|logloss|psnr|ssim|bleu|elbo|nll|bce|precision|recall|learning rate"
    "|err|auroc|l1|l2|ap"
)
_SPOKEN = rf"(?:[\w/@.-]*loss(?:@\d|[_-]\w+|es)?|(?:[\w@./-]*[_./@-])?(?:{_STEMS})(?:@\d|_\w+|\d)?)\.?"
_BARE = re.compile(rf"(?<![\w./-])(?P<name>(?:{_WORD} ){{0,2}}{_SPOKEN}) (?:of )?{_VALUE}", re.IGNORECASE)
_CELL = re.compile(rf"\|? ?(?P<name>[^\W\d][\w./ -]*?) \| ?(?P<value>{MARK}) ?\|?")
_SECTION = re.compile(r"\|? ?(?P<name>[^\W\d][\w -]*/) ?\|(?: ?\|)?")
_RULER = re.compile(r"[-=+|_ ]{5,}")
_UNLESS = r"(?<!best )(?<!total )(?<!max )(?<!num )(?<!per )(?<!best_)(?<![\w/])"
_COUNT = rf" ?[:=#]* ?[\[(]? ?({MARK})(?: ?(?:/|of) ?({MARK}))?[\])]?(?!\.?\w|%)"
_EPOCH = re.compile(
    rf"{_UNLESS}(?:epoch|ep)(?:\((?P<split>\w+)\))?{_COUNT}(?:,? ?\[ ?(?P<step>{MARK}) ?/ ?(?P<batches>{MARK}) ?\])?"
    rf"|(?P<last>{MARK}) ?epoch\b|第 ?(?P<chinese>{MARK}) ?轮",
    re.IGNORECASE,
)
_STEP = re.compile(
    rf"{_UNLESS}(?P<unit>global[_ ]step|step|iter|iteration|batch|round|episode)(?:\((?P<split>\w+)\))?{_COUNT}"
    rf"|第 ?(?P<chinese>{MARK}) ?步",
    re.IGNORECASE,
)
_ROUND = re.compile(rf"^[{STAMP} |\[\]-]*\[({MARK})\]:?(?= [^\W\d])")
_NODE = re.compile(
    r"^\W*(?:\[?(?:default|local_?rank|rank|node|worker|host|proc|process)"
    rf"[ _:#-]?(?:\d+|{MARK})\]? ?[:|>\]-] ?|{MARK}: )"
)
_BULLET = re.compile(r"^[\s\-*•·├└─|>]+(?=[^\W\d]|\0|第)")
_MARKERS = re.compile(
    rf"(?<![\w./\\-])({'|'.join(word for words in SPLITS.values() for word in words if len(word) > 2)})(?![\w./\\-])",
    re.IGNORECASE,
)
_CONFIGURATION = re.compile(
    r"\b(?:namespace|\w*(?:config|args|arguments|hyperparameters|hparams|params)) ?[:=]? ?[({]", re.I
)
_BESIDE = (
    "epoch epochs result results phase set metrics stats statistics loop summary performance on running mode stage"
)
_HEADING_WORDS = frozenset(re.findall(r"\w+", _BESIDE))
"""Words that may stand in a heading beside the part of the training."""
_HEADING = re.compile(r"[^\W\d_]+")


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


@dataclass(frozen=True)
class Cell:
    """A field of a line that may be the row of a table."""

    at: int | None
    """Which number it is; None: it is a word."""


@dataclass(frozen=True, eq=True)
class Shape:
    """What lines of one template say; numbers are named by their place in the line."""

    pairs: tuple[Pair, ...] = ()
    epoch: int | None = None
    step: int | None = None
    unit: str = ""
    """What `step` counts, if the line says so."""
    batches: int | None = None
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
    is_of_node: bool = False
    """Whether the line says which of several processes wrote it."""

    @property
    def says_something(self) -> bool:
        """Whether it has a figure, a step or an epoch."""
        return bool(self.pairs) or self.step is not None or self.epoch is not None


NOTHING = Shape()


@lru_cache(maxsize=20_000)
def shape_of(template: str) -> Shape:
    """What a line of this template says."""
    if not template:
        return NOTHING
    if _RULER.fullmatch(template):
        return Shape(is_ruler=True)
    section = _SECTION.fullmatch(template)
    if section:
        return Shape(section=section["name"])
    cell = _CELL.fullmatch(template)
    if cell:
        return Shape(pairs=(Pair(cell["name"], 0, ""),), is_cell=True)
    return _line(template)


def _line(template: str) -> Shape:
    text, node = _cut(_NODE, template)
    text, _ = _cut(_BULLET, text)
    text, epoch = _cut(_EPOCH, text)
    text, step = _cut(_STEP, text)
    markers = [(found.start(), meaning_of(found[1]).split) for found in _MARKERS.finditer(text)]
    for found in (epoch, step):
        if found is not None and found["split"]:
            markers.append((found.start("split"), meaning_of(found["split"]).split))
    pairs = _pairs(template, text, sorted(markers))
    round_ = _ROUND.match(text) if step is None and pairs else None
    is_configuration = _CONFIGURATION.search(template) is not None and len(pairs) > 1
    if is_configuration:
        pairs = [pair for pair in pairs if meaning_of(pair.name).kind is Kind.WEIGHT]
        epoch = step = None
    places = _places(template, epoch, step, round_)
    heading, has_figures = _heading(text, pairs)
    shape = Shape(
        pairs=tuple(pairs),
        heading=heading,
        has_figures=has_figures,
        header=() if pairs or MARK in template else _header(template),
        cells=() if pairs else _cells(template),
        is_of_node=node is not None,
        **places,
    )
    return NOTHING if shape == NOTHING else shape


def _places(
    template: str, epoch: re.Match[str] | None, step: re.Match[str] | None, round_: re.Match[str] | None
) -> dict[str, Any]:
    places: dict[str, Any] = {}
    if epoch is not None:
        group = next(name for name in (2, "last", "chinese") if epoch[name])
        places["epoch"] = _index(template, epoch.start(group))
        if epoch["step"]:
            places |= {"step": _index(template, epoch.start("step")), "unit": "batch"}
            places["batches"] = _index(template, epoch.start("batches"))
    if step is not None:
        places["step"] = _index(template, step.start("chinese" if step["chinese"] else 3))
        places["unit"] = step_unit(step["unit"] or "step")
        if step[4]:
            places["batches"] = _index(template, step.start(4))
    elif round_ is not None:
        places |= {"step": _index(template, round_.start(1)), "unit": "round"}
    return places


def _index(template: str, at: int) -> int:
    """Which number of the line stands at a place of the template."""
    return template.count(MARK, 0, at)


def _cut(pattern: re.Pattern[str], text: str) -> tuple[str, re.Match[str] | None]:
    """The text with what a pattern finds blanked out, of the same length, and what was found."""
    found = pattern.search(text)
    return (text if found is None else _blank(text, found)), found


def _blank(text: str, found: re.Match[str]) -> str:
    return text[: found.start()] + "|" * len(found[0]) + text[found.end() :]


def _pairs(template: str, text: str, markers: list[tuple[int, str]]) -> list[Pair]:
    """Names with their values in the order of the line."""
    matches: list[re.Match[str]] = []
    for pattern in (_IS, _PAIR, _BARE):
        found = list(pattern.finditer(text))
        matches += found
        for match in found:
            text = _blank(text, match)
    pairs = [_pair(template, match, markers) for match in sorted(matches, key=lambda match: match.start())]
    if any(pair.name == RUNTIME for pair in pairs):
        pairs = [replace(pair, name=SUMMARY.get(pair.name, pair.name)) for pair in pairs]
    return pairs


def _pair(template: str, match: re.Match[str], markers: list[tuple[int, str]]) -> Pair:
    name = match["name"].replace("\u2019", "'").rstrip(".")
    before = [split for at, split in markers if at < match.start("value")]
    meaning = meaning_of(name)
    carries = before and not meaning.split and meaning.kind not in _OF_NO_PART
    return Pair(
        name=name,
        at=_index(template, match.start("value")),
        split=before[-1] if carries else "",
        is_percent=match["percent"] is not None,
        inner=_index(template, match.start("name")),
    )


_OF_NO_PART = frozenset(
    {Kind.LR, Kind.GRAD_NORM, Kind.WEIGHT, Kind.TIME, Kind.STEP, Kind.EPOCH, Kind.LOSS_SCALE, Kind.UPDATE_RATIO}
)


def _heading(text: str, pairs: list[Pair]) -> tuple[str, bool]:
    """The part of the training that a line is the heading of, and whether it has a figure of its own."""
    if len(pairs) == 1:
        meaning = meaning_of(pairs[0].name, pairs[0].split)
        return ("" if meaning.kind is Kind.OTHER else meaning.split), True
    words = [word.lower() for word in _HEADING.findall(text)]
    splits = {split for word in words if (split := _spoken_split(word))}
    is_heading = not pairs and len(splits) == 1 and all(word in _HEADING_WORDS or _spoken_split(word) for word in words)
    return (splits.pop() if is_heading else ""), False


def _spoken_split(word: str) -> str:
    return {"evaluating": "val", "validating": "val"}.get(word) or meaning_of(word).split


def _header(template: str) -> tuple[str, ...]:
    """The fields of a line without numbers, if it can be the header of a table."""
    names = _fields(template)
    if not 2 <= len(names) <= 64 or len(set(names)) < len(names) or any(name[-1] in ".!?=:" for name in names):
        return ()
    return tuple(names) if any(meaning_of(name).kind is not Kind.OTHER for name in names) else ()


def _fields(template: str) -> list[str]:
    line = template.partition(BAR)[0].strip().removesuffix(":").strip("| ")
    return [field.strip() for field in line.split("|")] if "|" in line else line.split()


_FIGURE = re.compile(rf"{MARK}(?:[a-zA-Z%]{{0,3}}|/{MARK})")


def _cells(template: str) -> tuple[Cell, ...]:
    if MARK not in template:
        return ()
    cells: list[Cell] = []
    seen = 0
    for text in _fields(template):
        cells.append(Cell(seen if _FIGURE.fullmatch(text) else None))
        seen += text.count(MARK)
    return tuple(cells)
