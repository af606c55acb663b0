"""Reads a checkpoint that lies in parts on several ranks: each its own rows, and of the files its share is looked at.

Knows a team, shards and checkpoint files; no run and no loop.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from trainctl.engine.ranks import Ranks
from trainctl.engine.training.ranks.agreeing import all_or_none
from trainctl.engine.training.ranks.team import Team
from trainctl.engine.training.state.checkpoint import Blank, Check, load_checkpoint

if TYPE_CHECKING:
    from trainctl.engine.training.state.shards import Shards


Files = Mapping[str, Sequence[int]]
"""Bytes and CRC-32 of each file of parts."""


class Reading:
    """How `load_checkpoint` is called.

    Args:
        blank, check: its own.
    """

    def __init__(self, blank: Blank | None = None, check: Check | None = None) -> None:
        self._blank, self._check = blank, check

    def __call__(self, path: Path) -> dict[str, Any]:
        """Content of a checkpoint, see there."""
        return load_checkpoint(path, blank=self._blank, check=self._check)


def reading_alone(shards: Shards | None, ranks: Ranks) -> Reading:
    """Of a rank that reads its rows while the others do the same, and looks at its share of the files.

    Args:
        shards: none: it reads all.
        ranks: who it is.
    """
    if shards is None:
        return Reading()
    return Reading(shards.blank, lambda folder, files: _first_damage(folder, files, ranks))


@contextmanager
def reading_ahead(team: Team, shards: Shards | None) -> Generator[Reading]:
    """Of the rank that leads, while the others are in `look_along`: it hears from each what is wrong with its share.

    Args:
        team: the ranks.
        shards: none, or a team that is alone: it reads all, and nobody else is asked.
    """
    if shards is None or team.is_alone:
        yield Reading()
        return

    def look_together(folder: Path, files: Files) -> str:
        folder = folder.resolve()
        team.lead((folder, files))
        found = team.everyone(_first_damage(folder, files, team.ranks))
        return next(filter(None, found), "")

    try:
        yield Reading(shards.blank, look_together)
    finally:
        team.lead(None)


def look_along(team: Team) -> None:
    """Look at files as the rank that leads asks for it, until it is done."""
    while (asked := cast("tuple[Path, Files] | None", team.lead(None))) is not None:
        folder, files = asked
        team.everyone(_first_damage(folder, files, team.ranks))


def each_its_own(team: Team, shards: Shards, path: Path, own: dict[str, Any] | None) -> dict[str, Any]:
    """The state of a checkpoint as this rank has it. All ranks call it.

    Args:
        team: the ranks.
        shards: what says which rows are this rank's.
        path: the checkpoint, whose files have been looked at.
        own: of the rank that has read it already.

    Raises:
        UserError: a rank cannot read it; the same on every rank.
    """
    read = Reading(shards.blank, _no_damage)
    return all_or_none(team, lambda: read(path)["state"] if own is None else own)


def _no_damage(folder: Path, files: Files) -> str:
    del folder, files
    return ""


def _first_damage(folder: Path, files: Files, ranks: Ranks) -> str:
    from trainctl.engine.training.state.parts_files import first_damage  # with what it knows of torch: a second

    return first_damage(folder, dict(list(files.items())[ranks.rank :: ranks.size]))
