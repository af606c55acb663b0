"""The presets as the cockpit lists them, and what a change of preset would mean. No widget, no torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from trainctl.engine.config.presets import find_preset, load_preset, preset_names
from trainctl.engine.config.resolve import Resolved, ScaleName, diff
from trainctl.engine.errors import UserError
from trainctl.engine.files import is_there
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.tasks.configured import Configurations, reading, running
from trainctl.tui.processes.launch import LaunchRequest
from trainctl.tui.spoken import said


def preset_choices(present: str) -> list[tuple[str, str, str]]:
    """Every preset, those of the present one's task first, the present one marked: its name, a line, a second one."""
    task = present.partition("/")[0]
    names = sorted(preset_names(), key=lambda name: (not name.startswith(f"{task}/"), name))
    return [_choice(name, present) for name in names]


def _choice(name: str, present: str) -> tuple[str, str, str]:
    about = load_preset(name).about
    tags = [tag for tag, holds in (("present", name == present), ("recommended", about.recommended)) if holds]
    label = f"{'●' if name == present else ' '} {name}" + (f"  ({said(', '.join(tags))})" if tags else "")
    return name, label, about.summary


def present_configuration(config: Path, request: LaunchRequest | None) -> Resolved | None:
    """What the run was started with: from its `config.yaml`, else from how we started it; none if unknown."""
    if config.exists():
        return reading.load_resolved(config)
    return resolved(request) if request else None


def resolved(
    request: LaunchRequest,
    scale: ScaleName | None = None,
    source: Configurations = reading,
    *,
    data: Path | None = None,
) -> Resolved:
    """The configuration a request leads to. Automatic scale counts as full here unless `scale` says otherwise.

    Args:
        request: what is asked for.
        scale: instead of automatic.
        source: what may run of the task's code.
        data: what it is fitted to, as the run will be; none: to nothing.

    Raises:
        UserError: an unknown preset, key or file, or a value that does not fit.
    """
    if request.fork is not None:
        return _forked(request, request.fork, source)
    device = (f"runtime.device={request.device}",) if request.device else ()
    return source.resolve(
        request.preset,
        scale=scale or ("small" if request.scale == "small" else "full"),
        files=request.configs,
        environ=request.environ,
        overrides=(*device, *request.overrides),
        task=request.task,
        data=data,
    )


def _forked(request: LaunchRequest, parent: Path, source: Configurations) -> Resolved:
    """The configuration of a fork; automatic scale is the parent's."""
    device = (f"runtime.device={request.device}",) if request.device else ()
    sizes: dict[str, ScaleName] = {"small": "small", "full": "full"}
    return source.fork_config(
        source.load_resolved(RunPaths(parent).config),
        preset=request.preset,
        scale=sizes.get(request.scale),
        files=request.configs,
        environ=request.environ,
        overrides=(*device, *request.overrides),
    )


def checked(request: LaunchRequest) -> LaunchRequest:
    """The request with the name of its configuration filled in, before the screen is taken.

    Raises:
        UserError: it cannot be started at every scale it may run at, or its task's code is not trusted.
    """
    source = running(trust=request.trust)
    is_open = request.scale == "auto" and request.fork is None
    scales: tuple[ScaleName, ...] = ("small", "full") if is_open else ()
    names = [resolved(request, scale, source).preset for scale in scales or (None,)]
    name = names[0]
    if request.data is not None and not is_there(request.data):
        raise UserError(f"no such data: {request.data}", "give --data a file or folder that exists")
    if request.fork is not None:
        _check_checkpoint(request.fork, request.fork_from)
    return replace(request, label=Path(name).stem if name.endswith((".yaml", ".yml")) else name)


def _check_checkpoint(parent: Path, which: str) -> None:
    paths = RunPaths(parent)
    if not (paths.best if which == "best" else paths.latest).is_file():
        raise UserError(f"{parent} has no {which} checkpoint to fork from", "let it write one first (c)")


def changes(present: Resolved | None, request: LaunchRequest) -> list[tuple[str, Any, Any]]:
    """Every value that a new run with `request` would have otherwise; empty when nothing differs or is known."""
    if present is None:
        return []
    return diff(present, resolved(request, present.scale if request.scale == "auto" else None, data=request.data))


def full_name(preset: str) -> str:
    """Full name of a preset, or what was given when there is none of that name."""
    try:
        return find_preset(preset)
    except UserError:
        return preset
