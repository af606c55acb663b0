"""What an assistant may look at: runs of one folder by their names, and logs below another folder. Reads no content."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from trainctl.engine.errors import UserError
from trainctl.engine.files import is_folder, is_there
from trainctl.engine.runs.index import LATEST, find_run, run_names
from trainctl.engine.runs.layout import RunPaths


@dataclass(frozen=True)
class Grounds:
    """Two folders, and nothing beside them.

    Whoever may write into them while a tool reads can still lead it elsewhere: this keeps an assistant on its grounds,
    it is no prison for other users of the machine.
    """

    runs_dir: Path
    root: Path
    """Above all logs."""

    def run(self, ref: str) -> RunPaths:
        """The run of the folder that is called so: name, part of it, or `latest`; never a path.

        Raises:
            UserError: there is none, several fit, or it or one of its files lies elsewhere.
        """
        is_name = not {"/", "\\", "\0"} & set(ref) and ref not in ("", ".", "..")
        if not is_name:
            raise UserError(f"{ref!r} is no name of a run", "list_runs has them")
        if ref not in (LATEST, "last") and not any(ref in name for name in run_names(self.runs_dir)):
            raise UserError(f"no run {ref!r} in {self.runs_dir}", "list_runs has them")
        paths = find_run(self.runs_dir, ref)
        _refuse_outside([paths.root, *paths.root.iterdir()], self.runs_dir, ref)
        return paths

    def log(self, ref: str) -> Path:
        """The log that is meant: a file, or a folder of TensorBoard's, below the root.

        Raises:
            UserError: there is none, or it lies elsewhere.
        """
        if "\0" in ref:
            raise UserError(f"{ref!r} is no path")
        path = self.root / ref
        _refuse_outside([path], self.root, ref)
        if not is_there(path):
            raise UserError(f"file not found: {ref}", f"name one below {self.root.resolve()}")
        if is_folder(path):
            from trainctl.engine.diagnosis.logs.readers.events import event_files

            _refuse_outside(event_files(path), self.root, ref)
        return path.resolve()


def _refuse_outside(paths: Iterable[Path], folder: Path, ref: str) -> None:
    """Refuse what is not below a folder, links followed."""
    whole = folder.resolve()
    for path in paths:
        if not path.resolve().is_relative_to(whole):
            raise UserError(
                f"{ref}: outside {whole}", "whoever starts `trainctl mcp` says what may be read: --runs-dir, --root"
            )
