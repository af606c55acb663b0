"""Options and arguments that several commands share, declared once so that they mean the same everywhere.

A command takes them as annotations, `def command(device: Device = None) -> None`, or, where they are many, as one
object: a dataclass whose fields are annotated so, see `command_line.takes`. Knows the words of the command line only;
what they lead to is in `configured.py`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import typer

from trainctl.engine.errors import UserError

ScaleName = Literal["small", "full"]


class ScaleChoice(StrEnum):
    """How large a run to make of a preset."""

    AUTO = "auto"
    """`full` on a GPU, `small` on a CPU."""
    SMALL = "small"
    FULL = "full"

    def on(self, device_type: str) -> ScaleName:
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
GroupBy = Annotated[
    str | None,
    typer.Option("--group-by", metavar="REGEX|COLUMN", help="Keep images of one person or photo together."),
]
Classes = Annotated[
    str | None,
    typer.Option(
        "--classes",
        metavar="FOLDER=CLASS,...",
        help="What folders of other names hold: opened_eyes=open,closed_eyes=closed.",
    ),
]
SkipCorrupt = Annotated[
    bool, typer.Option("--skip-corrupt", help="Leave out files that cannot be read; they are named.")
]
Device = Annotated[
    str | None,
    typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:1 or mps."),
]
RunsDir = Annotated[
    Path,
    typer.Option("--runs-dir", metavar="DIR", envvar="TRAINCTL_RUNS_DIR", help="Folder that holds the runs."),
]
TrainedRun = Annotated[
    str, typer.Argument(metavar="RUN", help="Name, path, unique part of a name, `latest`, or a checkpoint file.")
]
Checkpoint = Annotated[str, typer.Option("--checkpoint", metavar="best|latest|FILE", help="Which checkpoint.")]
Weights = Annotated[
    str, typer.Option("--weights", metavar="raw|ema", help="Which weights; default: the better of the two.")
]
Trust = Annotated[
    bool, typer.Option("--trust", help="Run the code of a task that a file or a run names, though you never ran it.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Lang = Annotated[
    str | None,
    typer.Option(
        "--lang",
        metavar="en|zh",
        help="Language of what it says; default: TRAINCTL_LANG, else en. JSON and SARIF follow --lang alone.",
    ),
]

OnEnd = Annotated[
    str | None,
    typer.Option(
        "--on-end",
        metavar="COMMAND|URL",
        help="When the run ends, however: run this command, or POST to this URL (docs/alerts.md).",
        show_default=False,
    ),
]
OnFinding = Annotated[
    str | None,
    typer.Option(
        "--on-finding",
        metavar="COMMAND|URL",
        help="The same for each error and warning of the rules, once, while it trains.",
        show_default=False,
    ),
]

DEFAULT_RUNS_DIR = Path("runs")
"""Default value of a `RunsDir` option."""


def all_overrides(
    sets: Sequence[str] | None, positional: Sequence[str] | None = None, device: str | None = None
) -> list[str]:
    """Overrides of one command line in the order in which they apply: `--device`, `--set`, positional."""
    from_device = [f"runtime.device={device}"] if device else []
    return [*from_device, *(sets or ()), *(positional or ())]


def class_assignments(written: str | None) -> list[str]:
    """What `--classes FOLDER=CLASS,...` sets.

    Raises:
        UserError: it is not that.
    """
    if written is None:
        return []
    pairs = [part.strip().rpartition("=") for part in written.split(",") if part.strip()]
    if not pairs or not all(folder.strip() and held.strip() for folder, _, held in pairs):
        raise UserError(
            f"--classes {written}: not FOLDER=CLASS,...", "write e.g. --classes opened_eyes=open,closed_eyes=closed"
        )
    held_by: dict[str, str] = {}
    for folder, held in ((folder.strip(), held.strip().lower()) for folder, _, held in pairs):
        if held_by.setdefault(folder, held) != held:
            raise UserError(f"--classes {written}: {folder!r} twice", "a folder holds open or closed, not both")
    wrong = next((held for held in held_by.values() if held not in ("open", "closed")), None)
    if wrong is not None:
        raise UserError(f"--classes {written}: no class {wrong!r}", "a folder holds open or closed")
    return [f"data.classes={json.dumps(held_by, ensure_ascii=False)}"]


def data_assignments(group_by: str | None, classes: str | None, skip_corrupt: bool) -> list[str]:
    """What the options about data set.

    Raises:
        UserError: see `class_assignments`.
    """
    from trainctl.engine.config.yamlfile import format_value

    grouped = [] if group_by is None else [f"data.group_by={format_value(group_by)}"]
    return grouped + class_assignments(classes) + ["data.skip_corrupt=true"] * skip_corrupt


def names_and_overrides(words: Sequence[str], runs_dir: Path) -> tuple[list[str], list[str]]:
    """The arguments of a command that takes both: names of runs or files, and KEY=VALUE.

    A word with `=` in it is an override unless something is called so, here or in the folder of runs.
    """
    names: list[str] = []
    overrides: list[str] = []
    for word in words:
        is_name = "=" not in word or os.path.lexists(word) or os.path.lexists(runs_dir / word)
        (names if is_name else overrides).append(word)
    return names, overrides


def named_run(words: Sequence[str], runs_dir: Path) -> tuple[str, list[str]]:
    """The one run among the arguments, `latest` where none is, and the KEY=VALUE.

    Raises:
        UserError: several are named.
    """
    name, overrides = _one_name(words, runs_dir, "one run at a time")
    return name or "latest", overrides


def _one_name(words: Sequence[str], runs_dir: Path, why: str) -> tuple[str | None, list[str]]:
    """The one name among the arguments, none where there is none, and the KEY=VALUE; `why` there may be no more."""
    names, overrides = names_and_overrides(words, runs_dir)
    if len(names) > 1:
        raise UserError(f"{names[0]} and {names[1]}: {why}", "name one of them")
    return names[0] if names else None, overrides


@dataclass(frozen=True)
class ConfigurationOptions:
    """Options of a command that needs a configuration: where it comes from, on which data and device."""

    preset: Preset = None
    task: Task = None
    config: Config = None
    sets: Set = None
    data: Data = None
    scale: Scale = ScaleChoice.AUTO
    device: Device = None
    group_by: GroupBy = None
    classes: Classes = None
    skip_corrupt: SkipCorrupt = False
    trust: Trust = False

    @property
    def assignments(self) -> list[str]:
        """Every KEY=VALUE of the command line in the order in which they apply; those about the data come last."""
        return all_overrides(self.sets, device=self.device) + self.data_assignments

    @property
    def data_assignments(self) -> list[str]:
        """What is said about the data in options of its own."""
        return data_assignments(self.group_by, self.classes, self.skip_corrupt)


@dataclass(frozen=True)
class OverridableOptions(ConfigurationOptions):
    """The same for a command whose arguments are overrides."""

    overrides: Overrides = None

    @property
    def assignments(self) -> list[str]:
        """As in the base class; the arguments come last."""
        return all_overrides(self.sets, self.overrides, self.device) + self.data_assignments


@dataclass(frozen=True)
class RunOrConfigurationOptions(ConfigurationOptions):
    """The same for a command whose arguments name a run, or are overrides."""

    ONLY_ONE: ClassVar[str]
    """Why several names are a mistake."""
    words: Overrides = None
    runs_dir: RunsDir = DEFAULT_RUNS_DIR

    @property
    def run(self) -> str | None:
        """What is named; None: nothing is.

        Raises:
            UserError: several are named.
        """
        return _one_name(self.words or (), self.runs_dir, self.ONLY_ONE)[0]

    @property
    def overrides(self) -> list[str]:
        """KEY=VALUE among the arguments."""
        return names_and_overrides(self.words or (), self.runs_dir)[1]

    @property
    def assignments(self) -> list[str]:
        """As in the base class; the arguments come after --set."""
        return all_overrides(self.sets, self.overrides, self.device) + self.data_assignments
