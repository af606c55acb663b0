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
    forms = [_forms(name) for name in names]
    chosen = [0] * len(names)
    while True:
        short = [own[k] for own, k in zip(forms, chosen, strict=True)]
        often = Counter(short)
        unclear = [i for i, own in enumerate(forms) if often[short[i]] > 1 and chosen[i] + 1 < len(own)]
        if not unclear:
            return short
        for i in unclear:
            chosen[i] += 1


def label_and_id(name: str) -> str:
    """A run's name without its date; the whole name where it has none."""
    found = _RUN_NAME.fullmatch(name)
    return f"{found['label']}-{found['id']}" if found else name


def _forms(name: str) -> list[str]:
    """Parts of a name that it may be called by, the shortest first; the whole name alone where it is no run's."""
    found = _RUN_NAME.fullmatch(name)
    if found is None:
        return [name]
    label, identity = found["label"], found["id"]
    bare = label.partition("-")[2] or label
    return [bare, label, f"{bare}-{identity}", f"{label}-{identity}", name]
