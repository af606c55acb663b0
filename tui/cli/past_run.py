"""What the commands on a finished run share: where its checkpoint, configuration and data are. Imports no torch."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainctl.engine.errors import UserError
from trainctl.engine.files import is_file
from trainctl.tui.cli.configured import Configured

if TYPE_CHECKING:
    from trainctl.engine.runs.layout import RunPaths


@dataclass(frozen=True)
class PastRun(Configured):
    """A run with something to evaluate; `data` is what it was trained on, unless other data was named."""

    paths: RunPaths


def past_run(ref: str, runs_dir: Path, data: Path | None, overrides: list[str], *, trust: bool = False) -> PastRun:
    """The run called `ref`, with its own configuration under `overrides`.

    Args:
        ref: name, path or unique part of a name.
        runs_dir: folder of runs.
        data: instead of what it was trained on.
        overrides: `key=value` each.
        trust: whether the code of its task may run though the user never ran it.

    Raises:
        UserError: no such run, it never started, or its task's code is not trusted.
    """
    from trainctl.engine.runs.index import find_run
    from trainctl.engine.runs.meta import read_meta
    from trainctl.engine.tasks.configured import running, with_overrides

    paths = find_run(runs_dir, ref)
    meta = read_meta(paths)
    if meta is None:
        raise UserError(f"{paths.root} has no meta.json, it never started", "start a new run")
    if "imported_from" in meta:
        words = f"{paths.root} was imported: it has no network, and no configuration of ours"
        raise UserError(words, "ui, compare, diagnose, tail and export open it")
    resolved = with_overrides(running(trust=trust).load_resolved(paths.config), overrides)
    recorded = meta.get("data")
    return PastRun(resolved, data or (Path(recorded) if recorded else None), paths)


def trained_run(
    ref: str,
    runs_dir: Path,
    checkpoint: str,
    weights: str,
    *,
    data: Path | None = None,
    overrides: list[str],
    trust: bool,
) -> tuple[PastRun, Path]:
    """The run called `ref`, or that of the checkpoint file `ref`, and the checkpoint that is asked for; see `past_run`.

    Raises:
        UserError: no such run, checkpoint or weights; `ref` is a file, and another checkpoint is asked for as well.
    """
    ref, checkpoint = _run_or_checkpoint(ref, checkpoint)
    run = past_run(ref, runs_dir, data, overrides, trust=trust)
    return run, _checkpoint_of(run.paths, checkpoint, weights)


def checkpoint_of_run(ref: str, runs_dir: Path, checkpoint: str, weights: str) -> tuple[RunPaths, Path]:
    """The same without the run's configuration and its task, for whoever needs the checkpoint alone.

    Raises:
        UserError: no such run, checkpoint or weights.
    """
    from trainctl.engine.runs.index import find_run

    ref, checkpoint = _run_or_checkpoint(ref, checkpoint)
    paths = find_run(runs_dir, ref)
    return paths, _checkpoint_of(paths, checkpoint, weights)


def _run_or_checkpoint(ref: str, checkpoint: str) -> tuple[str, str]:
    """Where `ref` is a checkpoint file, the folder it lies in and the file; else both as they are."""
    path = Path(ref)
    if not is_file(path):
        return ref, checkpoint
    if checkpoint != "best":
        raise UserError(f"{ref} and --checkpoint {checkpoint}: one of the two", "leave out --checkpoint")
    return str(path.parent), str(path)


def _checkpoint_of(paths: RunPaths, name: str, weights: str) -> Path:
    """`latest_model.pth` or `best_model.pth` of the run, or a path."""
    if weights not in ("", "raw", "ema"):
        raise UserError(f"--weights {weights}: no such weights", "use raw or ema")
    named = {"best": paths.best, "latest": paths.latest}
    path = named.get(name, Path(name))
    if is_file(path):
        return path
    there = [word for word, file in named.items() if is_file(file)]
    if name in named and not there:
        raise UserError(f"{paths.root} has no checkpoint", how_to_get_a_checkpoint(paths))
    words = " or ".join([*(f"--checkpoint {word}" for word in there), "the path of one"])
    raise UserError(f"checkpoint not found: {path}", f"use {words}")


def how_to_get_a_checkpoint(paths: RunPaths) -> str:
    """What to do about a run that has none: while it goes on it can be asked, once it is over nobody answers."""
    from trainctl.engine.runs.status import Liveness, liveness, read_status

    alive, _ = liveness(read_status(paths), time.time(), is_summed_up=paths.summary.exists())
    if alive in (Liveness.OVER, Liveness.CRASHED):
        return f"it is over: take its steps again (trainctl run --resume {shlex.quote(paths.root.name)}), or start anew"
    return "let it write one first (trainctl send RUN checkpoint)"
