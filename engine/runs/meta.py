"""Where a run came from: command line, seed, code revision, versions, machine. Written once, at the start.

Versions come from package metadata, so that nothing heavy is imported. No user name is recorded.
"""

from __future__ import annotations

import contextlib
import math
import platform
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from trainctl.engine.runs.atomic import DamagedFileError, read_json, write_json_atomic
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import SCHEMA

PACKAGES = ("trainctl-cockpit", "torch", "numpy", "scikit-learn", "pydantic", "textual", "pillow")
GIT_TIMEOUT_S = 3.0
CLOSE = 0.05
"""Of the standard error of an average: as far apart may two be of the same samples, decoded by different libraries."""
ROUNDING = 1e-5


def collect_meta(
    argv: Sequence[str], seed: int, extra: Mapping[str, Any] | None = None, *, cwd: Path | None = None
) -> dict[str, Any]:
    """Content of `meta.json`.

    Args:
        argv: the command line that started the run.
        seed: seed of the run.
        extra: what only the trainer knows, e.g. `preset`, `task`, `device`, `num_parameters`.
        cwd: working directory; default: the present one.
    """
    folder = Path.cwd() if cwd is None else cwd
    return {
        "schema": SCHEMA,
        "argv": [_without_home(word) for word in argv],
        "cwd": _without_home(str(folder)),
        "seed": seed,
        "git": git_state(folder),
        "versions": package_versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": socket.gethostname(),
        "started": time.time(),
    } | dict(extra or {})


def write_meta(paths: RunPaths, meta: Mapping[str, Any]) -> None:
    """Write `meta.json`.

    Raises:
        UserError: the disk refuses.
    """
    write_json_atomic(paths.meta, meta, sync=True)


def read_meta(paths: RunPaths) -> dict[str, Any] | None:
    """Content of `meta.json`; None where it is not written yet.

    Raises:
        UserError: damaged, or written by a newer version.
    """
    return read_json(paths.meta)


def same_samples(one: Any, other: Any) -> bool | None:
    """Whether two fingerprints (`data_id` of a split) are of the same samples; None: they cannot tell, as old ones.

    Where it was known, the content decides: a folder that was moved, files that were renamed and another order are the
    same samples, other pictures under the same names are not. Else names and labels do.
    """
    if not one or not other or type(one) is not type(other):
        return None
    if not isinstance(one, dict):
        return bool(one == other)
    first, second = cast("dict[str, Any]", one), cast("dict[str, Any]", other)
    if any(first.get(name) != second.get(name) for name in ("num", "classes")):
        return False
    sketches = _sketch(first), _sketch(second)
    if first.get("shape") == second.get("shape") and all(sketches):
        return _are_close(*sketches, first.get("num"))
    return first.get("names") == second.get("names")


def refuse_newer(paths: RunPaths) -> None:
    """Refuse a run of which any file was written by a newer version; what is damaged is the reader's business.

    Raises:
        UserError: names the file and the versions.
    """
    for path in (paths.meta, paths.status, paths.steps_layout, paths.summary):
        with contextlib.suppress(DamagedFileError):
            read_json(path)


def package_versions(names: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Installed version of each package; those that are not installed are left out."""
    from importlib.metadata import (  # slow to import, and the cockpit reads `meta.json` only
        PackageNotFoundError,
        version,
    )

    found: dict[str, str] = {}
    for name in names:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def git_state(folder: Path) -> dict[str, Any] | None:
    """`revision` and `dirty` (tracked files changed) of the repository around `folder`; None without one."""
    revision = _git(folder, "rev-parse", "HEAD")
    if revision is None:
        return None
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"revision": revision, "dirty": None if changes is None else changes != ""}


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _without_home(text: str) -> str:
    home = str(Path.home())
    return text.replace(home, "~") if len(home) > 1 else text


def _sketch(about: Mapping[str, Any]) -> list[tuple[float, float]]:
    """Every average with its deviation, in the order of the tensors' names; empty where it makes no sense."""
    found = about.get("sketch")
    try:
        tensors = sorted(cast("dict[str, Any]", found).items()) if isinstance(found, dict) else []
        return [(float(mean), float(deviation)) for _, pairs in tensors for mean, deviation in pairs]
    except (TypeError, ValueError):
        return []


def _are_close(one: Sequence[tuple[float, float]], other: Sequence[tuple[float, float]], num: Any) -> bool:
    if len(one) != len(other):
        return False
    root = math.sqrt(max(num, 1)) if isinstance(num, int) else 1.0
    return all(
        abs(a - b) <= CLOSE * max(s, t) / root + ROUNDING * max(abs(a), abs(b), s)
        for (a, s), (b, t) in zip(one, other, strict=True)
    )
