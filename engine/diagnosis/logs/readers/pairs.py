"""Finds in the template of a printed line which of its numbers is the value of which name. Knows no other line."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from trainctl.engine.diagnosis.logs.names import VAL, Kind, meaning_of
from trainctl.engine.diagnosis.logs.readers import patterns
from trainctl.engine.diagnosis.logs.readers.lexing import MARK

RUNTIME, SUMMARY = "train_runtime", {"train_loss": "train_loss (summary)"}
"""The closing row of a Hugging Face trainer sums up the whole training."""
OF_NO_PART = frozenset(
    {Kind.LR, Kind.GRAD_NORM, Kind.WEIGHT, Kind.TIME, Kind.STEP, Kind.EPOCH, Kind.LOSS_SCALE, Kind.UPDATE_RATIO}
)
"""Kinds that a word such as `val` earlier in the line says nothing of."""
_NAMES = re.compile(r"[^\W\d_]")
_SPEED = re.compile(r"^\w+/(?:s|sec|second) +")
"""The unit of the speed before a name: `1000 samples/sec accuracy=.51`."""


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
class Marker:
    """A word in a line that says the part of the training of what follows."""

    at: int
    split: str
    of_set: str = ""
    """The word, where it names one of several sets: `dev-clean`."""


def markers_in(text: str) -> list[Marker]:
    """The words of a line that say the part of the training.

    What follows several that are each a name with its value, as in `Train: 0.83, Val: 0.78, Loss: 0.55`, is of none.
    """
    markers: list[Marker] = []
    before: re.Match[str] | None = None
    for found in patterns.MARKER.finditer(text):
        is_value = patterns.IS_VALUE.match(text, found.end()) is not None
        is_one_of_many = is_value and before is not None and not _NAMES.search(text, before.end(), found.start())
        markers.append(Marker(found.start(), "" if is_one_of_many else meaning_of(found[0]).split, found["set"] or ""))
        before = found if is_value else None
    markers += [Marker(found.start(), VAL) for found in patterns.OF_VALIDATION.finditer(text)]
    return sorted(markers, key=lambda marker: marker.at)


def pairs_in(template: str, text: str, markers: list[Marker]) -> list[Pair]:
    """Names with their values in the order of the line.

    Args:
        template: the line.
        text: the line without what is accounted for, of the same length.
        markers: in their order.
    """
    if patterns.IS_COCO.search(template):
        found = patterns.COCO.search(template)
        return [_pair(template, found, markers)] if found else []
    matches: list[re.Match[str]] = []
    order = (
        patterns.OBJECTIVE,
        patterns.ON_SAMPLES,
        patterns.BEFORE,
        patterns.RATIO,
        patterns.IS,
        patterns.PAIR,
        patterns.BARE,
    )
    for pattern in order:
        found = list(pattern.finditer(text))
        matches += found
        for match in found:
            text = blank(text, match)
    if matches:
        matches += [
            match for match in patterns.BETWEEN_BARS.finditer(template) if text.startswith(match[0], match.start())
        ]
    pairs = [_pair(template, match, markers) for match in sorted(matches, key=lambda match: match.start())]
    if any(pair.name == RUNTIME for pair in pairs):
        pairs = [replace(pair, name=SUMMARY.get(pair.name, pair.name)) for pair in pairs]
    return pairs


def _pair(template: str, match: re.Match[str], markers: list[Marker]) -> Pair:
    name = _SPEED.sub("", match["name"].replace("\u2019", "'").rstrip("."))
    before = [marker for marker in markers if marker.at < match.start("value")]
    meaning = meaning_of(name)
    carries = bool(before) and not meaning.split and meaning.kind not in OF_NO_PART
    if carries and before[-1].of_set:
        name, carries = f"{before[-1].of_set} {name}", False
    return Pair(
        name=name,
        at=index_of(template, match.start("value")),
        split=before[-1].split if carries else "",
        is_percent=bool(match["percent"]),
        inner=index_of(template, match.start("name")),
    )


def index_of(template: str, at: int) -> int:
    """Which number of the line stands at a place of the template."""
    return template.count(MARK, 0, at)


def blank(text: str, found: re.Match[str]) -> str:
    """The text with what was found blanked out, of the same length."""
    return text[: found.start()] + "|" * len(found[0]) + text[found.end() :]
