"""Makes run directories of foreign trainings: named after their sources, none twice, nothing overwritten.

A run appears in the folder of runs when it is complete.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from trainctl.engine.diagnosis.logs.roles import Roles, parse_roles
from trainctl.engine.diagnosis.records.imported import ORIGIN
from trainctl.engine.errors import UserError
from trainctl.engine.importing.foreign import Foreign, Source
from trainctl.engine.importing.image import Image, image_of
from trainctl.engine.importing.writing import Origin, preset_of, write_run
from trainctl.engine.runs.atomic import disk_errors
from trainctl.engine.runs.index import make_private, new_name, run_names
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.meta import read_meta


@dataclass(frozen=True)
class Imported:
    """What came of one training."""

    source: Source
    run: RunPaths
    is_new: bool
    """False: the same was imported before, as this run."""
    image: Image
    older: str = ""
    """Name of the newest run that was imported from the same source before it grew; empty: none."""


class Shelf:
    """The imported runs of a folder, by what they were made of."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self._by_fingerprint: dict[str, str] = {}
        self._by_source: dict[tuple[str, str], str] = {}
        for name in reversed(run_names(runs_dir)):
            origin = _origin(RunPaths(runs_dir / name))
            if origin:
                self._note(name, origin)

    def keep(self, source: Source, roles: str = "", name: str = "", *, force: bool = False) -> Imported:
        """Import one training.

        Args:
            source: the training.
            roles: what the user says of its names, as `parse_roles` takes it.
            name: to call the run by; empty: as its source is called.
            force: import it even if that was done before.

        Raises:
            UserError: it cannot be read, has no figures, or the disk refuses.
        """
        image, origin = look_at(source, parse_roles(roles) if roles else (), roles, name)
        known = self._by_fingerprint.get(origin.fingerprint)
        if known is not None and not force:
            return Imported(source, RunPaths(self.runs_dir / known), False, image)
        older = self._by_source.get((origin.path, origin.name), "")
        run = _written(self.runs_dir, image, origin)
        self._note(run.root.name, {"fingerprint": origin.fingerprint, "path": origin.path, "name": origin.name})
        return Imported(source, run, True, image, older)

    def _note(self, name: str, origin: Mapping[str, Any]) -> None:
        self._by_fingerprint[str(origin.get("fingerprint"))] = name
        self._by_source[str(origin.get("path")), str(origin.get("name"))] = name


def look_at(source: Source, roles: Roles = (), columns: str = "", name: str = "") -> tuple[Image, Origin]:
    """A training as a run, and where it comes from.

    Raises:
        UserError: it cannot be read, or has no figures that could be a training's.
    """
    size, modified = _extent(source)
    foreign = replace(source.read(), name=name or source.name)
    image = image_of(foreign, roles, modified)
    if not len(image):
        raise UserError(f"{source.path}: {source.name} has no figures of a training", "say what they are by --columns")
    path = str(source.path.absolute())
    return image, Origin(path, foreign.tool, source.name, _fingerprint(foreign, columns), modified, size, columns)


def _extent(source: Source) -> tuple[int, float]:
    """Bytes of a source, and when it was last written."""
    size, modified = 0, 0.0
    for path in source.files():
        with contextlib.suppress(OSError):
            found = path.stat()
            size, modified = size + found.st_size, max(modified, found.st_mtime)
    return size, modified


def _fingerprint(foreign: Foreign, columns: str) -> str:
    """Of all that was read: the same figures under the same names, wherever they lie."""
    digest = hashlib.sha256()
    table = foreign.table
    digest.update(repr((foreign.tool, foreign.name, columns, table.num_rows)).encode("utf-8", "replace"))
    for column in table.columns:
        digest.update(repr((column.name, column.split)).encode("utf-8", "replace"))
        for values in (column.rows, column.values):
            digest.update(np.ascontiguousarray(values).data)
    for places in (table.steps, table.epochs):
        digest.update(np.ascontiguousarray(places).data)
    return digest.hexdigest()


def _written(runs_dir: Path, image: Image, origin: Origin) -> RunPaths:
    """The run, written aside and then moved to its place."""
    with disk_errors(runs_dir):
        make_private(runs_dir)
    with _aside(runs_dir) as folder:
        run = RunPaths(folder / "run")
        with disk_errors(run.root):
            run.root.mkdir(mode=0o700)
        write_run(run, image, origin)
        while True:
            target = runs_dir / new_name(preset_of(image))
            if not target.exists():
                with disk_errors(target):
                    run.root.rename(target)
                return RunPaths(target)


@contextlib.contextmanager
def _aside(runs_dir: Path) -> Generator[Path]:
    """A hidden folder that is removed, whatever happens."""
    folder = runs_dir / f".importing-{os.getpid()}-{os.urandom(4).hex()}"
    with disk_errors(folder):
        folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _origin(paths: RunPaths) -> Mapping[str, Any]:
    """What an imported run says of where it comes from; empty where it is none."""
    try:
        found = (read_meta(paths) or {}).get(ORIGIN)
    except UserError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
