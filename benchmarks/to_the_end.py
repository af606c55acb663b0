"""Trains recommended presets to their end, as a user would, and shows what came of it: the result, then the speed.

Usage: python -m benchmarks.to_the_end [--device cuda] [--scale full] [--preset NAME]... [--seeds 42 1 2]
       [--minutes 3] [-- key=value ...]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.report import RESULTS, headline, machine, say
from benchmarks.startup import CLI, POLL_S
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.reader import RunReader
from trainctl.engine.runs.summary import read_summary

PRESETS = ("eyes/balanced", "quality/repaired", "weld/repaired", "emotion/repaired")


@dataclass(frozen=True)
class Outcome:
    """What came of one run."""

    preset: str
    seed: int
    metric: str
    best: float
    epoch: int
    """Of the best."""
    epochs: int
    steps: int
    start_s: float
    """From the command to the first recorded step."""
    whole_s: float
    """From the command to its end."""
    samples_per_s: float
    reason: str
    notes: tuple[str, ...]
    """What the run said of graphs."""


def main() -> None:
    """Train, print, save."""
    options = _parser().parse_args()
    about = machine(options.device)
    headline(f"to the end, {options.scale} scale", about)
    print(f"   {'':26} best        at epoch  epochs  steps   start s  whole s  samples/s  ended by")
    found: list[Outcome] = []
    for preset in options.preset or PRESETS:
        for seed in options.seeds:
            with tempfile.TemporaryDirectory(prefix="trainctl-bench-") as folder:
                found.append(_train(preset, seed, options, Path(folder)))
            _print(found[-1])
    RESULTS.mkdir(exist_ok=True)
    content = {"machine": about, "scale": options.scale, "runs": [asdict(outcome) for outcome in found]}
    (RESULTS / f"to_the_end-{options.device}.json").write_text(json.dumps(content, indent=1) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.to_the_end", description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--scale", choices=("small", "full"), default="full")
    parser.add_argument("--preset", action="append", help="instead of the four recommended ones; may be repeated")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42])
    parser.add_argument("--minutes", type=float, default=3.0, help="of training, for each run")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    return parser


def _train(preset: str, seed: int, options: argparse.Namespace, root: Path) -> Outcome:
    words = ["run", "--preset", preset, "--device", options.device, "--scale", options.scale, "--run-dir", str(root)]
    words += [f"seed={seed}", f"train.max_minutes={options.minutes}", *options.overrides]
    started = time.perf_counter()
    start_s = 0.0
    with subprocess.Popen([sys.executable, "-c", CLI, *words], stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            if not start_s and RunPaths(root).steps.exists() and RunPaths(root).steps.stat().st_size:
                start_s = time.perf_counter() - started
            time.sleep(POLL_S)
    whole_s = time.perf_counter() - started
    summary = read_summary(RunPaths(root))
    if summary is None or summary.best is None:
        raise RuntimeError(f"{preset} ended without a result (code {process.returncode})")
    reader = RunReader(RunPaths(root))
    reader.poll()
    notes = [event.data["text"] for event in reader.current_events() if event.kind is EventKind.NOTE]
    return Outcome(
        preset=preset,
        seed=seed,
        metric=summary.best.metric,
        best=summary.best.value,
        epoch=summary.best.epoch,
        epochs=summary.epochs,
        steps=summary.steps,
        start_s=start_s,
        whole_s=whole_s,
        samples_per_s=summary.samples_per_s,
        reason=summary.exit_reason,
        notes=tuple(text for text in notes if "CUDA graph" in text),
    )


def _print(outcome: Outcome) -> None:
    result = f"{outcome.metric} {outcome.best:.4f}"
    say(
        f"{outcome.preset:20} {outcome.seed:5} {result:20} {outcome.epoch:4} {outcome.epochs:7} {outcome.steps:6} "
        f"{outcome.start_s:9.1f} {outcome.whole_s:8.1f} {outcome.samples_per_s:10,.0f}  {outcome.reason}"
    )
    for text in outcome.notes:
        say(f"{'':26} {text}")


if __name__ == "__main__":
    main()
