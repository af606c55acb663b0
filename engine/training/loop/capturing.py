"""Decides what of a run is recorded and launched whole: its steps, the batches of its validations, or neither.

Knows the run's options and its optimiser; how a recording is made is `capture`'s business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from trainctl.engine.config.schema import RunConfig
from trainctl.engine.tasks.task import Task
from trainctl.engine.training.capture.recording import make_recording
from trainctl.engine.training.capture.replayer import Replayer
from trainctl.engine.training.ranks.team import ALONE_TEAM, Team
from trainctl.engine.training.state.state import TrainState

Say = Callable[[str], object]


@dataclass(frozen=True)
class Capturing:
    """What records and launches; none: everything is launched kernel by kernel."""

    steps: Replayer | None = None
    validations: Replayer | None = None


def choose_capturing(
    task: Task,
    state: TrainState,
    config: RunConfig,
    device: torch.device,
    say: Say,
    *,
    is_observed: bool,
    team: Team = ALONE_TEAM,
) -> Capturing:
    """What of a run is recorded.

    Args:
        task: its task.
        state: what the steps change.
        config: of the run.
        device: where it trains.
        say: told in a line what a user would want to know of it.
        is_observed: somebody looks at each backward pass.
        team: the ranks that take a step together, which wait for one another.
    """
    if config.precision.capture == "off":
        return Capturing()
    if not team.is_alone:
        if config.precision.capture == "on":
            say(f"precision.capture: with {team.size} processes steps are launched kernel by kernel")
        return Capturing()
    recording = make_recording(device, [state.generator])
    if recording is None:
        if config.precision.capture == "on":
            say(f"precision.capture: {device.type} has no CUDA graphs; steps are launched kernel by kernel")
        return Capturing()
    averaged = [] if state.ema is None else [state.ema.module]
    holders = [state.model, *averaged, task]
    validations = Replayer(recording, holders, state.optimizer, _nobody, without=["training"])
    why = why_not_steps(state, is_guarded=config.health.stop_on_nonfinite, is_observed=is_observed)
    if why:
        say(f"steps are launched kernel by kernel, not as one CUDA graph: {why}")
        return Capturing(None, validations)
    return Capturing(Replayer(recording, holders, state.optimizer, say), validations)


def why_not_steps(state: TrainState, *, is_guarded: bool, is_observed: bool) -> str:
    """Why a step cannot be recorded, whatever its task does; empty: it can."""
    optimizer = state.optimizer
    kind, is_fused = type(optimizer).__name__, bool(optimizer.defaults.get("fused"))
    if is_observed:
        return "each backward pass is looked at"
    if state.scaler is not None:
        return "under fp16 the scaler decides in Python; precision.amp=bf16 has none"
    if is_guarded and not is_fused:
        return f"{kind} cannot skip a non-finite update on the device; health.stop_on_nonfinite=false allows it"
    if not is_fused and "capturable" not in optimizer.defaults:
        return f"torch has no {kind} that can be recorded"
    return ""


def _nobody(text: str) -> None:
    """Of validations nothing is said: a step says it all, or why it is as slow as it is."""
    del text
