"""The folder of runs: makes a run directory, finds one by what the user typed, lists them.

Reads only the small files; a broken run directory is shown as broken and never stops the others.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainctl.engine.errors import UserError
from trainctl.engine.files import is_folder, is_there
from trainctl.engine.runs.atomic import disk_errors
from trainctl.engine.runs.beginning import beginning
from trainctl.engine.runs.folder.best_so_far import best_so_far
from trainctl.engine.runs.folder.trial import Trial, read_trial
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.meta import read_meta, refuse_newer
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Liveness, Status, liveness, read_status
from trainctl.engine.runs.summary import Best, Summary, read_summary

RUNS_VARIABLE = "TRAINCTL_RUNS_DIR"
LATEST = "latest"
MAX_CANDIDATES = 5


@dataclass(frozen=True)
class RunInfo:
    """One line of the list of runs."""

    name: str
    paths: RunPaths
    preset: str
    state: RunState | None
    """None: nothing written yet, or not readable."""
    liveness: Liveness
    step: int
    total_steps: int
    epoch: int
    epochs: int
    best: Best | None
    started: float
    """Seconds since 1970; from the folder's time where the run has not said."""
    seconds: float
    """How long it ran, or has been running."""
    age_s: float
    """Since the last sign of life."""
    problem: str = ""
    """Why it cannot be read; empty if it can."""
    task: str = ""
    """Name of its task; empty where the run does not say."""
    trial: Trial | None = None
    """Which study it is a trial of; None: of none."""
    seen: float = 0.0
    """When it last gave a sign of life, seconds since 1970."""


@dataclass(frozen=True)
class SmallFiles:
    """What the small files of a run say; None: not written yet, or not readable."""

    meta: dict[str, Any] | None
    status: Status | None
    summary: Summary | None
    trial: Trial | None
    best: Best | None
    """Of the summary; before there is one, the best so far."""
    problem: str


def runs_root(option: Path | None, environ: Mapping[str, str]) -> Path:
    """Folder that holds the runs: the option, `TRAINCTL_RUNS_DIR`, or `./runs`."""
    return option or Path(environ.get(RUNS_VARIABLE) or "runs")


def create_run(root: Path, preset: str) -> RunPaths:
    """Make a new run directory `<YYYYmmdd-HHMMSS>-<preset>-<id>`, mode 0700, and point `latest` at it.

    Raises:
        UserError: the disk refuses.
    """
    with disk_errors(root):
        make_private(root)
        while True:
            name = new_name(preset)
            with contextlib.suppress(FileExistsError):
                (root / name).mkdir(mode=0o700)
                _give_us_rights(root / name)
                break
    _point_latest(root, name)
    return RunPaths(root / name)


def new_name(preset: str) -> str:
    """Name of a run that begins now: `<YYYYmmdd-HHMMSS>-<preset>-<id>`."""
    label = re.sub(r"[^A-Za-z0-9._-]+", "-", _short_name(preset)).strip("-.") or "run"
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{label[:60]}-{os.urandom(2).hex()}"


def make_private(root: Path) -> None:
    """Make the folder of runs, with those above it: whatever the umask, nobody else writes there, and we do.

    Commands are obeyed from there, and who may write above it can put another folder in its place.
    """
    missing = [path for path in (root, *root.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700 if path == root else 0o755, exist_ok=True)
        _give_us_rights(path)


def _give_us_rights(folder: Path) -> None:
    """An umask may have taken away those of the owner."""
    if folder.stat().st_mode & 0o700 != 0o700:
        folder.chmod(0o700)


def find_run(root: Path, ref: str) -> RunPaths:
    """The run meant by `ref`: a path, a name, a unique beginning or part of one, `latest` or `last`.

    Raises:
        UserError: none or several fit; names candidates. Or a newer version wrote it.
    """
    paths = _find(root, ref)
    refuse_newer(paths)
    return paths


def _find(root: Path, ref: str) -> RunPaths:
    if ref in (LATEST, "last"):
        return _latest(root)
    path = Path(ref).expanduser()
    if "/" in ref or ref in (".", ".."):
        return _run_at(path)
    names = run_names(root)
    if ref in names:
        return RunPaths(root / ref)
    for matches in ([n for n in names if n.startswith(ref)], [n for n in names if ref in n]):
        if len(matches) == 1:
            return RunPaths(root / matches[0])
        if matches:
            raise UserError(f"{len(matches)} runs fit {ref!r}", f"say more: {_some(matches)}")
    if is_folder(path):
        return _run_at(path)
    raise UserError(f"no run {ref!r} in {root}", f"there is: {_some(names)}" if names else "it holds no run yet")


def run_names(root: Path) -> list[str]:
    """Names of the runs in `root`, newest first. Empty where there is no such folder.

    Raises:
        UserError: the folder cannot be read.
    """
    try:
        entries = [entry.name for entry in os.scandir(root) if _is_ours(entry)]
    except FileNotFoundError:
        return []
    except OSError as err:
        raise UserError(f"cannot read {root}: {err.strerror}", "give --runs-dir") from err
    return sorted((name for name in entries if looks_like_run(root / name)), reverse=True)


def _is_ours(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, no link, and not hidden: what is being deleted is."""
    return not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)


def looks_like_run(folder: Path) -> bool:
    """Whether a folder is a run: by its name, or by a file only runs have."""
    if re.fullmatch(r"\d{8}-\d{6}-.+-[0-9a-f]{4}", folder.name):
        return True
    paths = RunPaths(folder)
    return any(is_there(file, strict=False) for file in (paths.meta, paths.status, paths.steps_layout, paths.summary))


def list_runs(root: Path, limit: int | None = None, now: float | None = None) -> list[RunInfo]:
    """The runs in `root`, newest first; at most `limit`.

    Raises:
        UserError: the folder cannot be read.
    """
    when = time.time() if now is None else now
    return [run_info(RunPaths(root / name), when) for name in run_names(root)[:limit]]


def run_info(paths: RunPaths, now: float) -> RunInfo:
    """What the small files of one run say. Never raises; see `RunInfo.problem`."""
    return info_of(paths, read_small_files(paths), now)


def read_small_files(paths: RunPaths) -> SmallFiles:
    """The small files of one run. Never raises."""
    problem, meta, status, summary = "", None, None, None
    try:
        meta, status, summary = read_meta(paths), read_status(paths), read_summary(paths)
    except UserError as err:
        problem = str(err)
    best = summary.best if summary else best_so_far(paths) if status else None
    return SmallFiles(meta, status, summary, read_trial(paths), best, problem)


def info_of(paths: RunPaths, files: SmallFiles, now: float) -> RunInfo:
    """What they come to at a moment (seconds since 1970): whether its process is there is asked here."""
    meta, status, summary = files.meta, files.status, files.summary
    alive, age_s = liveness(status, now, is_summed_up=summary is not None)
    if status is None and summary is None:
        alive, _ = beginning(paths, meta, now)
    started = _started(paths, meta, status)
    task = (meta or {}).get("task")
    return RunInfo(
        name=paths.root.name,
        paths=paths,
        preset=_preset(meta, status),
        state=_state(status, summary, alive),
        liveness=alive,
        step=status.step if status else summary.steps if summary else 0,
        total_steps=status.total_steps if status else 0,
        epoch=status.epoch if status else 0,
        epochs=status.epochs if status else 0,
        best=files.best,
        started=started,
        seconds=_seconds(status, summary, started),
        age_s=age_s if status else max(now - started, 0.0),
        problem=files.problem,
        task=task if isinstance(task, str) else "",
        trial=files.trial,
        seen=status.heartbeat if status else started,
    )


def _started(paths: RunPaths, meta: dict[str, Any] | None, status: Status | None) -> float:
    if meta and isinstance(meta.get("started"), (int, float)):
        return float(meta["started"])
    if status:
        return status.started
    try:
        return paths.root.stat().st_mtime
    except OSError:
        return 0.0


def _state(status: Status | None, summary: Summary | None, alive: Liveness) -> RunState | None:
    if summary and alive is Liveness.OVER:
        return summary.state
    return status.state if status else None


def _preset(meta: dict[str, Any] | None, status: Status | None) -> str:
    return status.preset if status else str((meta or {}).get("preset", ""))


def _seconds(status: Status | None, summary: Summary | None, started: float) -> float:
    if summary:
        return summary.seconds
    return max(status.heartbeat - started, 0.0) if status else 0.0


def _short_name(preset: str) -> str:
    """`digits-Digits` of `docs/examples/digits.py:Digits`; others as they are."""
    file, _, class_name = preset.rpartition(":")
    return f"{Path(file).stem}-{class_name}" if file.endswith(".py") else preset


def _point_latest(root: Path, name: str) -> None:
    link = root / LATEST
    if link.exists() and not link.is_symlink():
        return  # the user has something of that name
    temporary = root / f".{LATEST}.{name}"
    # A file system without links has none: `latest` then means the newest name.
    with contextlib.suppress(OSError, NotImplementedError):
        temporary.symlink_to(name, target_is_directory=True)
        temporary.replace(link)


def _latest(root: Path) -> RunPaths:
    link = root / LATEST
    if link.is_symlink() and is_folder(link, strict=False):
        return RunPaths(root / link.readlink())
    names = run_names(root)
    if not names:
        raise UserError(f"no run in {root} yet", "start one with: trainctl run, or give --runs-dir")
    return RunPaths(root / names[0])


def _run_at(path: Path) -> RunPaths:
    if not is_folder(path):
        raise UserError(f"no such run directory: {path}", "list runs with: trainctl runs")
    if not looks_like_run(path.resolve()):
        raise UserError(f"not a run directory: {path}", "list runs with: trainctl runs")
    return RunPaths(path.resolve())


def _some(names: list[str]) -> str:
    more = f" and {len(names) - MAX_CANDIDATES} more" if len(names) > MAX_CANDIDATES else ""
    return ", ".join(names[:MAX_CANDIDATES]) + more
