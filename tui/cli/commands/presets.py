"""`trainctl presets`: list, show and compare presets. Reads configuration; starts nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trainctl.tui.cli.configured import resolve_options
from trainctl.tui.cli.options import Data, Json, Overrides, ScaleName, Set, Task, all_overrides
from trainctl.tui.cli.output import SCHEMA, Cell, align, print_json, print_lines

if TYPE_CHECKING:
    from trainctl.engine.config.presets import Preset
    from trainctl.engine.config.resolve import Resolved

HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"]}

command = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings=HELP)

Name = Annotated[str, typer.Argument(metavar="NAME|FILE", help="Preset, by name or as a YAML file.")]
Size = Annotated[ScaleName, typer.Option("--scale", help="Size of the run.")]


@command.callback(invoke_without_command=True)
def root(ctx: typer.Context) -> None:
    """List, show and compare presets. Without a command: list."""
    if ctx.invoked_subcommand is None:
        list_command()


@command.command("list", context_settings=HELP)
def list_command(task: Task = None, as_json: Json = False) -> None:
    """List the presets of every task, or of one."""
    from trainctl.engine.config.presets import load_preset, preset_names
    from trainctl.engine.errors import UserError

    presets = [load_preset(name) for name in preset_names(task)]
    if not presets:
        raise UserError(f"no presets for task {task!r}", "see `trainctl presets list`")
    if as_json:
        print_json([summary_json(preset) for preset in presets])
        return
    rows = align([_row(preset) for preset in presets], indent=2)
    lines: list[list[Cell]] = []
    for preset, row in zip(presets, rows, strict=True):
        heading = [(_task_of(preset), "bold")]
        if heading not in lines:
            lines += [[], heading] if lines else [heading]
        lines.append(row)
    print_lines(lines)


@command.command("show", context_settings=HELP)
def show_command(
    name: Name = "balanced",
    overrides: Overrides = None,
    sets: Set = None,
    scale: Size = "full",
    data: Data = None,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="Every value with where it comes from, environment included.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print a preset's file, or with --resolved, --scale small, --data or an override the values it leads to."""
    from trainctl.engine.config.presets import load_preset
    from trainctl.engine.tasks.configured import reading

    if "=" in name and not name.endswith((".yaml", ".yml")):
        name, overrides = "balanced", [name, *(overrides or ())]
    given = all_overrides(sets, overrides)
    if not (resolved or given or as_json or data or scale == "small"):
        print_lines(_file_lines(load_preset(name).document.text))
        return
    result = resolve_options(name, scale=scale, overrides=given, data=data, source=reading)
    if as_json:
        print_json(resolved_json(result))
    else:
        print_lines(_resolved_lines(result))


@command.command("diff", context_settings=HELP)
def diff_command(
    a: Annotated[str, typer.Argument(metavar="A", help="Preset, by name or as a YAML file.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The other one.")],
    scale: Size = "full",
    as_json: Json = False,
) -> None:
    """Print where two presets lead to different values."""
    from trainctl.engine.config.resolve import diff
    from trainctl.engine.config.yamlfile import format_value
    from trainctl.engine.tasks.configured import reading

    left, right = reading.resolve(a, scale=scale), reading.resolve(b, scale=scale)
    found = diff(left, right)
    if as_json:
        print_json(differences_json(found))
    elif not found:
        print_lines([[(f"{left.preset} and {right.preset} lead to the same values", "")]])
    else:
        head: list[Cell] = [("", ""), (left.preset, "bold"), (right.preset, "bold")]
        rows: list[list[Cell]] = [
            [(key, ""), (format_value(value_a), "red"), (format_value(value_b), "green")]
            for key, value_a, value_b in found
        ]
        print_lines(align([head, *rows]))


def _task_of(preset: Preset) -> str:
    return preset.name.partition("/")[0]


def _row(preset: Preset) -> list[Cell]:
    bare = preset.name.partition("/")[2]
    marks = _marks(preset)
    return [
        (bare, "bold green" if marks else ""),
        (preset.about.section, "dim"),
        (", ".join(marks), "green"),
        (preset.about.summary, ""),
    ]


def _marks(preset: Preset) -> list[str]:
    from trainctl.engine.config.presets import DEFAULT_PRESET

    recommended = ["recommended"] if preset.about.recommended else []
    return [*recommended, "default"] if preset.name == DEFAULT_PRESET else recommended


def summary_json(preset: Preset) -> dict[str, Any]:
    """One line of the list as plain data."""
    from trainctl.engine.config.presets import DEFAULT_PRESET

    return {
        "name": preset.name,
        "task": _task_of(preset),
        "default": preset.name == DEFAULT_PRESET,
        **preset.about.model_dump(mode="json"),
    }


def _file_lines(text: str) -> Iterator[list[Cell]]:
    """The lines of a YAML file with their comments set apart."""
    for line in text.splitlines():
        found = re.search(r"(?:^|\s)#.*", line)
        start = found.start() if found else len(line)
        # The empty last piece keeps the file's own line breaks: it is meant to be copied.
        yield [(line[:start], ""), (line[start:], "dim"), ("", "")]


def _resolved_lines(result: Resolved) -> list[list[Cell]]:
    from trainctl.engine.config.yamlfile import format_value

    rows: list[list[Cell]] = []
    for key, value in result.values().items():
        source = result.sources[key]
        quiet = "dim" if source.kind == "default" else ""
        rows.append([(key, quiet), (format_value(value), quiet), (str(source), "dim")])
    return [[(f"{result.preset} at {result.scale} scale", "bold")], *align(rows)]


def differences_json(found: Sequence[tuple[str, Any, Any]]) -> list[dict[str, Any]]:
    """Key and both values of each difference of two presets."""
    return [{"key": key, "a": value_a, "b": value_b} for key, value_a, value_b in found]


def resolved_json(result: Resolved) -> dict[str, Any]:
    """Every value of a configuration, and where it comes from, as plain data."""
    return {
        "schema": SCHEMA,
        "preset": result.preset,
        "scale": result.scale,
        "about": result.about.model_dump(mode="json"),
        "values": result.values(),
        "sources": {key: {"kind": source.kind, "where": source.where} for key, source in result.sources.items()},
    }
