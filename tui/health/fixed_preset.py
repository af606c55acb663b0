"""A preset that is a configuration with the settings of findings' fixes: what it changes, and its text. Writes no file.

It extends what the configuration came from and holds only what differs from that, so that it stays readable.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainctl.engine.config.fields import leaves
from trainctl.engine.config.layers import environment_assignments
from trainctl.engine.config.resolve import Resolved, diff
from trainctl.engine.config.yamlfile import KeyPath, format_value
from trainctl.engine.diagnosis.finding import Confidence, Finding
from trainctl.engine.errors import UserError
from trainctl.engine.tasks.configured import with_overrides
from trainctl.tui.health.fixes import fix_overrides

SUFFIXES = (".yaml", ".yml")
DEVICE = "runtime.device"
"""Of the machine, not of the training: it belongs to the command line."""


@dataclass(frozen=True)
class Origin:
    """What a preset with a fix begins from."""

    present: Resolved
    """The configuration that was diagnosed."""
    extends: str
    """A preset's name, or the path of a file; empty: there is none, and the preset names all that is not a default."""
    base: Resolved | None
    """What `extends` alone leads to, at the same scale."""


@dataclass(frozen=True)
class Change:
    """One option that a fix sets."""

    key: str
    old: Any
    new: Any
    finding: Finding

    @property
    def cause(self) -> str:
        """What it is for, on one line."""
        return " ".join(f"{self.finding.code} {self.finding.name}".split())


@dataclass(frozen=True)
class FixedPreset:
    """A configuration with the fixes in it."""

    changes: tuple[Change, ...]
    origin: Origin
    fixed: Resolved

    @property
    def device(self) -> str | None:
        """The device that was asked for beside what is extended; none: none was."""
        own = self.fixed.values()[DEVICE]
        base = "auto" if self.origin.base is None else self.origin.base.values().get(DEVICE)
        return None if own == base else str(own)

    def text(self, path: Path) -> str:
        """The text of the preset file, as it is written to `path`."""
        name = format_value(self.origin.present.preset)
        mended = ", ".join(dict.fromkeys(change.cause for change in self.changes))
        values = {path: value for path, value in leaves(self.fixed.config).items() if self._is_written(path)}
        comments = {
            tuple(change.key.split(".")): f"{change.cause}; was {format_value(change.old)}" for change in self.changes
        }
        lines = [
            f"# {name} with what mends {mended}; written by `trainctl diagnose --fix`.",
            *([f"extends: {format_value(seen_from(self.origin.extends, path))}"] if self.origin.extends else []),
            "about:",
            f"  summary: {format_value(f'{self.origin.present.preset}, mended: {mended}')}",
            *yaml_lines(values, comments),
        ]
        return "\n".join(lines) + "\n"

    def _is_written(self, path: KeyPath) -> bool:
        """What is set by a fix, and what the user set beyond what is extended; whatever is a default is left out."""
        key = ".".join(path)
        if key in {change.key for change in self.changes}:
            return True
        if self.fixed.sources[key].kind == "default" or key == DEVICE:
            return False
        return self.origin.base is None or self.fixed.values()[key] != self.origin.base.values().get(key)


def chosen_fixes(findings: Sequence[Finding]) -> dict[str, tuple[Any, Finding]]:
    """New value of each option, and the finding whose fix it is.

    The primary cause's settings; where no setting mends it, or nothing is primary, those of the other causes, of which
    an earlier one decides where two name the same option. What follows from a cause is not mended by itself.

    Raises:
        UserError: no finding has a setting.
    """
    told = [finding for finding in findings if finding.confidence is not Confidence.HINT]
    first = next((finding for finding in told if finding.primary and finding.fix.set), None)
    chosen: dict[str, tuple[Any, Finding]] = {}
    for finding in [first] if first else [finding for finding in told if finding.consequence_of is None]:
        for key, value in (finding.fix.set or {}).items():
            chosen.setdefault(key, (value, finding))
    if not chosen:
        what = (
            f"no setting mends {', '.join(finding.code for finding in told)}" if told else "nothing was found to mend"
        )
        raise UserError(f"--fix: {what}", "follow the text of the fix" if told else "leave out --fix")
    return chosen


def plan_preset(origin: Origin, settings: Mapping[str, tuple[Any, Finding]], environ: Mapping[str, str]) -> FixedPreset:
    """Work out the preset.

    Args:
        origin: what it begins from.
        settings: as `chosen_fixes` gives them.
        environ: variables, of which one would overrule what the preset says.

    Raises:
        UserError: a setting does not fit the configuration, is in force already, or would be overruled.
    """
    overruled = next((name for name, key, _ in environment_assignments(environ) if key in settings), None)
    if overruled is not None:
        raise UserError(f"--fix: the environment variable {overruled} would overrule the preset", "unset it")
    values = {key: value for key, (value, _) in settings.items()}
    fixed = with_overrides(origin.present, fix_overrides(values))
    changes = [
        Change(key, old, new, settings[key][1]) for key, old, new in diff(origin.present, fixed) if key in settings
    ]
    if not changes:
        raise UserError(f"--fix: {', '.join(fix_overrides(values))} is in force already", "follow the text of the fix")
    return FixedPreset(tuple(changes), origin, fixed)


def _is_file(extends: str) -> bool:
    return extends.endswith(SUFFIXES)


def seen_from(extends: str, path: Path) -> str:
    """A file as the preset at `path` names it: from the preset's folder where it lies beneath, else as a whole."""
    if not _is_file(extends):
        return extends
    whole, folder = Path(extends).resolve(), path.resolve().parent
    return os.fspath(whole.relative_to(folder)) if whole.is_relative_to(folder) else os.fspath(whole)


def yaml_lines(values: Mapping[KeyPath, Any], comments: Mapping[KeyPath, str]) -> list[str]:
    """YAML of values by their paths, sections nested, each comment behind its value."""
    lines: list[str] = []
    before: KeyPath = ()
    for path, value in values.items():
        for depth in range(len(path) - 1):
            if before[: depth + 1] != path[: depth + 1]:
                lines.append(f"{'  ' * depth}{format_value(path[depth])}:")
        comment = f"  # {comments[path]}" if path in comments else ""
        lines.append(f"{'  ' * (len(path) - 1)}{format_value(path[-1])}: {format_value(value)}{comment}")
        before = path
    return lines
