"""Which of several runs had the same samples, and words for those of each. Pure; the files may be anybody's."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, cast

from trainctl.engine.runs.meta import same_samples
from trainctl.tui.compare.facts import RunFacts

SPLITS = ("train", "val")


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
