"""Reads TensorBoard event files: which of them are one training, and their scalars as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainctl.engine.diagnosis.logs.names import SPLITS, meaning_of, words_of
from trainctl.engine.diagnosis.logs.readers.event_records import EventLog
from trainctl.engine.diagnosis.logs.table import LogTable
from trainctl.engine.errors import UserError

FORMAT = "TensorBoard events"
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


@dataclass(frozen=True)
class Part:
    """What a folder below the one that is read says of the values in it."""

    split: str
    name: str
    """Put before the tags, where the folder says more than the part of the training: `loss_discriminator`."""


def part_of(place: str) -> Part:
    """What a folder, as its path from the one that is read, says of its values."""
    if place in (".", ""):
        return Part("", "")
    last = place.rpartition("/")[2]
    split = meaning_of(last).split
    return Part(split, "" if split and words_of(last)[0] in SPLITS[split] and len(words_of(last)) == 1 else last)


def read_event_folder(folder: Path) -> LogTable:
    """The scalars of a folder: of a training whose parts may lie in folders of their own, such as `train/`.

    Raises:
        UserError: it holds several trainings, or a file cannot be read.
    """
    by_place: dict[str, list[Path]] = {}
    for path in event_files(folder):
        by_place.setdefault(str(path.parent.relative_to(folder)), []).append(path)
    parts = {place: part_of(place) for place in by_place}
    _refuse_several([place for place, part in parts.items() if not part.split], by_place, folder)
    files = [(parts[place], path) for place, paths in by_place.items() for path in paths]
    return read_parts(files).scalars.table(folder, FORMAT)


def read_events(paths: Sequence[Path], source: str) -> LogTable:
    """The scalars of some event files; what was logged at one step is one row.

    Raises:
        UserError: a file is damaged.
    """
    return read_parts([(Part("", ""), path) for path in paths]).scalars.table(source, FORMAT)


def read_parts(files: Sequence[tuple[Part, Path]]) -> EventLog:
    """What the files of one training say.

    Raises:
        UserError: one of them is damaged.
    """
    log = EventLog()
    for part, path in files:
        log.read(path, part.split, f"{part.name}/" if part.name else "")
    return log


def _refuse_several(places: Sequence[str], by_place: Mapping[str, list[Path]], folder: Path) -> None:
    """Folders that say no part of a training, with the same tags in them, are trainings of their own."""
    if len(places) < 2:
        return
    seen: dict[str, str] = {}
    for place in places:
        tags = {tag for _, tag in read_parts([(Part("", ""), path) for path in by_place[place]]).scalars.scalars}
        for tag in sorted(tags):
            if tag in seen:
                raise UserError(
                    f"{folder} holds several trainings: {seen[tag]} and {place} both have {tag}", "name one of them"
                )
            seen[tag] = place
