"""Keeps the warnings that are raised while a block runs, instead of printing them. Judges nothing."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Generator
from pathlib import Path

import torch

from trainctl.engine.diagnosis.facts.watched.notices import Notice

MOST = 20
OURS, CALLER = Path(__file__).parents[2], Path(__file__).with_name("watch.py")
"""Where the probes are, and who calls torch's functions in the place of the task."""


@contextlib.contextmanager
def listened() -> Generator[list[Notice]]:
    """Notices of the block, each once, in its order; complete when the block ends.

    torch warns of some things only once in a process: here it says them again.
    """
    found: list[Notice] = []
    was_always = torch.is_warn_always_enabled()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.set_warn_always(True)
        try:
            yield found
        finally:
            torch.set_warn_always(was_always)
            known: set[tuple[str, str]] = set()
            for warning in caught:
                notice = _notice(warning)
                if (notice.kind, notice.text) not in known and len(found) < MOST and not _is_ours(warning):
                    known.add((notice.kind, notice.text))
                    found.append(notice)


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """Says nothing of what is warned of in the block: a probe makes steps that no training makes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _notice(warning: warnings.WarningMessage) -> Notice:
    path = Path(warning.filename)
    text = next(iter(str(warning.message).strip().splitlines()), "")
    is_of_torch = "torch" in path.parts or path == CALLER or "Triggered internally" in str(warning.message)
    # What torch warns of in C++ names its own source too: of no use to who reads it.
    return Notice(
        kind=warning.category.__name__,
        text=text.partition(" (Triggered internally")[0],
        place="" if path == CALLER else f"{path.name}:{warning.lineno}",
        is_of_torch=is_of_torch,
    )


def _is_ours(warning: warnings.WarningMessage) -> bool:
    """Whether it was raised in the name of a probe rather than of the task."""
    path = Path(warning.filename)
    return path != CALLER and path.is_relative_to(OURS)
