"""Short names for runs that are looked at together. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_RUN_NAME = re.compile(r"\d{8}-\d{6}-(?P<label>.+)-(?P<id>[0-9a-f]{4})")


def short_names(names: Sequence[str]) -> list[str]:
    """The shortest part of each name that tells them apart and still finds the run on the command line.

    Of `20260101-120000-eyes-balanced-00aa` that is `balanced`; beside another run of the same preset `balanced-00aa`.
    The task is named where two tasks have presets of one name.
    """
    parts = [_parts(name) for name in names]
    bare = [label.partition("-")[2] or label for label, _ in parts]
    by_bare = {short: {label for (label, _), own in zip(parts, bare, strict=True) if own == short} for short in bare}
    labels = [own if len(by_bare[own]) == 1 else label for own, (label, _) in zip(bare, parts, strict=True)]
    often = Counter(labels)
    short = [
        f"{label}-{identity}" if often[label] > 1 and identity else label
        for label, (_, identity) in zip(labels, parts, strict=True)
    ]
    often = Counter(short)
    return [own if often[own] == 1 else name for own, name in zip(short, names, strict=True)]


def _parts(name: str) -> tuple[str, str]:
    """Label and identity in the name of a run; the whole name and nothing where it is called otherwise."""
    found = _RUN_NAME.fullmatch(name)
    return (found["label"], found["id"]) if found else (name, "")
