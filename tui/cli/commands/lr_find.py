"""`trainctl lr-find`: a learning rate range test on a preset and data, drawn in text."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trainctl.tui.cli.commands.run import device_type
from trainctl.tui.cli.options import (
    Config,
    Data,
    Device,
    Json,
    Overrides,
    Preset,
    Scale,
    ScaleChoice,
    Set,
    Task,
    all_overrides,
    resolve_options,
)

if TYPE_CHECKING:
    from trainctl.engine.optim.lr_finder import RangeTest

ROWS = 20
BAR = 40


def command(
    overrides: Overrides = None,
    preset: Preset = None,
    task: Task = None,
    config: Config = None,
    sets: Set = None,
    data: Data = None,
    scale: Scale = ScaleChoice.AUTO,
    device: Device = None,
    start: Annotated[float, typer.Option("--start", help="First learning rate.")] = 1e-7,
    end: Annotated[float, typer.Option("--end", help="Last learning rate.")] = 10.0,
    steps: Annotated[int, typer.Option("--steps", help="Steps of the sweep.", min=10)] = 100,
    json: Json = False,
    progress: Annotated[
        bool, typer.Option("--progress", help="Say on standard error how far it is, a JSON line each.")
    ] = False,
) -> None:
    """Sweep the learning rate over a few steps on a copy of the network, and suggest one."""
    from trainctl.engine.errors import UserError

    if not 0 < start < end or not math.isfinite(end):
        raise UserError(f"--start {start:g} --end {end:g}: not a range", "give 0 < start < end")
    size = scale.on(device_type(device))
    words = all_overrides(sets, overrides, device)
    resolved = resolve_options(preset, scale=size, config=config, overrides=words, task=task, data=data)

    from trainctl.engine.optim.lr_finder import smooth
    from trainctl.engine.tasks.registry import task_type
    from trainctl.engine.training.device import describe_device
    from trainctl.engine.training.find_lr import find_lr
    from trainctl.engine.training.setup import assemble_run

    present = resolved.config.optimizer.lr
    about: dict[str, Any] = {"configured": present, "start": start, "end": end, "total": steps}
    if progress:
        _tell(stage="loading", **about)
    assembly = assemble_run(resolved.config, task_type(resolved.config.task), data)
    about["device"] = describe_device(assembly.device)

    def tell(lrs: list[float], losses: list[float]) -> None:
        _tell(stage="sweep", lrs=lrs, losses=losses, smoothed=smooth(losses), **about)

    if progress:
        tell([], [])
    result = find_lr(assembly, resolved.config, start, end, steps, tell if progress else None)
    sys.stdout.write(_report(result, present, about if json else None) + "\n")


def _tell(**progress: Any) -> None:
    from trainctl.engine.runs.atomic import to_json

    sys.stderr.write(to_json(progress) + "\n")
    sys.stderr.flush()


def _report(result: RangeTest, present: float, about: dict[str, Any] | None) -> str:
    """The sweep in words, or as JSON where there is something to say about it."""
    if about is not None:
        from trainctl.engine.runs.atomic import to_json, to_plain

        return to_json(to_plain(result) | about)
    finite = [loss for loss in result.smoothed if math.isfinite(loss)]
    low, high = min(finite), max(finite)
    stride = max(1, len(result.lrs) // ROWS)
    lines = ["learning rate   loss (smoothed)"]
    for k in range(0, len(result.lrs), stride):
        loss = result.smoothed[k]
        share = (loss - low) / (high - low) if high > low and math.isfinite(loss) else 1.0
        here = result.suggestion is not None and result.lrs[k] <= result.suggestion < result.lrs[k] * _step(
            result, stride
        )
        mark = "  < suggested" if here else ""
        lines.append(f"{result.lrs[k]:13.2e}   {loss:8.4f}  {'#' * (1 + int(share * BAR))}{mark}")
    if result.diverged_at is not None:
        lines.append(f"diverges at {result.diverged_at:.2e}")
    if result.suggestion is None:
        lines.append("the loss never fell: no suggestion; run `trainctl diagnose`")
    else:
        lines.append(f"suggested: --set optimizer.lr={result.suggestion:.2g}   (configured: {present:g})")
    return "\n".join(lines)


def _step(result: RangeTest, stride: int) -> float:
    return (result.lrs[1] / result.lrs[0]) ** stride
