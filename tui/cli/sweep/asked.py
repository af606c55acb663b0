"""From the options of `trainctl sweep` to the study that is meant, and to how its trainings are started."""

from __future__ import annotations

import os
from pathlib import Path

from trainctl.engine.errors import UserError
from trainctl.tui.cli.configured import Configured
from trainctl.tui.cli.output import say
from trainctl.tui.cli.sweep.course import Direction, Objective
from trainctl.tui.cli.sweep.options import SweepOptions
from trainctl.tui.cli.sweep.space import read_space
from trainctl.tui.cli.sweep.study import OF_THE_MACHINE, Study, read_study, study_folder, usual_name
from trainctl.tui.processes.launch import LaunchRequest

OF_THE_LOSS = ("loss", "loss_weights", "weighting")
"""Sections that change what a loss is."""


def study_asked_for(options: SweepOptions, space: Path, wanted: Configured) -> Study:
    """The study that the options mean.

    Raises:
        UserError: the space does not fit the configuration, or nothing tells which way the metric improves.
    """
    from trainctl.engine.config.layers import split_override

    resolved = wanted.resolved
    varied = read_space(space, resolved, [split_override(text)[0] for text in options.assignments])
    name = options.name or usual_name(resolved.preset, space)
    folder = study_folder(options.runs_dir, name)
    study = Study(
        name=name,
        folder=folder,
        preset=resolved.preset,
        scale=resolved.scale,
        data=None if options.data is None else str(options.data.resolve()),
        objective=_objective(options, read_study(folder), wanted),
        space=varied,
        sampler=options.sampler,
        pruner=options.pruner,
        seed=options.seed,
        values={key: value for key, value in resolved.values().items() if not key.startswith(OF_THE_MACHINE)},
        command=tuple(_command(options, resolved.scale)),
    )
    _warn_of_losses(study)
    return study


def request_asked_for(options: SweepOptions, wanted: Configured) -> LaunchRequest:
    """How the configuration is trained that is varied."""
    from trainctl.tui.alerts.wishes import unalerted

    return LaunchRequest(
        options.runs_dir,
        preset=options.preset,
        task=options.task,
        data=options.data,
        scale=wanted.resolved.scale,
        trust=options.trust,
        configs=tuple(options.config or ()),
        overrides=tuple(options.assignments),
        environ=unalerted(os.environ),
    )


def _objective(options: SweepOptions, found: Study | None, wanted: Configured) -> Objective:
    """What is looked for; where nothing is said, what the study that is there looks for."""
    from trainctl.tui.compare.comparison import lower_is_better

    if found is not None and options.metric in ("", found.objective.metric):
        objective = found.objective
    else:
        objective = _monitored(wanted)
    if options.metric in ("", objective.metric):
        return Objective(objective.metric, options.direction or objective.direction)
    is_lower = lower_is_better([], options.metric)
    if options.direction is None and is_lower is None:
        raise UserError(f"--metric {options.metric}: is more of it better, or less?", "say --direction max or min")
    return Objective(options.metric, options.direction or _direction(bool(is_lower)))


def _direction(is_lower: bool) -> Direction:
    return "min" if is_lower else "max"


def _monitored(wanted: Configured) -> Objective:
    """The metric that chooses a run's best checkpoint. Imports the task only where the configuration is silent."""
    config = wanted.resolved.config
    if config.train.monitor and config.train.monitor_mode:
        return Objective(config.train.monitor, _direction(config.train.monitor_mode == "min"))
    from trainctl.engine.training.loop.referee import monitor_of

    monitor = monitor_of(wanted.task_type(config, wanted.data), config)
    return Objective(monitor.metric, monitor.mode)


def _command(options: SweepOptions, scale: str) -> list[str]:
    """Words that train the configuration, without what is of this machine."""
    pairs = [("--preset", options.preset), ("--task", options.task), ("--data", options.data), ("--scale", scale)]
    pairs += [("--config", path) for path in options.config or ()]
    words = [word for name, value in pairs if value is not None for word in (name, str(value))]
    return [*words, *(text for text in options.assignments if not text.startswith(OF_THE_MACHINE))]


def _warn_of_losses(study: Study) -> None:
    keys = [one.key for one in study.space.parameters if one.key.partition(".")[0] in OF_THE_LOSS]
    if keys and "loss" in study.objective.metric.lower():
        what = f"{keys[0]} changes what {study.objective.metric} is, by which the trials are ranked"
        say(f"trainctl: warning: {what}; rank by another metric with --metric", err=True)
