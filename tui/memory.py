"""What the cockpit remembers of how the user likes to look, from one time to the next. Knows no widget, no run.

A small JSON file in the user's state folder (XDG base directory specification). A damaged or missing one means the
defaults: nothing that matters is lost with it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from trainctl.engine.errors import UserError
from trainctl.engine.files import parse_json, read_limited
from trainctl.engine.runs.atomic import write_json_atomic
from trainctl.engine.user_folders import user_folder
from trainctl.tui.run.scene import MAX_SMOOTHING, LossMode, Unit

MAX_BYTES = 1 << 20
"""Of the file; ours has a few hundred."""


@dataclass
class Memory:
    """The remembered choices."""

    theme: str = ""
    """Empty: as the terminal says."""
    hidden: set[str] = field(default_factory=set[str])
    """Ids of the panels that are not shown."""
    log_axes: dict[str, bool] = field(default_factory=dict[str, bool])
    """By id of the chart, where it differs from the default."""
    unit: Unit = Unit.STEP
    smoothing: int = 0
    loss_mode: LossMode = LossMode.WEIGHTED
    runs_column: str = ""
    """Column that the list of runs is sorted by; empty: the default."""
    runs_inverted: bool = False
    runs_by_study: bool = False
    runs_preview: bool = True
    """Whether the list shows the run under its cursor beside it."""
    pinned: set[str] = field(default_factory=set[str])
    """Folders of the runs that stay on top of the list."""

    def save(self, path: Path) -> None:
        """Write it; a folder that cannot be written to is no reason to complain on the way out."""
        data = {
            "theme": self.theme,
            "hidden": sorted(self.hidden),
            "log_axes": self.log_axes,
            "unit": self.unit,
            "smoothing": self.smoothing,
            "loss_mode": self.loss_mode,
            "runs_column": self.runs_column,
            "runs_inverted": self.runs_inverted,
            "runs_by_study": self.runs_by_study,
            "runs_preview": self.runs_preview,
            "pinned": sorted(self.pinned),
        }
        with contextlib.suppress(OSError, UserError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json_atomic(path, data)


def load_memory(path: Path) -> Memory:
    """What was remembered; whatever of it makes no sense is left out."""
    try:
        data: object = parse_json(read_limited(path, MAX_BYTES))
    except (OSError, ValueError):
        return Memory()
    return _memory(cast("dict[str, Any]", data)) if isinstance(data, dict) else Memory()


def _memory(data: Mapping[str, Any]) -> Memory:
    memory = Memory()
    if isinstance(data.get("theme"), str):
        memory.theme = data["theme"]
    memory.hidden, memory.pinned = _names(data.get("hidden")), _names(data.get("pinned"))
    if isinstance(data.get("runs_column"), str):
        memory.runs_column = data["runs_column"]
    for name in ("runs_inverted", "runs_by_study", "runs_preview"):
        if isinstance(data.get(name), bool):
            setattr(memory, name, data[name])
    if isinstance(data.get("log_axes"), dict):
        axes = cast("dict[Any, Any]", data["log_axes"])
        memory.log_axes = {str(name): is_log for name, is_log in axes.items() if isinstance(is_log, bool)}
    if data.get("unit") in tuple(Unit):
        memory.unit = Unit(data["unit"])
    if data.get("loss_mode") in tuple(LossMode):
        memory.loss_mode = LossMode(data["loss_mode"])
    if isinstance(data.get("smoothing"), int) and 0 <= data["smoothing"] <= MAX_SMOOTHING:
        memory.smoothing = int(data["smoothing"])
    return memory


def _names(value: Any) -> set[str]:
    found = cast("list[Any]", value) if isinstance(value, list) else []
    return {name for name in found if isinstance(name, str)}


def memory_path() -> Path:
    """Where it is kept."""
    return user_folder("state") / "cockpit.json"
