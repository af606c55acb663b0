"""Reads TensorBoard event files through tensorboard's own reader, where the optional extra is installed (no torch)."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainctl.engine.diagnosis.logs.names import SPLITS, meaning_of, words_of
from trainctl.engine.diagnosis.logs.table import LogTable, TableBuilder
from trainctl.engine.errors import UserError

FILE_MARK = "tfevents"
DEPTHS = ("", "*/", "*/*/")
"""How deep below a folder its event files may lie."""
FIRST_RECORD = b"brain.Event:"
"""Stands in the first record of every event file."""


def is_event_file(path: Path, beginning: bytes) -> bool:
    """Whether a file holds TensorBoard events, by its name or its first bytes."""
    return FILE_MARK in path.name or FIRST_RECORD in beginning[:64]


def event_files(folder: Path) -> list[Path]:
    """The event files in a folder and those below it, in the order of their names, which begin with the time."""
    found = [path for pattern in DEPTHS for path in folder.glob(f"{pattern}*{FILE_MARK}*") if path.is_file()]
    return sorted(found, key=lambda path: (path.name, str(path)))


def read_event_folder(folder: Path) -> LogTable:
    """The scalars of a folder: of a training whose parts may lie in folders of their own, such as `train/`.

    Raises:
        UserError: it holds several trainings, or a file cannot be read.
    """
    by_place: dict[str, list[Path]] = {}
    for path in event_files(folder):
        by_place.setdefault(str(path.parent.relative_to(folder)), []).append(path)
    parts = {place: _part(place) for place in by_place}
    _refuse_several([place for place, part in parts.items() if not part.split], by_place, folder)
    return _table([(parts[place], path) for place, paths in by_place.items() for path in paths], str(folder))


def read_events(paths: Sequence[Path], source: str) -> LogTable:
    """The scalars of some event files; what was logged at one step is one row.

    Raises:
        UserError: tensorboard is not installed, or a file is damaged.
    """
    return _table([(_Part("", ""), path) for path in paths], source)


@dataclass(frozen=True)
class _Part:
    """What a folder below the one that is read says of the values in it."""

    split: str
    name: str
    """Put before the tags, where the folder says more than the part of the training: `loss_discriminator`."""


def _part(place: str) -> _Part:
    if place == ".":
        return _Part("", "")
    last = place.rpartition("/")[2]
    split = meaning_of(last).split
    return _Part(split, "" if split and words_of(last)[0] in SPLITS[split] and len(words_of(last)) == 1 else last)


def _refuse_several(places: Sequence[str], by_place: Mapping[str, list[Path]], folder: Path) -> None:
    """Folders that say no part of a training, with the same tags in them, are trainings of their own."""
    if len(places) < 2:
        return
    loader, make_ndarray = _import()
    seen: dict[str, str] = {}
    for place in places:
        tags = {tag for path in by_place[place] for _, tag, _ in _scalars(loader, make_ndarray, path)}
        for tag in sorted(tags):
            if tag in seen:
                raise UserError(
                    f"{folder} holds several trainings: {seen[tag]} and {place} both have {tag}", "name one of them"
                )
            seen[tag] = place


def _table(files: Sequence[tuple[_Part, Path]], source: str) -> LogTable:
    loader, make_ndarray = _import()
    by_step: dict[int, list[tuple[str, str, float]]] = {}
    for part, path in files:
        for step, tag, value in _scalars(loader, make_ndarray, path):
            name = f"{part.name}/{tag}" if part.name else tag
            by_step.setdefault(step, []).append((part.split, name, value))
    builder = TableBuilder(source, "TensorBoard events")
    for step in sorted(by_step):
        builder.start_row(step=step)
        for split, name, value in by_step[step]:
            builder.add(name, value, split=split)
    return builder.build()


def _scalars(loader: Any, make_ndarray: Any, path: Path) -> Iterator[tuple[int, str, float]]:
    try:
        for event in loader(str(path)).Load():
            for value in event.summary.value:
                number = _number(value, make_ndarray)
                if number is not None:
                    yield int(event.step), str(value.tag), number
    except UserError:
        raise
    except Exception as err:  # the reader raises errors of its own and of protobuf for a damaged record
        raise UserError(f"{path} cannot be read as TensorBoard events", f"{type(err).__name__}: {err}") from err


def _number(value: Any, make_ndarray: Any) -> float | None:
    """The value of a scalar summary, old or new; None: pictures, histograms, text."""
    if value.HasField("simple_value"):
        return float(value.simple_value)
    if value.HasField("tensor"):
        array = make_ndarray(value.tensor)
        if array.size == 1 and array.dtype.kind in "fiu":
            return float(array.reshape(()))
    return None


def _import() -> tuple[Any, Any]:
    try:
        loading = importlib.import_module("tensorboard.backend.event_processing.event_file_loader")
        tensors = importlib.import_module("tensorboard.util.tensor_util")
    except ImportError as err:
        raise UserError("TensorBoard files need tensorboard", "pip install 'trainctl-cockpit[tensorboard]'") from err
    return loading.LegacyEventFileLoader, tensors.make_ndarray
