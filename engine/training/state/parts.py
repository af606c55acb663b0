"""Tensors that lie in parts with several ranks, in a folder: each rank writes its own rows, and reads those it needs.

By torch.distributed.checkpoint, which plans who writes and who reads what, also where there are now more or fewer
ranks. Knows a team, a folder and tensors; not what the tensors are, nor what else a checkpoint has.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner, DefaultSavePlanner
from torch.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint.metadata import Metadata
from torch.distributed.checkpoint.planner import LoadPlan, LoadPlanner
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.futures import Future

from trainctl.engine.errors import first_line, kind_and_words
from trainctl.engine.runs.atomic import DiskError
from trainctl.engine.training.ranks.team import Team
from trainctl.engine.training.state.parts_files import NoPieceError, PartFiles, first_damage, look_into, words_of
from trainctl.engine.training.state.parts_table import (
    FILE,
    Files,
    Table,
    TableError,
    check_table,
    dtype_of,
    metadata_of,
    table_of,
)


class PartsError(Exception):
    """Parts that cannot be read.

    Args:
        reason: in words.
        is_damage: they may have been ours.
    """

    def __init__(self, reason: str, *, is_damage: bool = True) -> None:
        super().__init__(reason)
        self.is_damage = is_damage


def write_parts(folder: Path, tensors: Mapping[str, Tensor], team: Team) -> tuple[dict[str, Any], dict[str, list[int]]]:
    """Write the rows that this rank has of each tensor. All ranks call it, with the same keys.

    Args:
        folder: empty, and the same for all ranks.
        tensors: by their keys; DTensors, of whose parts nobody has a copy.
        team: the ranks.

    Returns:
        The table of all ranks' pieces, and the files of this rank: they lie on the disk and have been read back.

    Raises:
        OSError, DiskError: the disk of a rank refuses; the same on every rank.
        RuntimeError: what else a rank could not do; the same on every rank.
        LostRankError: one of them is gone.
    """
    files, writer = PartFiles(), FileSystemWriter(folder, sync_files=False, overwrite=False)
    writer.fs = files
    try:
        with team.calling():
            planner = DefaultSavePlanner(flatten_state_dict=False)
            metadata = save(dict(tensors), storage_writer=writer, planner=planner)
    except CheckpointException as err:
        raise _first_failure(err) from err
    return table_of(metadata), {name: said for name, said in files.written.items() if FILE.fullmatch(name)}


def read_parts(folder: Path, table: Table, tensors: dict[str, Tensor]) -> None:
    """Fill tensors with what was saved under their keys; of a DTensor this rank's rows. Local.

    Args:
        folder: where the files lie.
        table: of all pieces, already checked.
        tensors: some or all of them.

    Raises:
        PartsError: a file is gone, or is not what was written.
    """
    reader = _Reader(folder, table)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it reads alone, which is what is asked for
            planner = DefaultLoadPlanner(flatten_state_dict=False, flatten_sharded_tensors=False)
            load(tensors, storage_reader=reader, planner=planner, no_dist=True)
    except CheckpointException as err:
        failure = next(iter(err.failures.values()))[0]
        if isinstance(failure, (pickle.UnpicklingError, NoPieceError)):
            raise PartsError("its parts hold more than tensors", is_damage=False) from err
        raise PartsError(f"its parts are damaged ({words_of(failure)})") from err


def fill_parts(
    folder: Path,
    state: dict[str, Any],
    parts: Mapping[str, Any],
    *,
    blank: Callable[[Sequence[int], torch.dtype], Tensor] | None = None,
    check: Callable[[Path, Files], str] | None = None,
    only: Collection[str] = (),
) -> None:
    """Put tensors that lie in parts to their places in a state, where None stands. Local.

    Args:
        folder: where the files lie.
        state: from anybody, as `parts` is.
        parts: `files`, `tensors` (their table) and `places` (keys that lead to each).
        blank: makes what a tensor is loaded into, by its whole shape and type; none: whole ones.
        check: says what is wrong with the files; none: all are looked at here.
        only: first keys of the places that are wanted; empty: all.

    Raises:
        PartsError: they are not what was written, or were never ours.
        MemoryError: they do not fit in.
    """
    try:
        check_table(parts["tensors"], parts["files"])
        places = {key: _place_in(state, place) for key, place in parts["places"].items()}
        if places.keys() != parts["tensors"].keys():
            raise TableError("it has other tensors than places for them")
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as err:
        words = str(err) if isinstance(err, TableError) else "its table of parts is no table"
        raise PartsError(words, is_damage=False) from err
    damage = (check or first_damage)(folder, parts["files"])
    if damage:
        raise PartsError(f"it is damaged ({damage})")
    wanted = {key: one for key, one in parts["tensors"].items() if not only or parts["places"][key][0] in only}
    try:
        tensors = {key: (blank or _whole)(one["shape"], dtype_of(one)) for key, one in wanted.items()}
    except RuntimeError as err:  # torch's word for it
        raise MemoryError(first_line(err)) from err
    read_parts(folder, wanted, tensors)
    for key, tensor in tensors.items():
        held, last = places[key]
        held[last] = tensor


def _whole(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    return torch.empty(tuple(shape), dtype=dtype)


def _place_in(state: Any, place: Sequence[Any]) -> tuple[Any, Any]:
    """What holds the place of a tensor in a state, and the key under which: None stands there."""
    *above, last = place
    for key in above:
        state = state[key]
    if state[last] is not None:
        raise KeyError(last)
    return state, last


class _Reader(FileSystemReader):
    """Reads by a table, never by the pickle that lies beside the files."""

    def __init__(self, folder: Path, table: Table) -> None:
        super().__init__(folder)
        self.fs = PartFiles()
        self._found = metadata_of(table)

    def read_data(self, plan: LoadPlan, planner: LoadPlanner) -> Future[None]:
        """As torch does, once what is to be read has been looked at."""
        for item in plan.items:
            stored = self.storage_data[item.storage_index]
            look_into(Path(self.path) / stored.relative_path, stored.offset, stored.length)
        return super().read_data(plan, planner)

    def read_metadata(self) -> Metadata:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Asked for by torch; without further arguments it looks for no other file."""
        return self._found


def _first_failure(err: CheckpointException) -> Exception:
    """Of all ranks; one that the disk refused only where there is nothing worse."""
    failures = [(rank, failure) for rank, (failure, _) in sorted(err.failures.items())]
    rank, failure = next((one for one in failures if not isinstance(one[1], (OSError, DiskError))), failures[0])
    if isinstance(failure, (OSError, DiskError)):
        return failure
    return RuntimeError(f"rank {rank}: {kind_and_words(failure)}")
