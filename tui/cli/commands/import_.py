"""`trainctl import`: makes run directories of what other tools recorded, so that everything opens them like its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trainctl.engine.errors import ExitCode, UserError
from trainctl.tui.cli.options import DEFAULT_RUNS_DIR, Json, RunsDir
from trainctl.tui.cli.output import print_json, say

if TYPE_CHECKING:
    from trainctl.engine.importing.foreign import Source
    from trainctl.engine.importing.keeping import Imported


def command(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="Log, trainer state, TensorBoard folder, mlruns or wandb folder, MLflow or trackio database.",
        ),
    ],
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="What to call the run; default: as its source.")
    ] = "",
    columns: Annotated[
        str,
        typer.Option(
            "--columns",
            metavar="ROLE=NAME,...",
            help="What names of the log are: train, val, test, lr, grad_norm, step, epoch, ignore.",
        ),
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Import again what was imported before.")] = False,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
    json: Json = False,
) -> int:
    """Make a run directory of each training that PATH holds; the files themselves are only read.

    `trainctl ui PATH` looks at them without that, and follows a file that grows.
    """
    from trainctl.engine.importing.found import find_sources
    from trainctl.engine.importing.keeping import Shelf

    sources = [source for path in paths for source in find_sources(path.expanduser())]
    if name and len(sources) > 1:
        raise UserError(f"--name {name}: there are {len(sources)} trainings", "name one of them, or leave it out")
    shelf = Shelf(runs_dir)
    done: list[Imported] = []
    refused: list[str] = []
    for kept in _each(sources, lambda source: shelf.keep(source, columns, name, force=force)):
        if isinstance(kept, UserError):
            refused.append(str(kept))
            continue
        done.append(kept)
        if not json:
            say(*_lines(kept))
    _tell(done, refused, json=json)
    return ExitCode.OK if done else ExitCode.USAGE


def _each(sources: Sequence[Source], keep: Callable[[Source], Imported]) -> Iterator[Imported | UserError]:
    """What comes of each training, or of one among several why there is nothing.

    Raises:
        UserError: the only one cannot be imported.
    """
    for number, source in enumerate(sources, 1):
        if len(sources) > 1 and sys.stderr.isatty():
            say(f"{number} of {len(sources)}: {source.name}", err=True)
        try:
            yield keep(source)
        except UserError as err:
            if len(sources) == 1:
                raise
            yield err


def _tell(done: Sequence[Imported], refused: Sequence[str], *, json: bool) -> None:
    for text in refused:
        say(f"trainctl: warning: {text}", err=True)
    if json:
        print_json({"schema": 1, "runs": [as_json(one) for one in done], "refused": list(refused)})
    elif len(done) > 1:
        new = sum(one.is_new for one in done)
        say(f"{new} imported, {len(done) - new} there already, {len(refused)} refused")


def _lines(one: Imported) -> Iterator[str]:
    run, image = one.run.root, one.image
    if not one.is_new:
        yield f"already imported: {one.source.name} is {run.name}; --force imports it again"
        return
    unit = image.places.unit
    extent = (
        f"{len(image):,} rows" if unit == "row" else f"{len(image):,} rows to {unit} {int(image.places.steps[-1]):,}"
    )
    yield f"imported {one.source.name} ({image.foreign.tool}, {extent}) as {run.name}"
    if one.older:
        yield f"  {one.older} is an earlier import of it"


def as_json(one: Imported) -> dict[str, Any]:
    """One imported training for scripts."""
    image = one.image
    return {
        "name": one.run.root.name,
        "path": str(one.run.root.absolute()),
        "source": str(one.source.path.absolute()),
        "source_name": one.source.name,
        "tool": image.foreign.tool,
        "is_new": one.is_new,
        "older": one.older or None,
        "rows": len(image),
        "step_unit": image.places.unit,
        "last_step": int(image.places.steps[-1]),
        "loss": image.parts.loss.name if image.parts.loss else None,
        "terms": [term.series.name for term in image.parts.terms],
        "results": {named.name: named.series.name for named in image.parts.results},
    }
