"""`trainctl report`: one HTML file about runs, for somebody without a terminal.

Finds the runs, and writes the file; what is in it is `tui.report`'s.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trainctl.engine.errors import UserError
from trainctl.engine.files import is_file, is_folder, is_there, open_regular
from trainctl.tui.cli.command_line import takes
from trainctl.tui.cli.options import DEFAULT_RUNS_DIR, Lang, RunsDir
from trainctl.tui.cli.outcome import STANDARD_OUTPUT
from trainctl.tui.cli.output import print_document, say
from trainctl.tui.words.language import chosen_language, speaking

if TYPE_CHECKING:
    from trainctl.engine.importing.passing import Passing
    from trainctl.engine.runs.layout import RunPaths

HEAD_BYTES = 400
"""Within these a report of ours says that it is one."""
MOST_LETTERS = 150
MOST_NAMES = 3
"""Runs that the file's own name is made of."""


@dataclass(frozen=True)
class ReportOptions:
    """The options of `trainctl report`."""

    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="Runs by name, part of it, path or `latest`, laid over one another; logs of other tools.",
            show_default=False,
        ),
    ] = None
    html: Annotated[
        str | None,
        typer.Option(
            "--html", metavar="FILE|-", help="Where to write it; default: the run's name; -: standard output."
        ),
    ] = None
    columns: Annotated[
        str,
        typer.Option(
            "--columns",
            metavar="ROLE=NAME,...",
            help="With a log: what its names are, as for `trainctl diagnose`.",
            show_default=False,
        ),
    ] = ""
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is no report.")] = False
    runs_dir: RunsDir = DEFAULT_RUNS_DIR
    lang: Lang = None


@takes(ReportOptions)
def command(options: ReportOptions) -> None:
    """Write one HTML page about a run, or about several laid over one another, to send to somebody without a terminal.

    Verdict, curves, findings, final figures, promises, configuration, events, worst samples, how to train it again. It
    loads nothing and runs nothing.
    """
    from trainctl.engine.importing.passing import Passing

    with speaking(options.lang), Passing(options.runs_dir) as passing:
        called = _runs(options, passing)
        target = options.html or default_file(list(called.values()))
        check_target(target, overwrite=options.force)

        from trainctl.tui.report.page import page
        from trainctl.tui.report.subject import read_subject

        document = page(read_subject(list(called), called), chosen_language(options.lang))
        _write(target, document)


def _runs(options: ReportOptions, passing: Passing) -> dict[RunPaths, str]:
    """The runs that are named, each once, and what they are called: a log of another tool by its file."""
    from trainctl.engine.runs.index import find_run

    found: dict[RunPaths, str] = {}
    for name in options.runs or ["latest"]:
        foreign = passing.runs_of(name, options.columns)
        source = Path(name).expanduser().resolve().name
        for run in foreign:
            found[run] = source if len(foreign) == 1 else f"{source}: {_own_name(run)}"
        if not foreign:
            run = find_run(options.runs_dir, name)
            found.setdefault(run, run.root.name)
    return found


def _own_name(run: RunPaths) -> str:
    """What the tool called one of several trainings."""
    from trainctl.engine.runs.meta import read_meta

    origin = (read_meta(run) or {}).get("imported_from")
    return str(origin.get("name")) if isinstance(origin, dict) else run.root.name


def default_file(names: Sequence[str]) -> str:
    """The file in the working directory: after the runs."""
    from trainctl.tui.run.names import short_names

    told = list(names) if len(names) == 1 else short_names(names)[:MOST_NAMES]
    more = f"-and-{len(names) - MOST_NAMES}-more" if len(names) > MOST_NAMES else ""
    stem = re.sub(r"[^\w.-]+", "-", "-".join(told)).strip("-.")[:MOST_LETTERS]
    return f"{stem}{more}-report.html"


def check_target(target: str, *, overwrite: bool) -> None:
    """Refuse to write over something else, before anything is read.

    Raises:
        UserError: it is a folder, a device, or a file that is no report of ours; there is no such folder.
    """
    if target == STANDARD_OUTPUT:
        return
    path = Path(target).expanduser()
    if is_folder(path):
        raise UserError(f"--html {path}: a folder", "name a file in it")
    if not is_there(path):
        if not is_folder(path.parent):
            raise UserError(f"--html {path}: no folder {path.parent}", "make it first")
        return
    if not is_file(path):
        raise UserError(f"--html {path}: no file", "name another file")
    if not overwrite and not _is_report(path):
        raise UserError(f"--html {path}: a file that is no report is there already", "name another file, or --force")


def _is_report(path: Path) -> bool:
    from trainctl.engine.runs.atomic import disk_errors
    from trainctl.tui.report.page import MARK

    with disk_errors(path), open_regular(path) as file:
        head = file.read(HEAD_BYTES)
    return not head or MARK.encode() in head


def _write(target: str, document: str) -> None:
    if target == STANDARD_OUTPUT:
        print_document(document)
        return
    from trainctl.engine.runs.atomic import write_atomic

    path = Path(target).expanduser()
    data = document.encode()
    write_atomic(path, data)
    say(f"wrote {path}  {len(data) / 1000:,.0f} kB")
