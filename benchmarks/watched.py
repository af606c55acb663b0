"""What `trainctl.watch` costs in a loop that is not ours: an MLP of less than a millisecond a step, and convolutions.

Usage: python -m benchmarks.watched [--quick] [--threads N]
"""

from __future__ import annotations

import importlib.util
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks import watch_loops as loops
from benchmarks.contender import Entry
from benchmarks.field import measure
from benchmarks.interleave import Timings
from benchmarks.report import Options, headline, machine, read_options, save, say, table
from benchmarks.rivals import QUIET

SLICE_S = {"mlp": 0.3, "conv": 1.0}
RIVALS = (
    ("tensorboard", "plain + TensorBoard", loops.tensorboard),
    ("wandb", "plain + W&B, offline", loops.wandb),
    ("trackio", "plain + trackio", loops.trackio),
)
"""Key, which is the module too, label, loop."""


def main(options: Options | None = None) -> None:
    """Measure, print, save."""
    options = options or read_options(__doc__)
    options = replace(options, threads=options.threads or 1, device="cpu")
    about = machine("cpu")
    found: dict[str, Timings] = {}
    missing: list[str] = []
    for kind in SLICE_S:
        headline(f"watched: {kind}, a plain loop with nothing, a watch, and other tools", about)
        with tempfile.TemporaryDirectory(prefix="trainctl-bench-", ignore_cleanup_errors=True) as folder:
            found[kind], missing = _measure(kind, options, Path(folder))
    save("watched", about, found, missing=missing)


def _measure(kind: str, options: Options, root: Path) -> tuple[Timings, list[str]]:
    threads = options.threads
    entries = [
        Entry("plain", "plain loop", loops.plain, (kind,), threads),
        Entry("measured", "plain, the same measured, nothing kept", loops.measured, (kind,), threads),
        Entry("watched", "plain + trainctl.watch", loops.watched, (kind, root / "watched"), threads),
    ]
    here = [(key, label, run) for key, label, run in RIVALS if importlib.util.find_spec(key) is not None]
    missing = [f"{label}: not installed" for key, label, _ in RIVALS if importlib.util.find_spec(key) is None]
    others = [Entry(key, label, run, (kind, root / key), threads, QUIET) for key, label, run in here]
    rounds = (4 if options.quick else 20) * (3 if kind == "mlp" else 1)
    timings, failed = measure(entries, rounds, SLICE_S[kind], others)
    table(timings, "plain")
    for key, label, wanted in (("measured", "measuring", ""), ("plain", "the plain loop", "")):
        say(f"watching over {label}: {timings.ratio('watched', key).as_overhead()}{wanted}")
    for line in (*missing, *failed):
        say(line)
    return timings, [*missing, *failed]


if __name__ == "__main__":
    main()
