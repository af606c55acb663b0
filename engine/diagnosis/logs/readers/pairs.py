"""Finds in the template of a printed line which of its numbers is the value of which name. Knows no other line."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from trainctl.engine.diagnosis.logs.names import VAL, Kind, meaning_of
from trainctl.engine.diagnosis.logs.readers import patterns
from trainctl.engine.diagnosis.logs.readers.lexing import BAR, MARK
from trainctl.engine.diagnosis.logs.readers.scopes import Pair, scoped

RUNTIME, SUMMARY = "train_runtime", {"train_loss": "train_loss (summary)"}
"""The closing row of a Hugging Face trainer sums up the whole training."""
SPOKEN_AS = {"rate": "learning rate"}
"""What is meant by a name that stands behind its value."""
RIVALS = {"d", "g"}
"""Names of two networks' losses, by which a list of names and values is told from prose."""
OF_NO_PART = frozenset(
    {Kind.LR, Kind.GRAD_NORM, Kind.WEIGHT, Kind.TIME, Kind.STEP, Kind.EPOCH, Kind.LOSS_SCALE, Kind.UPDATE_RATIO}
)
"""Kinds that a word such as `val` earlier in the line says nothing of."""
_NAMES = re.compile(r"[^\W\d_]")
_BEFORE = re.compile(r"^(?:\w+/(?:s|sec|second) +|(?:\w+ )?(?:INFO|DEBUG|WARNING|WARN) +|s\. )")
"""What stands before a name: a unit (`1000 samples/sec accuracy=.51`, `10.5 s. Mean Reward: 7`), process and level."""


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
        patterns.PAIRED,
        patterns.SLASHED,
        patterns.OBJECTIVE,
        patterns.ON_SAMPLES,
        patterns.BEFORE,
        patterns.SCALE,
        patterns.RATIO,
        patterns.BOTH,
        patterns.FRACTION,
        patterns.PLACED,
        patterns.IS,
        patterns.PAIR,
        patterns.BARE,
    )
    for pattern in order:
        found = [match for match in pattern.finditer(text) if _is_told(match)]
        matches += found
        for match in found:
            text = blank(text, match)
    if matches:
        matches += [
            match for match in patterns.BETWEEN_BARS.finditer(template) if text.startswith(match[0], match.start())
        ]
    else:
        matches = _listed(text)
    matches.sort(key=lambda match: match.start())
    pairs = scoped(template, [(match.start(_group(match)), _pair(template, match, markers)) for match in matches])
    told = (patterns.BOTH, patterns.PAIRED)
    both = [(match, pair) for match, pair in zip(matches, pairs, strict=True) if match.re in told]
    pairs += [_beside(template, match, pair) for match, pair in both]
    pairs = _told_twice(template, matches, pairs)
    if any(pair.name == RUNTIME for pair in pairs):
        pairs = [replace(pair, name=SUMMARY.get(pair.name, pair.name)) for pair in pairs]
    return pairs


def _listed(text: str) -> list[re.Match[str]]:
    """Names and values that are all that a field says, where one of the names is known."""
    listed = patterns.LISTED.search(f"|{text}|")
    if listed is None:
        return []
    found = list(patterns.EACH.finditer(text, listed.start("pairs") - 1, listed.end("pairs") - 1))
    names = {match["name"] for match in found}
    is_told = names >= RIVALS or any(meaning_of(name).kind is not Kind.OTHER for name in names)
    return found if is_told else []


def _told_twice(template: str, matches: list[re.Match[str]], pairs: list[Pair]) -> list[Pair]:
    """The pairs, where all names come again in the same order: those of the training, then those of a validation.

    What a bar says, and what is said anew behind it, is told once.
    """
    half, names = len(pairs) // 2, [(pair.name, pair.split) for pair in pairs]
    if len(set(names)) == len(names):
        return pairs
    if half > 1 and names == 2 * names[:half] and len(set(names)) == half and not any(pair.split for pair in pairs):
        is_split = any(meaning_of(pair.name).split for pair in pairs)
        return pairs if is_split else [*pairs[:half], *(replace(pair, split=VAL) for pair in pairs[half:])]
    end = template.find("]", template.find(BAR)) if BAR in template else -1
    if end < 0 or len(matches) != len(pairs):
        return pairs
    anew = {name for name, match in zip(names, matches, strict=True) if match.start() > end}
    told = zip(names, matches, pairs, strict=True)
    return [pair for name, match, pair in told if match.start() > end or name not in anew]


def _pair(template: str, match: re.Match[str], markers: list[Marker]) -> Pair:
    name = _BEFORE.sub("", match[_group(match)].replace("\u2019", "'").rstrip(".@"))
    if match.re is patterns.PAIRED:
        name = f"{match['first'] or match['fit']} {name}"
    name = SPOKEN_AS.get(name, name) if match.re is patterns.BEFORE else name
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
        inner=index_of(template, match.start(_group(match))),
        of=index_of(template, match.start("of")) if "of" in match.re.groupindex else None,
    )


def _group(match: re.Match[str]) -> str:
    """Which group of a pattern has the name."""
    return "what" if match.re is patterns.PAIRED and match["what"] else "name"


def _beside(template: str, match: re.Match[str], pair: Pair) -> Pair:
    """The second figure of `Accuracy (Loss): 0.51 (1.37)` and of `Loss (train/val): 0.5/0.6`."""
    if match.re is patterns.PAIRED:
        name = f"{match['second'] or match['held']} {match[_group(match)]}"
        return replace(pair, name=name, at=index_of(template, match.start("beside")))
    name = f"{pair.name.rpartition(' ')[0]} {match['second']}".lstrip()
    return replace(pair, name=name, at=index_of(template, match.start("beside")))


def _is_told(match: re.Match[str]) -> bool:
    """Whether a pattern means what its names say: only a share is one of so many."""
    if match.re is patterns.FRACTION:
        return meaning_of(match["name"]).kind is Kind.RATE
    if match.re is patterns.BOTH:
        return Kind.OTHER not in (meaning_of(match["name"].rpartition(" ")[2]).kind, meaning_of(match["second"]).kind)
    return True


def index_of(template: str, at: int) -> int:
    """Which number of the line stands at a place of the template."""
    return template.count(MARK, 0, at)


def blank(text: str, found: re.Match[str]) -> str:
    """The text with what was found blanked out, of the same length."""
    return text[: found.start()] + "|" * len(found[0]) + text[found.end() :]
