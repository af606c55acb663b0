"""From the options of a command line to what it works on: a configuration, its task, data.

Imports torch only where the device of this machine or the code of a task is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainctl.tui.cli.options import ConfigurationOptions, ScaleChoice, ScaleName

if TYPE_CHECKING:
    from trainctl.engine.config.resolve import Resolved
    from trainctl.engine.tasks.configured import Configurations
    from trainctl.engine.tasks.task import Task


@dataclass(frozen=True)
class Configured:
    """What a command works on."""

    resolved: Resolved
    data: Path | None
    """Data of the user's; none: the task's built-in data."""

    @property
    def task_type(self) -> type[Task]:
        """The class of the configuration's task.

        Raises:
            UserError: there is no such task, or the user's own cannot be imported.
        """
        from trainctl.engine.tasks.registry import task_type

        return task_type(self.resolved.config.task)

    @property
    def title(self) -> str:
        """Configuration and data in words."""
        return f"{self.resolved.preset}, {self.data_words}"

    @property
    def data_words(self) -> str:
        """The data, and whether the configuration is fitted to them."""
        return f"{self.data or 'built-in data'}{', fitted to it' if self.resolved.fit_note else ''}"


def configured(options: ConfigurationOptions, source: Configurations | None = None) -> Configured:
    """The configuration and the data that the options ask for, environment included.

    Args:
        options: what is asked for.
        source: what may run of the task's code; none: as `options.trust` says.

    Raises:
        UserError: see `resolve_options`.
    """
    from trainctl.engine.tasks.configured import running

    resolved = resolve_options(
        options.preset,
        scale=chosen_scale(options.scale, options.device),
        config=options.config,
        overrides=options.assignments,
        task=options.task,
        data=options.data,
        source=source or running(trust=options.trust),
    )
    return Configured(resolved, options.data)


def chosen_scale(scale: ScaleChoice, device: str | None) -> ScaleName:
    """The scale on the device that a `--device` names, none: on the one of this machine."""
    return scale.on(_device_type(device) if scale is ScaleChoice.AUTO else "")


def _device_type(device: str | None) -> str:
    """Type of the device an option means: cpu, cuda, mps. Imports torch only to find out what `auto` is here."""
    if device not in (None, "auto"):
        return device.partition(":")[0]
    from trainctl.engine.training.device import choose_device

    return choose_device("auto").type


def resolve_options(
    preset: str | None = None,
    *,
    scale: ScaleName = "full",
    config: Sequence[Path] | None = None,
    overrides: Sequence[str] = (),
    task: str | None = None,
    data: Path | None = None,
    source: Configurations,
) -> Resolved:
    """The configuration a command line asks for, environment included, at small scale fitted to the data.

    Args:
        preset: as `resolve` takes it, and so the others.
        scale: of the run.
        config: files laid over the preset.
        overrides: `key=value` each.
        task: what is trained.
        data: of the user's.
        source: what may run of the task's code.

    Raises:
        UserError: an unknown preset, key or file, a value that does not fit, or no word of the task while `data` is
            plainly that of another one than the default preset's.
    """
    if data is not None and not (preset or task or config):
        _refuse_other_task(data)
    return source.resolve(
        preset, scale=scale, files=config or (), environ=os.environ, overrides=overrides, task=task, data=data
    )


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
