"""The best trial of a study as a preset file, which extends what was varied. Never overwrites."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainctl.engine.errors import UserError
from trainctl.engine.files import is_there
from trainctl.engine.runs.atomic import disk_errors
from trainctl.tui.charts.axis import short
from trainctl.tui.cli.sweep.space import overrides_of
from trainctl.tui.cli.sweep.study import OF_THE_MACHINE, Study
from trainctl.tui.run.trial import RunTrial

if TYPE_CHECKING:
    from trainctl.engine.config.resolve import Resolved
    from trainctl.engine.config.yamlfile import KeyPath


def check_free(path: Path | None) -> None:
    """Refuse a file that is there, or a place for none, before anything is trained.

    Raises:
        UserError: it is there, or its folder is not.
    """
    if path is None:
        return
    if is_there(path):
        raise UserError(f"--write-best: {path} is there already", "name another file")
    if not path.parent.is_dir():
        raise UserError(f"--write-best: no folder {path.parent}", "make it first")


def write_best(study: Study, varied: Resolved, data: Path | None, trial: RunTrial, path: Path) -> None:
    """Write the preset.

    Args:
        study: what was looked for.
        varied: the configuration that was varied.
        data: of the user's.
        trial: the best.
        path: the file.

    Raises:
        UserError: the file is there already, or cannot be written.
    """
    text = _text(study, varied, data, trial, path)
    try:
        with disk_errors(path), path.open("x", encoding="utf-8") as file:
            file.write(text)
    except UserError as err:
        if is_there(path):
            raise UserError(f"--write-best: {path} is there already", "name another file") from err
        raise


def _text(study: Study, varied: Resolved, data: Path | None, trial: RunTrial, path: Path) -> str:
    from trainctl.engine.config.fields import leaves
    from trainctl.engine.config.yamlfile import format_value
    from trainctl.engine.tasks.configured import with_overrides
    from trainctl.tui.health.fixed_preset import seen_from, yaml_lines

    best, base = with_overrides(varied, overrides_of(trial.params)), _base(varied, data)
    values, of_base = best.values(), {} if base is None else base.values()

    def is_written(at: KeyPath) -> bool:
        key = ".".join(at)
        if key in trial.params:
            return True
        if best.sources[key].kind == "default" or key.startswith(OF_THE_MACHINE):
            return False
        return base is None or values[key] != of_base.get(key)

    reached = f"{study.objective.metric} {short(trial.value or 0.0, 4)}"
    said = f"{varied.preset}, best of the study {study.name}: {reached}"
    lines = [
        f"# Trial {trial.number} of the study {study.name}; written by `trainctl sweep`.",
        *([f"extends: {format_value(seen_from(varied.preset, path))}"] if base is not None else []),
        "about:",
        f"  summary: {format_value(said)}",
        *yaml_lines({at: value for at, value in leaves(best.config).items() if is_written(at)}, {}),
    ]
    return "\n".join(lines) + "\n"


def _base(varied: Resolved, data: Path | None) -> Resolved | None:
    """What the preset alone leads to; None: a task of the user's own, without a preset."""
    from trainctl.engine.tasks.configured import reading

    try:
        return reading.resolve(varied.preset, scale=varied.scale, data=data)
    except UserError:
        return None
