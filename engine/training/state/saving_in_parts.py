"""A checkpoint that nobody ever has whole: each rank writes its rows, and the one that leads says that they count.

The parts go to a fresh folder. Once every rank has its own on the disk, one small file takes the place of the one
before: until then the old checkpoint is the newest, from then on the new one, whenever anybody is killed. Knows a
team and the parts of a state; no run and no loop.
"""

from __future__ import annotations

import copy
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path as File
from typing import Any, TypeVar, cast

from torch import Tensor
from torch.distributed.tensor import DTensor

from trainctl.engine.errors import UserError, kind_and_words
from trainctl.engine.files import is_file, is_there
from trainctl.engine.runs.atomic import DiskError, disk_errors, sync_folder
from trainctl.engine.training.ranks.team import LostRankError, Team
from trainctl.engine.training.state.checkpoint import SUFFIX, forget_parts, load_rest, save_checkpoint
from trainctl.engine.training.state.handing import Path
from trainctl.engine.training.state.parts import write_parts
from trainctl.engine.training.state.parts_files import comes, unseen

Done = TypeVar("Done")


def save_in_parts(path: File, state: dict[str, Any], about: dict[str, Any], team: Team) -> None:
    """Replace `path` by a checkpoint, and the parts of the one before by its own. All ranks call it.

    Args:
        path: the file, in a folder that all ranks see.
        state: of the run, as this rank has it: DTensors, of which it has rows; of all else what the leading rank has
            is written.
        about: see `save_checkpoint`.
        team: the ranks.

    Raises:
        DiskError: the disk of a rank refuses; the same on every rank, and the old checkpoint is kept.
        LostRankError: a rank is gone, or could not go on for another reason, which it says itself.
    """
    tensors, places = dict[str, Tensor](), dict[str, list[Any]]()
    rest = _apart(state, (), tensors, places)
    folder = path.with_suffix(SUFFIX)
    fresh = folder / team.lead(f"{about['step']}-{secrets.token_hex(4)}")
    try:
        _all_do(team, path, lambda: _make(fresh) if team.leads else None)
        table, own = _all_do(team, path, lambda: write_parts(fresh, tensors, team))
        files = {name: said for part in team.everyone(own) for name, said in part.items()}
        parts = {"folder": f"{folder.name}/{fresh.name}", "files": files, "tensors": table, "places": places}
        _all_do(team, path, lambda: _commit(path, fresh, rest, about, parts) if team.leads else None)
    except BaseException:
        if team.leads and not _may_count(path, fresh):
            shutil.rmtree(fresh, ignore_errors=True)
        raise
    if team.leads:
        forget_parts(path, keep=fresh.name)


def _may_count(path: File, fresh: File) -> bool:
    """Whether the file may be of these parts already: what went wrong may have done so just after that."""
    if not is_there(path):
        return False
    try:
        parts = load_rest(path).get("parts")
    except UserError:
        return True
    return parts is not None and File(parts["folder"]).name == fresh.name


def _make(fresh: File) -> None:
    """Without the folders above: one that is gone is not made anew."""
    fresh.parent.mkdir(exist_ok=True)
    fresh.mkdir()


def _commit(path: File, fresh: File, rest: dict[str, Any], about: dict[str, Any], parts: dict[str, Any]) -> None:
    sizes = {fresh / name: size for name, (size, _) in parts["files"].items()}
    if not comes(lambda: all(is_file(file) and file.stat().st_size == size for file, size in sizes.items())):
        raise unseen(fresh.parent, 0)
    for folder in (fresh, fresh.parent):
        sync_folder(folder)
    save_checkpoint(path, rest, about, parts)


def _all_do(team: Team, path: File, work: Callable[[], Done]) -> Done:
    """What `work` gives on this rank, once it has on every rank."""
    done, error = None, None
    try:
        with disk_errors(path):
            done = work()
    except LostRankError:
        raise
    except Exception as err:
        error = err
    said = team.everyone(None if error is None else _told(error))
    words = [f"rank {rank}: {told}" for rank, told in enumerate(said) if isinstance(told, str)]
    if words:  # worse than a disk, whatever else is wrong elsewhere
        raise LostRankError(words[0]) if error is None or isinstance(error, DiskError) else error
    for rank, told in enumerate(said):
        if told is not None:
            message, hint, is_lasting = cast("tuple[str, str, bool]", told)
            raise DiskError(f"rank {rank}: {message}" if rank else message, hint, is_lasting=is_lasting) from error
    return cast("Done", done)


def _told(error: Exception) -> tuple[str, str, bool] | str:
    if isinstance(error, DiskError):
        return error.message, error.hint, error.is_lasting
    return kind_and_words(error)


def _apart(value: Any, path: Path, tensors: dict[str, Tensor], places: dict[str, list[Any]]) -> Any:
    """A copy with None in place of each tensor that is here in rows, which are put aside with their places."""
    if isinstance(value, DTensor):
        key = ".".join(map(str, path))
        tensors[key], places[key] = value, [*path]
        return None
    if not isinstance(value, dict):
        return value
    held = copy.copy(cast("dict[Any, Any]", value))  # with what torch notes on a network's state
    for key, one in held.items():
        held[key] = _apart(one, (*path, key), tensors, places)
    return held
