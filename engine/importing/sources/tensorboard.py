"""Folders of TensorBoard events: which of them are trainings of their own, and which are parts of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from trainctl.engine.diagnosis.logs.places import settle_places
from trainctl.engine.diagnosis.logs.readers.events import FILE_MARK, FORMAT, Part, part_of, read_parts
from trainctl.engine.errors import UserError
from trainctl.engine.importing.foreign import Foreign, Source, clean_name
from trainctl.engine.importing.sources.settings import HPARAMS, plain, yaml_mapping
from trainctl.engine.importing.sources.walking import files_below

TOOL = "tensorboard"
HERE = "."


def event_sources(folder: Path) -> Sequence[Source]:
    """The trainings of which there are events in a folder or below it; empty: there are none."""
    places = _by_place(folder)
    parts: dict[str, list[str]] = {}
    for place in sorted(places, key=lambda place: (place.count("/"), place)):
        parts.setdefault(_root_of(place, places, parts), []).append(place)
    return [_source(folder, root, tuple(places)) for root, places in parts.items()]


def _by_place(folder: Path) -> dict[str, list[Path]]:
    """Event files by their folder, as its path from the one that is named."""
    found: dict[str, list[Path]] = {}
    for path in files_below(folder, lambda name: FILE_MARK in name):
        found.setdefault(str(path.parent.relative_to(folder)), []).append(path)
    for paths in found.values():
        paths.sort(key=lambda path: path.name)  # which begins with the time
    return found


def _root_of(place: str, places: Mapping[str, Sequence[Path]], known: Mapping[str, Sequence[str]]) -> str:
    """The folder of the training that a place is of: itself, or one above it of which it is a part."""
    if place == HERE:
        return HERE
    above, part = _above(place), part_of(place)
    if part.split and not part.name:
        return above  # `train` and `validation` of one training
    while True:
        if above in known and not _have_tags_in_common(places[place], places.get(above, ())):
            return above
        if above == HERE:
            return place
        above = _above(above)


def _above(place: str) -> str:
    return place.rpartition("/")[0] or HERE


def _have_tags_in_common(one: Sequence[Path], other: Sequence[Path]) -> bool:
    """Whether both log the same: then they are trainings of their own."""
    try:
        first, second = (_tags(paths) for paths in (one, other))
    except UserError:  # said when it is read
        return True
    return bool(first & second) or not first or not second


def _tags(paths: Sequence[Path]) -> set[tuple[str, str]]:
    return set(read_parts([(Part("", ""), path) for path in paths]).scalars.scalars)


def _source(folder: Path, root: str, places: tuple[str, ...]) -> Source:
    top = folder if root == HERE else folder / root
    name = clean_name(folder.resolve().name if root == HERE else root) or "events"

    def files() -> tuple[Path, ...]:
        found = _by_place(folder)
        return tuple(path for place in places for path in found.get(place, ()))

    def read() -> Foreign:
        found = _by_place(folder)
        parts = [(_part(place, root), path) for place in places for path in found.get(place, ())]
        log = read_parts(parts)
        table = settle_places(log.scalars.table(top, FORMAT))
        settings = plain(log.settings) or yaml_mapping(top / HPARAMS)
        return Foreign(name, TOOL, top, table, settings)

    return Source(name, top, files, read)


def _part(place: str, root: str) -> Part:
    return Part("", "") if place == root else part_of(place)
