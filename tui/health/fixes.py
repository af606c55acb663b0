"""What it means to apply the fix of a finding: to the run that goes on, or to a new one. No widget, no torch.

A user's own task is not imported for it: its configuration is then compared as written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from trainctl.engine.config.yamlfile import format_value, read_document
from trainctl.engine.errors import UserError
from trainctl.engine.runs.commands import Verb
from trainctl.engine.runs.events import Event
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.tasks.configured import reading
from trainctl.tui import presets
from trainctl.tui.processes.launch import LaunchRequest

Command = tuple[Verb, dict[str, Any]]
PATHS = {"lr": "optimizer.lr", "clip": "clip.grad_norm", "epochs": "train.epochs"}
"""Path of what a command changes, by the command's name for it."""


@dataclass(frozen=True)
class FixPlan:
    """A fix worked out for one run."""

    changes: list[tuple[str, Any, Any]]
    """Name, present and new value of everything that a new run would have otherwise."""
    commands: list[Command] | None
    """What to ask of the run that goes on; empty: it is in force; none: this cannot be changed while it runs."""
    request: LaunchRequest
    """A new run like this one, with the fix."""
    overrides: tuple[str, ...]
    """`key=value` of the fix alone, for a fork."""

    def fork(self, run: RunPaths, *, best: bool) -> LaunchRequest:
        """Start from a checkpoint of the run, with the fix."""
        forking = self.request.forking(run.root, best=best)
        return replace(forking, overrides=self.overrides, label=self.request.label)


def plan_fix(
    settings: Mapping[str, Any],
    run: RunPaths,
    meta: Mapping[str, Any],
    request: LaunchRequest,
    changes: Iterable[Event] = (),
) -> FixPlan:
    """Work out a fix.

    Args:
        settings: new values by dotted path.
        run: the run that is to be fixed.
        meta: content of its `meta.json`.
        request: how the cockpit starts runs; kept where the run was started like that.
        changes: `command` events in force: what was changed since the run began.

    Raises:
        UserError: the run has no configuration yet, or the fix does not fit it.
    """
    values = read_document(run.config).values
    overrides = fix_overrides(settings)
    own = _own_request(run, values, meta, request)
    present = reading.load_resolved(run.config)
    if _is_started_like(run, meta, request):
        own = request
    new = replace(own, overrides=(*own.overrides, *overrides))
    return FixPlan(presets.changes(present, new), live_commands(settings, values, changes), new, overrides)


def fix_overrides(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """`key=value` of each setting of a fix."""
    return tuple(f"{path}={format_value(value)}" for path, value in settings.items())


def live_commands(
    settings: Mapping[str, Any], values: Mapping[str, Any], changes: Iterable[Event] = ()
) -> list[Command] | None:
    """Commands that bring the settings about in a run that goes on; empty where they are in force already, none where
    one of them needs a new run.

    A learning rate is changed by a factor, so that the schedule stays: by the one that leads from what is in force, not
    from what was configured, to the new one. So a fix that is asked for twice is done once.
    """
    known = _in_force(values, changes)
    commands = [_live_command(path, value, known(path)) for path, value in settings.items()]
    if not commands or None in commands:
        return None
    found = zip(commands, settings.items(), strict=True)
    return [command for command, (path, value) in found if command and not _is_same(value, known(path))]


def _in_force(values: Mapping[str, Any], changes: Iterable[Event]) -> Callable[[str], Any]:
    """The value of a path, with what commands have made of it."""
    changed: dict[str, Any] = {}
    for event in changes:
        args: Any = event.data.get("args")
        if event.data.get("verb") != Verb.SET or not isinstance(args, dict):
            continue
        if str(event.data.get("effect", "")).startswith("refused"):
            continue
        path = PATHS.get(str(args.get("name")), f"loss_weights.{args.get('term')}")
        before, value = changed.get(path, value_at(values, path)), args.get("value")
        if path == "optimizer.lr" and args.get("op") == "set":
            value = _rate_after(str(event.data.get("effect", "")), before)
        elif args.get("op") == "mul":
            value = before * value if _is_number(before) and _is_number(value) else before
        changed[path] = value
    return lambda path: changed[path] if path in changed else value_at(values, path)


def _rate_after(effect: str, before: Any) -> Any:
    """The peak of the schedule after a rate was set in the middle of it, from `lr 1e-3 -> 2e-4`."""
    with suppress(ValueError, ZeroDivisionError, TypeError):
        was, _, now = effect.removeprefix("lr ").partition(" -> ")
        return before * (float(now) / float(was))
    return before


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values are the same, as far as the three digits of an event can tell."""
    return one == other or (_is_number(one) and _is_number(other) and math.isclose(one, other, rel_tol=5e-3))


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
