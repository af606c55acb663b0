"""What recording every step costs, where it hurts most: an MLP of less than a millisecond a step.

Usage: python -m benchmarks.recorder_mlp [--quick] [--threads N] [--device cpu|cuda]
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.contender import Entry
from benchmarks.engine_run import engine
from benchmarks.field import measure
from benchmarks.interleave import Timings
from benchmarks.mlp import BATCH_SIZE, MlpTask, config
from benchmarks.mlp_bare import measured, recorded, unmeasured
from benchmarks.mlp_plain import computed, plain
from benchmarks.report import Options, headline, machine, read_options, save, say, table
from benchmarks.rivals import rivals

SLICE_S = 0.2


def main(options: Options | None = None) -> None:
    """Measure, print, save."""
    options = options or read_options(__doc__)
    options = replace(options, threads=options.threads or 1)  # so small a network gains nothing from more
    device = options.choose()
    about = machine(device)
    headline(f"recorder_mlp: 64-128-10 MLP, batch {BATCH_SIZE}, on {device}", about)
    with tempfile.TemporaryDirectory(prefix="trainctl-bench-", ignore_cleanup_errors=True) as folder:
        own = _own(device, options, Path(folder))
        others, missing = _others(device, options, Path(folder))
    save("recorder_mlp", about, {"own": own, "others": others}, missing=missing)


def _own(device: str, options: Options, root: Path) -> Timings:
    """The recorder against the same loop without it, the engine against the loop a user would write."""
    threads = options.threads
    entries = [
        Entry("plain", "plain loop (DataLoader, AdamW)", plain, (device,), threads),
        Entry("unmeasured", "bare loop, nothing measured", unmeasured, (device,), threads),
        Entry("measured", "bare loop, measured, nothing kept", measured, (device,), threads),
        Entry("recorded", "bare loop, measured and recorded", recorded, (device, root / "recorded"), threads),
        _engine(device, threads, root / "engine"),
    ]
    timings, _ = measure(entries, 12 if options.quick else 60, SLICE_S)
    table(timings, "plain")
    say(f"recording over measuring:   {_compare(timings, 'recorded', 'measured')}   (wanted: at most +3 %)")
    say(f"recording over nothing:     {_compare(timings, 'recorded', 'unmeasured')}")
    say(f"engine over recording loop: {_compare(timings, 'engine', 'recorded')}")
    say(f"engine over plain loop:     {_compare(timings, 'engine', 'plain')}   (wanted: at most 0)")
    return timings


def _compare(timings: Timings, key: str, reference: str) -> str:
    least = timings.least(key) / timings.least(reference)
    return f"{timings.ratio(key, reference).as_overhead()}, in the quietest slices {100 * (least - 1):+.1f} %"


def _others(device: str, options: Options, root: Path) -> tuple[Timings, list[str]]:
    """Other tools against the plain loop."""
    threads = options.threads
    entries = [
        Entry("plain", "plain loop, nothing recorded", plain, (device,), threads),
        Entry("computed", "plain + norms and class counts", computed, (device,), threads),
        _engine(device, threads, root / "engine2"),
    ]
    installed, missing = rivals(device, root, threads)
    timings, failed = measure(entries, 3 if options.quick else 15, SLICE_S, installed)
    print()
    table(timings, "plain")
    for line in (*missing, *failed):
        say(line)
    return timings, [*missing, *failed]


def _engine(device: str, threads: int | None, root: Path) -> Entry:
    return Entry("engine", "whole engine, all recorded", engine, (config(device, threads), MlpTask, root), threads)


if __name__ == "__main__":
    main()
