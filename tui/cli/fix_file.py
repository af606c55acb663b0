"""Writes the preset of `diagnose --fix`: shows what it changes, never overwrites, says how to train with it."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainctl.engine.errors import UserError
from trainctl.engine.files import is_there
from trainctl.tui.cli.outcome import Subject
from trainctl.tui.cli.output import Cell, align, print_lines, say

if TYPE_CHECKING:
    from trainctl.engine.diagnosis.finding import Report
    from trainctl.tui.health.fixed_preset import FixedPreset, Origin


def check_free(path: Path | None) -> None:
    """Refuse a file that is there, before anything is measured.

    Raises:
        UserError: it is.
    """
    if path is not None and is_there(path):
        raise UserError(f"--fix: {path} is there already", "name another file, or none for a new name")


def plan_fixed_preset(report: Report, subject: Subject) -> FixedPreset:
    """Work out the preset that --fix writes.

    Raises:
        UserError: there is no configuration, no finding has a setting, or the settings do not fit.
    """
    from trainctl.tui.health.fixed_preset import chosen_fixes, plan_preset

    origin = _origin(subject)
    return plan_preset(origin, chosen_fixes(report.findings), os.environ)


def _origin(subject: Subject) -> Origin:
    from trainctl.engine.tasks.configured import reading
    from trainctl.tui.health.fixed_preset import Origin

    present = subject.present
    if subject.config is not None:
        base = reading.load_resolved(subject.config)
        return Origin(present or base, str(subject.config), base)
    if present is None:
        what = "a log" if subject.run is None else "this run"
        raise UserError(f"--fix: {what} has no configuration", "name the one it is of: --preset, --config or KEY=VALUE")
    try:
        base = reading.resolve(present.preset, scale=present.scale, data=subject.data)
    except UserError:  # a task of the user's own, without a preset
        return Origin(present, "", None)
    return Origin(present, present.preset, base)


def write_fixed_preset(
    fixed: FixedPreset, named: Path | None, subject: Subject, *, is_quiet: bool = False
) -> dict[str, Any]:
    """Show what the fix changes, write the preset, and say how to train with it; the same as plain data.

    Args:
        fixed: the preset.
        named: the file; None: a new name in this folder.
        subject: what was diagnosed.
        is_quiet: print nothing.

    Raises:
        UserError: the file is there already, or cannot be written.
    """
    from trainctl.engine.runs.atomic import disk_errors

    if not is_quiet:
        print_lines(_change_lines(fixed))
    path = named or _free_name(fixed.origin.present.preset)
    check_free(path)
    with disk_errors(path), path.open("x", encoding="utf-8") as file:
        file.write(fixed.text(path))
    command = shlex.join(["trainctl", "run", "--preset", str(path), *_options(subject, fixed)])
    if not is_quiet:
        say(f"written to {path}; train with it:", f"  {command}")
    changes = [{"key": c.key, "old": c.old, "new": c.new, "code": c.finding.code} for c in fixed.changes]
    return {"file": str(path), "changes": changes, "command": command}


def _change_lines(fixed: FixedPreset) -> list[list[Cell]]:
    from trainctl.engine.config.yamlfile import format_value

    rows: list[list[Cell]] = [
        [
            (change.key, ""),
            (f"{format_value(change.old)} ->", "red"),
            (format_value(change.new), "green"),
            (change.cause, "dim"),
        ]
        for change in fixed.changes
    ]
    return [[], [("fix", "bold")], *align(rows, indent=2)]


def _free_name(preset: str) -> Path:
    """A name in this folder that nothing has: after the preset, or the class of the user's own task."""
    last = preset.rpartition("/")[2].removesuffix(".yaml").removesuffix(".yml").rpartition(":")[2] or "preset"
    stem = last if last.endswith("-fixed") else f"{last}-fixed"
    names = (Path(f"{stem}.yaml" if count == 1 else f"{stem}-{count}.yaml") for count in range(1, 1000))
    path = next((path for path in names if not is_there(path)), None)
    if path is None:
        raise UserError(f"--fix: {stem}.yaml and 998 others are there already", "name a file: --fix FILE.yaml")
    return path


def _options(subject: Subject, fixed: FixedPreset) -> list[str]:
    """What the command line that trains with the preset has to say beside it."""
    data, scale = subject.data, subject.scale
    if subject.run is not None:
        from trainctl.engine.runs.meta import read_meta
        from trainctl.engine.tasks.configured import reading

        data = data or (read_meta(subject.run) or {}).get("data")
        scale = reading.load_resolved(subject.run.config).scale
    pairs = [("--task", subject.task), ("--data", data), ("--scale", scale), ("--device", fixed.device)]
    return [word for name, value in pairs if value is not None for word in (name, str(value))]
