"""What the code of a user's task imports from beside it, at any time: noted where they run it, held to the notes else.

Stands before Python's own finders for as long as the process lives, because code may import a neighbour only while it
runs. Knows files and hashes, no task.
"""

from __future__ import annotations

import importlib.machinery as machinery
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import CodeType, ModuleType

from trainctl.engine.errors import UserError
from trainctl.engine.tasks.trust import HINT, Hashes, hash_of_bytes, read_code

INSTALLED = frozenset({"site-packages", "dist-packages"})
LOADERS = (
    (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES),
    (machinery.SourceFileLoader, machinery.SOURCE_SUFFIXES),
    (machinery.SourcelessFileLoader, machinery.BYTECODE_SUFFIXES),
)


class Neighbours(MetaPathFinder):
    """Watches what is imported from one folder, and from those below it.

    Args:
        code: the task's file, for messages.
        root: the folder, resolved; installed packages in it are passed over.
        noted: hashes by path of what may be imported; none: all may, and `found` tells what was.
        on_found: told, where all may, after each import once this is set.
    """

    def __init__(self, code: Path, root: Path, noted: Hashes | None) -> None:
        self.code, self.root, self._noted = code, root, noted
        self.found: set[Path] = set()
        self.on_found: Callable[[], object] | None = None
        self._folder = machinery.FileFinder(str(root), *LOADERS)

    def watch(self) -> None:
        """Begin, in the place of an earlier watch over the same code."""
        stay = [one for one in sys.meta_path if not (isinstance(one, Neighbours) and one.code == self.code)]
        sys.meta_path[:] = [self, *stay]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> machinery.ModuleSpec | None:
        """Where a module comes from, if that is beside the code; else none, and Python goes on looking.

        Raises:
            UserError: it is not what the user ran.
        """
        spec = None if fullname.partition(".")[0] == "trainctl" else self._beside(fullname, path, target)
        if spec is None or spec.origin is None:
            return None
        file = Path(spec.origin)
        if self._noted is None:
            self.found.add(file)
            if self.on_found is not None:
                self.on_found()
            return spec
        data = read_code(file)
        if data is None or self._noted.get(str(file)) != hash_of_bytes(data):
            raise UserError(f"the task {self.code} would import {file}, which is not what you ran it with", HINT)
        if file.suffix in machinery.SOURCE_SUFFIXES:
            spec.loader = _Checked(fullname, str(file), data)
        return spec

    def _beside(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> machinery.ModuleSpec | None:
        if path is not None:
            if not any(self._is_below(entry) for entry in path):
                return None
            spec = machinery.PathFinder.find_spec(fullname, path, target)
            return spec if spec is not None and spec.origin is not None and self._is_below(spec.origin) else None
        own = self._folder.find_spec(fullname, target)
        first = machinery.PathFinder.find_spec(fullname, None, target) if own is not None else None
        # Another folder may come first on the path; or the same, under another name.
        if own is None or own.origin is None or first is None or first.origin is None:
            return None
        return own if Path(own.origin).samefile(first.origin) else None

    def _is_below(self, place: str) -> bool:
        path = Path(place)
        return path.is_relative_to(self.root) and not INSTALLED & set(path.parts)


class _Checked(machinery.SourceFileLoader):
    """Runs the bytes that were hashed: not the file as it is by then, nor a cached compilation of another."""

    def __init__(self, fullname: str, path: str, data: bytes) -> None:
        super().__init__(fullname, path)
        self._data = data

    def get_code(self, fullname: str) -> CodeType:
        """Compiled anew."""
        return compile(self._data, self.path, "exec", dont_inherit=True)
