"""Changes to a live run: learning rate, loss weight, clip norm, number of epochs. Says each effect in words.

Knows the state of a training, not who asks nor when.
"""

from __future__ import annotations

import math
from typing import Any

from trainctl.engine.errors import UserError
from trainctl.engine.training.state.state import TrainState


def apply_setting(args: dict[str, Any], state: TrainState) -> str:
    """Change learning rate, loss weight, clip norm or number of epochs of a live run.

    Args:
        args: as described at `Verb.SET`; checked already.
        state: of the run.

    Returns:
        The effect in words; begins with "refused" when the setting does not fit this run.
    """
    name, value = args["name"], args["value"]
    if name == "lr":
        return _set_lr(args, state)
    if name == "weight":
        return _set_weight(args, state)
    if name == "clip":
        before, state.clip = state.clip, value
        return f"clip {_norm(before)} -> {_norm(value)}"
    return _set_epochs(value, state)


def _set_epochs(value: int, state: TrainState) -> str:
    if value <= state.progress.epoch:
        return f"refused: {state.progress.epoch} epochs are already done"
    before, state.plan.epochs = state.plan.epochs, value
    try:
        state.plan.points(state.progress.step)  # a plan that is computed ahead may be too long, or not go so far
    except UserError as err:
        state.plan.epochs = before
        return f"refused: {err.message}"
    return f"epochs {before} -> {value}"


def _set_lr(args: dict[str, Any], state: TrainState) -> str:
    plan, step = state.plan, state.progress.step
    before, planned, factor = plan.at(step), plan.unscaled(step), args["value"]
    if planned == 0 and args["op"] == "set":
        return "refused: the plan's lr is 0 at this step, whatever it is multiplied by"
    scale = plan.scale * factor if args["op"] == "mul" else factor / planned
    if not 0 < scale < math.inf or not math.isfinite(scale * plan.peak):
        return f"refused: lr {before:.3g} would become {scale * planned:.3g}"
    plan.scale = scale
    return f"lr {before:.3g} -> {plan.at(step):.3g}"


def _set_weight(args: dict[str, Any], state: TrainState) -> str:
    term = args["term"]
    if term not in state.weights:
        return f"refused: no loss term {term!r}; this run has {', '.join(state.weights)}"
    before = state.weights[term]
    largest = max(state.weighting.configured[term], state.weighting.unramped[term])
    if args["op"] == "mul" and not math.isfinite(largest * args["value"]):
        return f"refused: weight.{term} {before:g} would become infinite"
    state.weighting.change(term, args["value"], is_factor=args["op"] == "mul")
    state.weigh()
    after, whole = state.weights[term], state.weighting.unramped[term]
    later = "" if after == whole else f", on the way to {whole:g}"
    return f"weight.{term} {before:g} -> {after:g}{later}"


def _norm(value: float | None) -> str:
    return "off" if value is None else f"{value:g}"
