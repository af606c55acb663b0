"""`trainctl predict`: applies a checkpoint to the user's files, a line each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trainctl.engine.data.image_files import files_below
from trainctl.engine.errors import UserError
from trainctl.engine.files import is_folder, is_there
from trainctl.tui.cli.options import (
    DEFAULT_RUNS_DIR,
    Checkpoint,
    Device,
    Json,
    RunsDir,
    Set,
    TrainedRun,
    Trust,
    Weights,
    all_overrides,
    names_and_overrides,
)
from trainctl.tui.cli.output import say, say_json
from trainctl.tui.cli.past_run import trained_run

if TYPE_CHECKING:
    from trainctl.engine.tasks.task import Row


def command(
    run: TrainedRun,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE... [KEY=VALUE]...",
            help="Files or folders to apply it to; overrides of the run's configuration, as with --set.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", "-d", metavar="PATH", help="The same as FILE.")] = None,
    checkpoint: Checkpoint = "best",
    weights: Weights = "",
    sets: Set = None,
    device: Device = None,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Apply a checkpoint to files, in their order: a line for each, or for each of the samples that one holds.

    Bad files in folders are named and left out.
    """
    names, positional = names_and_overrides(words or (), Path())
    files = [*map(Path, names), *([] if data is None else [data])]
    if not files:
        raise UserError("no file to apply it to", "name files or folders")
    overrides = all_overrides(sets, positional, device)
    past, path = trained_run(run, runs_dir, checkpoint, weights, overrides=overrides, trust=trust)
    found = expand(files)

    from trainctl.engine.training.restore import predict, restore

    task = past.task_type
    paths = chosen(found, files, task.file_suffixes)
    trained = restore(path, past.resolved, task, past.data, weights=weights)
    bad: list[Path] = []

    def leave_out(file: Path, err: UserError) -> None:
        if file in files:
            raise err  # it was named
        bad.append(file)
        say(f"trainctl: warning: {err.message}; left out", err=True)

    rows = predict(trained, paths, past.resolved.config.train.validation_batch_size, leave_out)
    if bad and not rows:
        raise UserError(f"none of the {len(bad)} files can be read", "give files that the task takes")
    for file, row in rows:
        _say(file, row, as_json=json)


def expand(files: list[Path]) -> list[Path]:
    """The files, and those inside folders, in order.

    Raises:
        UserError: a path does not exist.
    """
    found: list[Path] = []
    for path in files:
        if is_folder(path):
            found += files_below(path)
        elif is_there(path):
            found.append(path)
        else:
            raise UserError(f"file not found: {path}", "give files or folders that exist")
    return found


def chosen(found: list[Path], named: list[Path], suffixes: frozenset[str]) -> list[Path]:
    """Every file that was named, and of those in folders what the task takes.

    Raises:
        UserError: none is left.
    """
    kept = [path for path in found if not suffixes or path in named or path.suffix.lower() in suffixes]
    if not kept:
        wanted = f" ({', '.join(sorted(suffixes))})" if suffixes else ""
        raise UserError(f"no files in {', '.join(map(str, named))}", f"give files or folders that hold some{wanted}")
    return kept


def _say(file: Path, row: Row, *, as_json: bool) -> None:
    if as_json:
        say_json({"file": file, **row})
        return
    parts = (f"{value:.4f}" if isinstance(value, float) else str(value) for value in row.values())
    say(f"{file}  " + "  ".join(f"{name} {part}" for name, part in zip(row, parts, strict=True)))
