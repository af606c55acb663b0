"""A training as another tool wrote it: one table, and what stands beside it. Plain data; knows no format and no run."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainctl.engine.diagnosis.logs.table import LogTable
from trainctl.engine.files import mended_text
from trainctl.engine.runs.states import RunState

LONGEST_NAME = 100
"""Characters of a name that are kept."""
UNPRINTED = ("Cc", "Cf", "Zl", "Zp")
"""Categories of Unicode that command a terminal, or show nothing."""
NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Foreign:
    """One training."""

    name: str
    """As its source calls it."""
    tool: str
    """What wrote it, in a word: `csv`, `tensorboard`, `mlflow` ..."""
    path: Path
    """Where it was found."""
    table: LogTable
    config: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    """Settings that the tool kept, as plain data."""
    state: RunState = RunState.FINISHED
    """As the tool has it: finished, failed, killed or running; a tool that does not tell says finished."""
    started: float | None = None
    """Seconds since 1970; None: unknown."""
    ended: float | None = None
    notes: tuple[str, ...] = ()
    """What people should know of the reading."""


@dataclass(frozen=True)
class Source:
    """A training that can be read."""

    name: str
    path: Path
    """Where it lies: a file, a folder, a database that holds several."""
    files: Callable[[], tuple[Path, ...]]
    """What it is made of now: when one of them changes, it has grown."""
    read: Callable[[], Foreign]
    """Raises UserError: it cannot be read, or has no figures."""


def clean_name(text: str, longest: int = LONGEST_NAME) -> str:
    """A name that can be written and printed: no control characters, no halves of characters, not too long."""
    told = ((unicodedata.category(sign) in UNPRINTED, sign) for sign in mended_text(text))
    kept = "".join(" " if is_unprinted else sign for is_unprinted, sign in told)
    words = " ".join(kept.split())
    return words if len(words) <= longest else f"{words[: longest - 1]}…"
