"""`trainctl data`: what training will see of the data: balance, batches, tensors, samples.

Asks the engine and prints its answer; with `--json` the pictures of the samples come with it, as bytes in base64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from trainctl.tui.cli.command_line import takes
from trainctl.tui.cli.configured import configured
from trainctl.tui.cli.options import Json, OverridableOptions
from trainctl.tui.cli.output import SCHEMA, print_json, print_meant, tell

WIDTH = 100
"""Columns that the text takes at most."""


@dataclass(frozen=True)
class DataOptions(OverridableOptions):
    """The options of `trainctl data`."""

    json: Json = False
    progress: Annotated[
        bool, typer.Option("--progress", help="Print each part on standard error when it is ready, a JSON line each.")
    ] = False


@takes(DataOptions)
def command(options: DataOptions) -> None:
    """Look at the data as training will see it: class balance, batches, tensors, samples."""
    wanted = configured(options)
    if options.progress:
        tell(section="loading", title=wanted.title)

    from trainctl.engine.diagnosis.probes.audit import audit

    sections: dict[str, Any] = {}
    for name, section in audit(wanted.task_type(wanted.resolved.config, wanted.data)):
        sections[name] = section
        if options.progress:
            tell(section=name, found=section)
    if options.json:
        print_json({"schema": SCHEMA, "title": wanted.title, **sections})
    else:
        _print(wanted.title, sections)


def _print(title: str, sections: dict[str, Any]) -> None:
    import shutil

    from trainctl.tui.words.data import TITLES, Lines, section_lines

    width = min(shutil.get_terminal_size((WIDTH, 24)).columns, WIDTH)
    lines: Lines = [((title, "bold"),)]
    for name, section in sections.items():
        lines += [(("", ""),), ((TITLES[name], "bold"),), *section_lines(name, section, width)]
    print_meant(lines)
