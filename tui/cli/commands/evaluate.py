"""`trainctl evaluate`: the metrics of a checkpoint on data."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from trainctl.tui.cli.options import DEFAULT_RUNS_DIR, Data, Device, Json, RunsDir, Set, all_overrides
from trainctl.tui.cli.past_run import checkpoint_of, past_run, run_or_checkpoint

Checkpoint = Annotated[str, typer.Option("--checkpoint", metavar="best|latest|FILE", help="Which checkpoint.")]
Weights = Annotated[
    str, typer.Option("--weights", metavar="raw|ema", help="Which weights; default: the better of the two.")
]
Run = Annotated[
    str, typer.Argument(metavar="RUN", help="Name, path, unique part of a name, `latest`, or a checkpoint file.")
]


def command(
    run: Run = "latest",
    data: Data = None,
    checkpoint: Checkpoint = "best",
    weights: Weights = "",
    sets: Set = None,
    device: Device = None,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
    json: Json = False,
) -> None:
    """Measure a checkpoint on data: by default the run's best one on the validation split it was chosen on."""
    run, checkpoint = run_or_checkpoint(run, checkpoint)
    past = past_run(run, runs_dir, data, all_overrides(sets, None, device))
    path = checkpoint_of(past, checkpoint)
    check_weights(weights)

    from trainctl.engine.tasks.registry import task_type
    from trainctl.engine.training.restore import evaluate

    trained, metrics = evaluate(path, past.resolved, task_type(past.resolved.config.task), past.data, weights=weights)
    sys.stdout.write(_report(path, trained.about, trained.weights, metrics, json=json) + "\n")


def check_weights(weights: str) -> None:
    """Refuse anything but raw, ema and empty.

    Raises:
        UserError: names the choices.
    """
    from trainctl.engine.errors import UserError

    if weights not in ("", "raw", "ema"):
        raise UserError(f"--weights {weights}: no such weights", "use raw or ema")


def _report(path: Path, about: dict[str, object], weights: str, metrics: dict[str, float], *, json: bool) -> str:
    if json:
        from trainctl.engine.runs.atomic import to_json

        facts = {"checkpoint": path, "weights": weights, "epoch": about["epoch"], "step": about["step"]}
        return to_json(facts | {"metrics": metrics})
    head = f"{path}  {weights} weights of epoch {about['epoch']}, step {about['step']}"
    width = max(map(len, metrics), default=0)
    return "\n".join([head, *(f"  {name:<{width}}  {value:.6f}" for name, value in metrics.items())])
