"""`trainctl lr-find`: a learning rate range test on a preset and data, drawn in text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trainctl.engine.errors import UserError
from trainctl.tui.cli.command_line import takes
from trainctl.tui.cli.configured import Configured, configured
from trainctl.tui.cli.options import Json, OverridableOptions
from trainctl.tui.cli.output import SCHEMA, say, say_json, tell

if TYPE_CHECKING:
    from trainctl.engine.optim.lr_finder import RangeTest

ROWS = 20
BAR = 40


@dataclass(frozen=True)
class LrFindOptions(OverridableOptions):
    """The options of `trainctl lr-find`."""

    start: Annotated[float, typer.Option("--start", help="First learning rate.")] = 1e-7
    end: Annotated[float, typer.Option("--end", help="Last learning rate.")] = 10.0
    steps: Annotated[int, typer.Option("--steps", help="Steps of the sweep.", min=10, max=100_000)] = 100
    json: Json = False
    progress: Annotated[
        bool, typer.Option("--progress", help="Say on standard error how far it is, a JSON line each.")
    ] = False


@takes(LrFindOptions)
def command(options: LrFindOptions) -> None:
    """Sweep the learning rate over a few steps on a copy of the network, and suggest one."""
    start, end = options.start, options.end
    if not 0 < start < end or not math.isfinite(end):
        raise UserError(f"--start {start:g} --end {end:g}: not a range", "give 0 < start < end")
    wanted = configured(options)
    present = wanted.resolved.config.optimizer.lr
    about: dict[str, Any] = {"configured": present, "start": start, "end": end, "total": options.steps}
    result = _sweep(wanted, options, about)
    if options.json:
        from trainctl.engine.runs.atomic import to_plain

        say_json({"schema": SCHEMA, **to_plain(result), **about})
    else:
        say(*_report(result, present))


def _sweep(wanted: Configured, options: LrFindOptions, about: dict[str, Any]) -> RangeTest:
    """Sweep; adds to what is known about it on which device."""
    from trainctl.engine.optim.lr_finder import smooth
    from trainctl.engine.training.device import describe_device
    from trainctl.engine.training.find_lr import find_lr
    from trainctl.engine.training.setup import assemble_run

    if options.progress:
        tell(stage="loading", **about)
    config = wanted.resolved.config
    assembly = assemble_run(config, wanted.task_type, wanted.data)
    about["device"] = describe_device(assembly.device)

    def tell_sweep(lrs: list[float], losses: list[float]) -> None:
        tell(stage="sweep", lrs=lrs, losses=losses, smoothed=smooth(losses), **about)

    if options.progress:
        tell_sweep([], [])
    return find_lr(
        assembly, config, options.start, options.end, options.steps, tell_sweep if options.progress else None
    )


def _report(result: RangeTest, present: float) -> list[str]:
    """The sweep in lines of words."""
    finite = [loss for loss in result.smoothed if math.isfinite(loss)]
    if not finite:
        return ["no loss is finite, from the first step on: no suggestion; run `trainctl diagnose`"]
    low, high = min(finite), max(finite)
    stride = max(1, len(result.lrs) // ROWS)
    lines = ["learning rate   loss (smoothed)"]
    for k in range(0, len(result.lrs), stride):
        loss = result.smoothed[k]
        share = (loss - low) / (high - low) if high > low else 1.0
        bar = "#" * (1 + int(share * BAR)) if math.isfinite(loss) else ""
        here = result.suggestion is not None and result.lrs[k] <= result.suggestion < result.lrs[k] * _step(
            result, stride
        )
        mark = "  < suggested" if here else ""
        lines.append(f"{result.lrs[k]:13.2e}   {loss:8.4f}  {bar}{mark}".rstrip())
    if result.diverged_at is not None:
        is_finite = math.isfinite(result.smoothed[result.lrs.index(result.diverged_at)])
        lines.append(f"{'diverges' if is_finite else 'the loss is not finite'} at {result.diverged_at:.2e}")
    if result.suggestion is None:
        lines.append("the loss never fell: no suggestion; run `trainctl diagnose`")
    else:
        lines.append(f"suggested: --set optimizer.lr={result.suggestion:.2g}   (configured: {present:g})")
    return lines


def _step(result: RangeTest, stride: int) -> float:
    return (result.lrs[1] / result.lrs[0]) ** stride
