"""Takes a run out of the folder of runs for good. Deletes nothing but what lies in that run's own directory.

The directory first gets a hidden name, in one move: nobody ever sees half a run. No link is followed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from trainctl.engine.errors import UserError
from trainctl.engine.runs.atomic import DiskError, disk_errors
from trainctl.engine.runs.folder.trial import TRIAL_NAME
from trainctl.engine.runs.index import LATEST, RunInfo, run_info
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.lock import LOCK_NAME
from trainctl.engine.runs.status import Liveness

WHERE = "list runs with: trainctl runs"
DOING = ".deleted-"
"""What the hidden name of a directory that is being deleted begins with."""


@dataclass(frozen=True)
class Removal:
    """What would be deleted."""

    paths: RunPaths
    info: RunInfo
    num_files: int
    num_bytes: int
    strange: tuple[str, ...]
    """Names in the directory that no part of trainctl gives to a file; they are deleted too."""


def check_run(root: Path, name: str) -> RunPaths:
    """The run of this very name, a directory in `root` that holds a run and that nobody writes to.

    Raises:
        UserError: it is none, or its process is there or may be.
    """
    paths = RunPaths(root / name)
    mode = _mode(paths.root) if _is_plain(name) else 0
    if stat.S_ISLNK(mode):
        raise UserError(f"{name} in {root} is a link", "give the name of the run itself")
    if not stat.S_ISDIR(mode):
        raise UserError(f"no run {name!r} in {root}", WHERE)
    own = _own_files(paths)
    if not any(stat.S_ISREG(_mode(paths.root / file)) for file in own):
        raise UserError(f"not a run directory: {paths.root}", "it holds none of a run's files")
    _refuse_live(paths)
    return paths


def removal(root: Path, name: str) -> Removal:
    """What deleting a run would delete; deletes nothing.

    Raises:
        UserError: as `check_run`, or it cannot be looked through.
    """
    paths = check_run(root, name)
    own = _own_files(paths)
    with disk_errors(paths.root):
        strange = tuple(sorted(entry.name for entry in paths.root.iterdir() if not _is_known(entry.name, own)))
        sizes = list(_sizes(paths.root))
    return Removal(paths, run_info(paths, time.time()), len(sizes), sum(sizes), strange)


def delete_run(root: Path, name: str) -> None:
    """Delete a run.

    Raises:
        UserError: as `check_run`; or the disk refuses, and what is left has a hidden name, which is said.
    """
    paths = check_run(root, name)
    hidden = root / f"{DOING}{name}-{os.urandom(2).hex()}"
    with unwritten(paths), disk_errors(paths.root):
        paths.root.rename(hidden)
    point_latest(root, name, "")
    try:
        shutil.rmtree(hidden)  # keeps to the directory it was given: it opens each below the one above, and no link
    except OSError as err:
        raise DiskError(f"{name} was not deleted whole: {err.strerror or err}", f"the rest is {hidden}") from err


@contextlib.contextmanager
def unwritten(paths: RunPaths) -> Generator[None]:
    """Within, no process begins to write this run.

    Raises:
        UserError: one does.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    with disk_errors(paths.root / LOCK_NAME):
        descriptor = os.open(paths.root / LOCK_NAME, flags, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{paths.root.name} is being written", _stop(paths.root.name)) from None
        except OSError:
            pass  # a file system without locks; that nobody writes was told from the status
        yield
    finally:
        os.close(descriptor)


def point_latest(root: Path, name: str, to: str) -> None:
    """Let the link to the newest run, where it points at `name`, point at another name; empty: take it away.

    Without a link the newest name is meant.
    """
    link = root / LATEST
    with contextlib.suppress(OSError):
        if link.is_symlink() and str(link.readlink()) == name:
            if to:
                temporary = root / f".{LATEST}.{to}"
                temporary.symlink_to(to, target_is_directory=True)
                temporary.replace(link)
            else:
                link.unlink()


def _refuse_live(paths: RunPaths) -> None:
    info = run_info(paths, time.time())
    if info.liveness is Liveness.LIVE or info.liveness is Liveness.STARTING:
        raise UserError(f"{paths.root.name} is {info.state or 'starting'}", _stop(paths.root.name))
    if info.liveness is Liveness.SILENT:
        raise UserError(f"{paths.root.name} is silent, but its process may be there", _stop(paths.root.name))


def _stop(name: str) -> str:
    return f"stop it first: trainctl send {name} stop"


def _is_plain(name: str) -> bool:
    """Whether it names something in a folder, and nothing below or above it."""
    return bool(name) and name not in (".", "..") and "/" not in name and "\0" not in name


def _mode(path: Path) -> int:
    """What lies there itself, not behind it; 0: nothing."""
    try:
        return path.lstat().st_mode
    except (OSError, ValueError):
        return 0


def _own_files(paths: RunPaths) -> tuple[str, ...]:
    """Names of the files that a run's directory holds."""
    named = [name for name, value in vars(RunPaths).items() if isinstance(value, property)]
    return (LOCK_NAME, TRIAL_NAME, paths.of_rank(0).root.parent.name, *(getattr(paths, name).name for name in named))


def _is_known(entry: str, own: tuple[str, ...]) -> bool:
    """Whether a name is one of a run's, of a checkpoint or its parts, or of a file that was about to replace one."""
    is_begun = entry.startswith(".") and entry.endswith(".tmp")
    return entry in own or is_begun or entry.endswith((".pth", ".parts", ".safetensors"))


def _sizes(folder: Path) -> Iterator[int]:
    """Bytes of every file below; of a link its own."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _sizes(Path(entry.path))
            else:
                yield entry.stat(follow_symlinks=False).st_size
