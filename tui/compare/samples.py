"""Whether two runs had the same samples, by what each wrote of them at its start. Pure; the files may be anybody's.

Where it was known, the content decides: a folder that was moved, files that were renamed and another order are the same
samples, other pictures under the same names are not. Else names and labels do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, cast

from trainctl.tui.compare.facts import RunFacts

SPLITS = ("train", "val")
CLOSE = 0.05
"""Of the standard error of an average: as far apart may two be of the same samples, decoded by different libraries."""
ROUNDING = 1e-5


def same_samples(one: Any, other: Any) -> bool | None:
    """Whether two fingerprints are of the same samples; None: they cannot tell, e.g. as an older version wrote one."""
    if not one or not other or type(one) is not type(other):
        return None
    if not isinstance(one, dict):
        return bool(one == other)
    first, second = cast("dict[str, Any]", one), cast("dict[str, Any]", other)
    if any(first.get(name) != second.get(name) for name in ("num", "classes")):
        return False
    sketches = _sketch(first), _sketch(second)
    if first.get("shape") == second.get("shape") and all(sketches):
        return _are_close(*sketches, first.get("num"))
    return first.get("names") == second.get("names")


def differ(runs: Sequence[RunFacts], split: str) -> bool:
    """Whether two of the runs had other samples than each other."""
    return any(same_samples(a, b) is False for a, b in combinations([run.data_id.get(split) for run in runs], 2))


def are_same(runs: Sequence[RunFacts], split: str) -> bool:
    """Whether all runs are known to have had the same samples."""
    return all(same_samples(a, b) for a, b in combinations([run.data_id.get(split) for run in runs], 2))


def sample_words(runs: Sequence[RunFacts], split: str) -> list[str]:
    """What names the samples of each run: the same for the same ones; empty where that is not known."""
    known = [run.data_id.get(split) for run in runs]
    words: list[str] = []
    for k, one in enumerate(known):
        like = next((j for j in range(k) if same_samples(known[j], one)), None)
        words.append(words[like] if like is not None else _named(one, words))
    return words


def _named(one: Any, taken: Sequence[str]) -> str:
    if not isinstance(one, dict):
        return str(one or "")
    about = cast("dict[str, Any]", one)
    name = f"{about.get('num')}, {about.get('names')}"
    return name if name not in taken else f"{name}, other content"


def _sketch(about: Mapping[str, Any]) -> list[tuple[float, float]]:
    """Every average with its deviation, in the order of the tensors' names; empty where it makes no sense."""
    found = about.get("sketch")
    try:
        tensors = sorted(cast("dict[str, Any]", found).items()) if isinstance(found, dict) else []
        return [(float(mean), float(deviation)) for _, pairs in tensors for mean, deviation in pairs]
    except (TypeError, ValueError):
        return []


def _are_close(one: Sequence[tuple[float, float]], other: Sequence[tuple[float, float]], num: Any) -> bool:
    if len(one) != len(other):
        return False
    root = math.sqrt(max(num, 1)) if isinstance(num, int) else 1.0
    return all(
        abs(a - b) <= CLOSE * max(s, t) / root + ROUNDING * max(abs(a), abs(b), s)
        for (a, s), (b, t) in zip(one, other, strict=True)
    )
