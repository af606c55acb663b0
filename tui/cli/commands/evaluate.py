"""`trainctl evaluate`: the metrics of a checkpoint on data."""

from __future__ import annotations

from pathlib import Path

from trainctl.tui.cli.options import (
    DEFAULT_RUNS_DIR,
    Checkpoint,
    Data,
    Device,
    Json,
    RunsDir,
    Set,
    TrainedRun,
    Trust,
    Weights,
    all_overrides,
)
from trainctl.tui.cli.output import align, print_lines, say, say_json
from trainctl.tui.cli.past_run import trained_run


def command(
    run: TrainedRun = "latest",
    data: Data = None,
    checkpoint: Checkpoint = "best",
    weights: Weights = "",
    sets: Set = None,
    device: Device = None,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Measure a checkpoint on data: by default the run's best one on the validation split it was chosen on."""
    overrides = all_overrides(sets, None, device)
    past, path = trained_run(run, runs_dir, checkpoint, weights, data=data, overrides=overrides, trust=trust)

    from trainctl.engine.training.restore import evaluate

    trained, metrics = evaluate(path, past.resolved, past.task_type, past.data, weights=weights)
    _report(path, trained.about, trained.weights, metrics, json=json)


def _report(path: Path, about: dict[str, object], weights: str, metrics: dict[str, float], *, json: bool) -> None:
    if json:
        facts = {"checkpoint": path, "weights": weights, "epoch": about["epoch"], "step": about["step"]}
        say_json(facts | {"metrics": metrics})
        return
    say(f"{path}  {weights} weights of epoch {about['epoch']}, step {about['step']}")
    print_lines(align([[(name, ""), (f"{value:.6f}", "")] for name, value in metrics.items()], indent=2))
