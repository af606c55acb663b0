"""Options and arguments that several commands share, declared once so that they mean the same everywhere.

A command takes them as annotations: `def command(preset: Preset = None, data: Data = None) -> None`. Knows
the words of the command line only; what they lead to is decided in the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from trainctl.engine.config.resolve import Resolved


class ScaleChoice(StrEnum):
    """How large a run to make of a preset."""

    AUTO = "auto"
    """`full` on a GPU, `small` on a CPU."""
    SMALL = "small"
    FULL = "full"

    def on(self, device_type: str) -> Literal["small", "full"]:
        """The scale on a device of this type (`cpu`, `cuda`, `mps`)."""
        if self is ScaleChoice.AUTO:
            return "small" if device_type == "cpu" else "full"
        return "small" if self is ScaleChoice.SMALL else "full"


Preset = Annotated[
    str | None,
    typer.Option("--preset", "-p", metavar="NAME|FILE", help="Preset (see `trainctl presets list`) or a YAML file."),
]
Task = Annotated[
    str | None,
    typer.Option("--task", "-t", metavar="TASK", help="Built-in task, or your own: FILE.py:Class or module:Class."),
]
Config = Annotated[
    list[Path] | None,
    typer.Option("--config", "-c", metavar="FILE", help="YAML file laid over the preset; may be repeated."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="KEY=VALUE", help="Override, e.g. optimizer.lr=3e-4; may be repeated."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Overrides, as with --set.", show_default=False),
]
Scale = Annotated[
    ScaleChoice,
    typer.Option("--scale", help="Size of the run; auto: full on a GPU, small on a CPU."),
]
Data = Annotated[
    Path | None,
    typer.Option("--data", "-d", metavar="PATH", help="Your data; without it, the task's built-in data."),
]
Device = Annotated[
    str | None,
    typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:1 or mps."),
]
RunsDir = Annotated[
    Path,
    typer.Option("--runs-dir", metavar="DIR", envvar="TRAINCTL_RUNS_DIR", help="Folder that holds the runs."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

DEFAULT_RUNS_DIR = Path("runs")
"""Default value of a `RunsDir` option."""


def all_overrides(
    sets: Sequence[str] | None, positional: Sequence[str] | None = None, device: str | None = None
) -> list[str]:
    """Overrides of one command line in the order in which they apply: `--device`, `--set`, positional."""
    from_device = [f"runtime.device={device}"] if device else []
    return [*from_device, *(sets or ()), *(positional or ())]


def resolve_options(
    preset: str | None = None,
    *,
    scale: Literal["small", "full"] = "full",
    config: Sequence[Path] | None = None,
    overrides: Sequence[str] = (),
    task: str | None = None,
    data: Path | None = None,
) -> Resolved:
    """The configuration a command line asks for, environment included.

    Raises:
        UserError: an unknown preset, key or file, a value that does not fit, or no word of the task while `data` is
            plainly that of another one than the default preset's.
    """
    import os

    from trainctl.engine.tasks.configured import resolve

    if data is not None and not (preset or task or config):
        _refuse_other_task(data)
    return resolve(preset, scale=scale, files=config or (), environ=os.environ, overrides=overrides, task=task)


def _refuse_other_task(data: Path) -> None:
    from trainctl.engine.config.presets import DEFAULT_PRESET, preset_names
    from trainctl.engine.errors import UserError
    from trainctl.engine.tasks.recognise import recognise_task

    found = recognise_task(data)
    if found is not None and found[0] != DEFAULT_PRESET.partition("/")[0]:
        task, sign = found
        names = ", ".join(preset_names(task))
        raise UserError(
            f"{data} is data of the task {task} ({sign})", f"name one of its presets with --preset: {names}"
        )
