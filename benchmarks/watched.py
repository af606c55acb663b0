"""What `trainctl.watch` costs in a loop that is not ours: an MLP of less than a millisecond a step, and convolutions.

Usage: python -m benchmarks.watched [--quick] [--threads N] [--processor-time] [--only mlp|conv]

With `--processor-time` it is that of the thread that trains, which neighbours on a busy machine change least;
what a tool leaves to threads or processes of its own is then not counted.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import watch_loops as loops
from benchmarks.contender import Entry
from benchmarks.field import measure
from benchmarks.interleave import Timings
from benchmarks.report import Options, add_options, headline, machine, save, say, table
from benchmarks.rivals import QUIET

WANTED = {"mlp": "+5 %", "conv": "+1 %"}
"""At most as much over measuring the same and keeping nothing."""
SLICE_S = {"mlp": 0.3, "conv": 1.0}
RIVALS = (
    ("tensorboard", "plain + TensorBoard", loops.tensorboard),
    ("wandb", "plain + W&B, offline", loops.wandb),
    ("trackio", "plain + trackio", loops.trackio),
)
"""Key, which is the module too, label, loop."""


def main(options: Options | None = None, kinds: Sequence[str] = tuple(SLICE_S), *, is_processor: bool = False) -> None:
    """Measure, print, save."""
    options = replace(options or Options(), device="cpu")
    options = replace(options, threads=options.threads or 1)
    about = machine("cpu") | {
        "threads": options.threads,
        "seconds": "of the processor" if is_processor else "of a clock",
    }
    found: dict[str, Timings] = {}
    missing: list[str] = []
    for kind in kinds:
        headline(f"watched: {kind}, a plain loop with nothing, a watch, and other tools", about)
        with tempfile.TemporaryDirectory(prefix="trainctl-bench-", ignore_cleanup_errors=True) as folder:
            found[kind], missing = _measure(kind, options, Path(folder), is_processor=is_processor)
    save("watched", about | {"load_after": round(os.getloadavg()[0], 2)}, found, missing=missing)


def _measure(kind: str, options: Options, root: Path, *, is_processor: bool) -> tuple[Timings, list[str]]:
    entries = [
        Entry("plain", "plain loop", loops.plain, (kind,)),
        Entry("measured", "plain, the same measured, nothing kept", loops.measured, (kind,)),
        Entry("watched", "plain + trainctl.watch", loops.watched, (kind, root / "watched")),
    ]
    here = [(key, label, run) for key, label, run in RIVALS if importlib.util.find_spec(key) is not None]
    missing = [f"{label}: not installed" for key, label, _ in RIVALS if importlib.util.find_spec(key) is None]
    others = [Entry(key, label, run, (kind, root / key), environ=QUIET) for key, label, run in here]
    clock = time.thread_time if is_processor else time.perf_counter
    entries, others = (
        [replace(one, threads=options.threads, clock=clock) for one in part] for part in (entries, others)
    )
    rounds = (4 if options.quick else 20) * (3 if kind == "mlp" else 1)
    timings, failed = measure(entries, rounds, SLICE_S[kind], others)
    table(timings, "plain")
    for key, label, wanted in (("measured", "measuring", f"; wanted: {WANTED[kind]}"), ("plain", "the plain loop", "")):
        least = 100 * (timings.least("watched") / timings.least(key) - 1)
        over = timings.ratio("watched", key).as_overhead().strip()
        say(f"watching over {label}: {over}, in the quietest slices {least:+.1f} %{wanted}")
    say(f"load {os.getloadavg()[0]:.1f} at the end")
    for line in (*missing, *failed):
        say(line)
    return timings, [*missing, *failed]


def _from_command_line() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--processor-time", action="store_true", help="of the thread that trains, not of a clock")
    parser.add_argument("--only", choices=tuple(SLICE_S), action="append", help="leave out the other network")
    arguments = vars(parser.parse_args())
    is_processor, kinds = arguments.pop("processor_time"), arguments.pop("only") or tuple(SLICE_S)
    main(Options(**arguments), kinds, is_processor=is_processor)


if __name__ == "__main__":
    _from_command_line()
