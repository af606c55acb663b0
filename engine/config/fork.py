"""The configuration of a fork: the parent's under overrides, or a preset's for the parent's data and network.

Knows configurations only; what becomes of the parent's weights is the trainer's business. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from trainctl.engine.config.layers import split_override
from trainctl.engine.config.presets import load_preset
from trainctl.engine.config.resolve import Resolved, ScaleName, TaskTable, resolve, with_overrides
from trainctl.engine.config.sources import Source
from trainctl.engine.config.yamlfile import format_value
from trainctl.engine.errors import UserError

SPLIT = ("seed", "data")
"""What decides which samples are held out: always the parent's, or the fork would validate on what it has seen."""
RECIPE = (
    *("train", "optimizer", "schedule", "ema", "precision", "clip", "early_stopping"),
    *("loss", "loss_weights", "weighting", "augment", "freeze"),
)
"""What a preset is about: gives way to another preset."""
LENGTH = ("train.epochs", "train.max_steps", "train.max_minutes")
SAID = ("fitted", "file", "environment", "command line")
"""Sources of what was said besides the preset: by the data, which a fork keeps, or by somebody."""


def fork_config(
    tasks: TaskTable,
    parent: Resolved,
    *,
    preset: str | None = None,
    scale: ScaleName | None = None,
    files: Sequence[Path] = (),
    environ: Mapping[str, str] | None = None,
    overrides: Sequence[str] = (),
) -> Resolved:
    """The configuration of a run that starts from a checkpoint of another.

    Without a preset it is the parent's, under `overrides`. With one it is the preset's at the parent's scale, but for
    what the fork cannot change or would not expect to: seed and data stay the parent's, and so does what the parent's
    data, files, environment and command line said of anything that is not the recipe (`RECIPE`): network, device,
    records, number of epochs. What is said here overrules all of it.

    Args:
        tasks: those there are.
        parent: the run that is forked.
        preset: name or path.
        scale: of the preset; none: the parent's.
        files: YAML files laid over the preset.
        environ: variables, as `resolve` takes them; count only beside a preset, as on a resume.
        overrides: `key=value` of the command line.

    Raises:
        UserError: as `resolve`; another task; `scale` or `files` without a preset.
    """
    if preset is None:
        for option, is_given in (("--scale", scale is not None), ("--config", bool(files))):
            if is_given:
                raise UserError(f"{option} goes with a preset", "add --preset, or change single values with KEY=VALUE")
        return with_overrides(parent, overrides)
    task = _task_for(preset, parent, overrides)

    def resolved(more: Sequence[str]) -> Resolved:
        words = [*more, *overrides]
        size = scale or parent.scale
        return resolve(tasks, preset, scale=size, files=files, environ=environ, overrides=words, task=task)

    asked = resolved(())
    if asked.config.task != parent.config.task:
        raise UserError(
            f"a fork keeps the task of its run, {parent.config.task}; {preset} is of {asked.config.task}",
            "start a new run, or name a preset of that task",
        )
    kept = _kept(parent, asked)
    final = resolved([f"{key}={format_value(parent.values()[key])}" for key in kept])
    return replace(final, sources={**final.sources, **kept})


def _task_for(preset: str, parent: Resolved, overrides: Sequence[str]) -> str | None:
    """The parent's task where neither the preset nor the command line names one."""
    task = parent.config.task
    chain = load_preset(preset, task).chain
    is_named = any("task" in document.values for document in chain) or any(
        split_override(text)[0] == "task" for text in overrides
    )
    return None if is_named else task


def _kept(parent: Resolved, asked: Resolved) -> dict[str, Source]:
    """Values that stay the parent's, each with its source there."""
    return {
        key: parent.sources[key]
        for key, value in parent.values().items()
        if key != "task"
        and _stays(key, parent.sources[key])
        and asked.sources.get(key, Source("default")).kind not in SAID
        and asked.values().get(key) != value
    }


def _stays(key: str, source: Source) -> bool:
    section = key.partition(".")[0]
    if section in SPLIT:
        return True
    return source.kind in SAID and (section not in RECIPE or key in LENGTH)
