"""`trainctl data`: what training will see of the data: balance, batches, tensors, samples.

Asks the engine and prints its answer; with `--json` the pictures of the samples come with it, as bytes in base64.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from trainctl.tui.cli.commands.run import device_type
from trainctl.tui.cli.options import (
    Config,
    Data,
    Device,
    Json,
    Overrides,
    Preset,
    Scale,
    ScaleChoice,
    Set,
    Task,
    all_overrides,
    resolve_options,
)
from trainctl.tui.cli.output import print_json, print_lines

STYLES = {"ok": "green", "warning": "yellow", "error": "bold red", "bar": "cyan", "dim": "dim", "bold": "bold"}
WIDTH = 100
"""Columns that the text takes at most."""


def command(
    overrides: Overrides = None,
    preset: Preset = None,
    task: Task = None,
    config: Config = None,
    sets: Set = None,
    data: Data = None,
    scale: Scale = ScaleChoice.AUTO,
    device: Device = None,
    json: Json = False,
    progress: Annotated[
        bool, typer.Option("--progress", help="Print each part on standard error when it is ready, a JSON line each.")
    ] = False,
) -> None:
    """Look at the data as training will see it: class balance, batches, tensors, samples."""
    size = scale.on(device_type(device) if scale is ScaleChoice.AUTO else "")
    words = all_overrides(sets, overrides, device)
    resolved = resolve_options(preset, scale=size, config=config, overrides=words, task=task, data=data)
    title = f"{resolved.preset}, {data or 'built-in data'}"
    if progress:
        _tell({"section": "loading", "title": title})

    from trainctl.engine.diagnosis.probes.audit import audit
    from trainctl.engine.tasks.registry import task_type

    sections: dict[str, Any] = {}
    for name, section in audit(task_type(resolved.config.task)(resolved.config, data)):
        sections[name] = section
        if progress:
            _tell({"section": name, "found": section})
    if json:
        print_json({"title": title, **sections})
    else:
        _print(title, sections)


def _tell(progress: dict[str, Any]) -> None:
    from trainctl.engine.runs.atomic import to_json

    sys.stderr.write(to_json(progress) + "\n")
    sys.stderr.flush()


def _print(title: str, sections: dict[str, Any]) -> None:
    import shutil

    from trainctl.tui.words.data import TITLES, Lines, section_lines

    width = min(shutil.get_terminal_size((WIDTH, 24)).columns, WIDTH)
    lines: Lines = [((title, "bold"),)]
    for name, section in sections.items():
        lines += [(("", ""),), ((TITLES[name], "bold"),), *section_lines(name, section, width)]
    print_lines([(text, STYLES.get(style, "")) for text, style in line] for line in lines)
