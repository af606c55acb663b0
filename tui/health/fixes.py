"""What it means to apply the fix of a finding: to the run that goes on, or to a new one. No widget, no torch.

A user's own task is not imported for it: its configuration is then compared as written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from trainctl.engine.config.yamlfile import format_value, read_document
from trainctl.engine.errors import UserError
from trainctl.engine.runs.commands import Verb
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.tasks.configured import reading
from trainctl.tui import presets
from trainctl.tui.processes.launch import LaunchRequest

Command = tuple[Verb, dict[str, Any]]


@dataclass(frozen=True)
class FixPlan:
    """A fix worked out for one run."""

    changes: list[tuple[str, Any, Any]]
    """Name, present and new value of everything that a new run would have otherwise."""
    commands: list[Command] | None
    """What to ask of the run that goes on; none: this cannot be changed while it runs."""
    request: LaunchRequest
    """A new run like this one, with the fix."""
    overrides: tuple[str, ...]
    """`key=value` of the fix alone, for a fork."""

    def fork(self, run: RunPaths, *, best: bool) -> LaunchRequest:
        """Start from a checkpoint of the run, with the fix."""
        forking = self.request.forking(run.root, best=best)
        return replace(forking, overrides=self.overrides, label=self.request.label)


def plan_fix(settings: Mapping[str, Any], run: RunPaths, meta: Mapping[str, Any], request: LaunchRequest) -> FixPlan:
    """Work out a fix.

    Args:
        settings: new values by dotted path.
        run: the run that is to be fixed.
        meta: content of its `meta.json`.
        request: how the cockpit starts runs; kept where the run was started like that.

    Raises:
        UserError: the run has no configuration yet, or the fix does not fit it.
    """
    values = read_document(run.config).values
    overrides = tuple(f"{path}={format_value(value)}" for path, value in settings.items())
    own = _own_request(run, values, meta, request)
    present = reading.load_resolved(run.config)
    if _is_started_like(run, meta, request):
        own = request
    new = replace(own, overrides=(*own.overrides, *overrides))
    return FixPlan(presets.changes(present, new), live_commands(settings, values), new, overrides)


def live_commands(settings: Mapping[str, Any], values: Mapping[str, Any]) -> list[Command] | None:
    """Commands that bring the settings about in a run that goes on; none where one of them needs a new run.

    A learning rate is changed by the factor between the configured and the new one, so that the schedule stays.
    """
    commands = [_live_command(path, value, value_at(values, path)) for path, value in settings.items()]
    known = [command for command in commands if command is not None]
    return known if known and len(known) == len(commands) else None


def _live_command(path: str, value: Any, present: Any) -> Command | None:
    if path == "optimizer.lr" and isinstance(present, (int, float)) and present > 0:
        return Verb.SET, {"name": "lr", "op": "mul", "value": float(value) / float(present)}
    if path == "clip.grad_norm":
        return Verb.SET, {"name": "clip", "op": "set", "value": value}
    if path == "train.epochs":
        return Verb.SET, {"name": "epochs", "op": "set", "value": int(value)}
    section, _, term = path.partition(".")
    if section == "loss_weights" and term:
        return Verb.SET, {"name": "weight", "term": term, "op": "set", "value": value}
    return None


def value_at(values: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path; none where there is none."""
    found: Any = values
    for key in path.split("."):
        found = cast("dict[str, Any]", found).get(key) if isinstance(found, dict) else None
    return found


def _own_request(
    run: RunPaths, values: Mapping[str, Any], meta: Mapping[str, Any], request: LaunchRequest
) -> LaunchRequest:
    """How to start a run with this run's configuration and data, whoever started it."""
    provenance: Any = values.get("provenance") or {}
    data = meta.get("data")
    return LaunchRequest(
        request.runs_dir,
        preset=str(run.config.resolve()),
        data=Path(data) if data else None,
        scale=str(provenance.get("scale", "full")),
        label=str(provenance.get("preset") or "fixed"),
        environ=request.environ,
    )


def _is_started_like(run: RunPaths, meta: Mapping[str, Any], request: LaunchRequest) -> bool:
    """Whether `request` leads to the configuration and data of this run."""
    data = str(request.data.resolve()) if request.data else None
    if request.fork is not None or data != meta.get("data"):
        return False
    if not (request.preset or request.task or request.configs):
        return False
    try:
        return not presets.changes(reading.load_resolved(run.config), request)
    except UserError:
        return False
