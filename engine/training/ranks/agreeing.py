"""What ranks do before there is a run: each by itself, and then all or none.

Knows a team; what is prepared is the caller's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from trainctl.engine.errors import UserError, kind_and_words
from trainctl.engine.training.ranks.team import LostRankError, MissingRankError, Team, missing_before_first

Made = TypeVar("Made")


def all_or_none(team: Team, make: Callable[[], Made]) -> Made:
    """What `make` gives on this rank, once it has on every rank.

    Raises:
        UserError: what is wrong on the first rank on which something is.
        MissingRankError: one of them is gone.
        BaseException: what else was raised here.
    """
    made, error = None, None
    try:
        made = make()
    except LostRankError as err:
        raise parted(team, err) from err
    except Exception as err:
        if team.is_alone:
            raise
        error = err
    try:
        said = team.everyone(None if error is None else _told(error))
    except LostRankError as err:
        raise parted(team, err) from error or err
    if error is not None and not isinstance(error, UserError):
        raise error
    for rank, refusal in enumerate(said):
        if refusal is not None:
            message, hint = refusal
            raise UserError(f"rank {rank}: {message}" if rank else message, hint) from error
    assert error is None
    return made  # pyright: ignore[reportReturnType]


def refuse_unlike(team: Team, what: dict[str, object]) -> None:
    """Refuse ranks that do not train the same.

    Args:
        team: the ranks.
        what: plain data that must be the same everywhere, by what it is in words.

    Raises:
        UserError: names the first rank that differs from the leading one, and in what.
        MissingRankError: one of them is gone.
    """
    if team.is_alone:
        return
    try:
        said = team.everyone(what)
    except LostRankError as err:
        raise parted(team, err) from err
    for rank, theirs in enumerate(said):
        for name, value in said[0].items():
            if theirs[name] != value:
                raise UserError(f"rank {rank} has {name} other than rank 0", "start all processes with the same of it")


def parted(team: Team, err: LostRankError) -> MissingRankError:
    """What is said where a rank is gone before there is a run."""
    return missing_before_first(team.why(err))


def _told(err: Exception) -> tuple[str, str]:
    return (err.message, err.hint) if isinstance(err, UserError) else (kind_and_words(err), "")
