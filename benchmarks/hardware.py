"""What sampling hardware and time costs a training: one sample by itself, and the whole engine with and without.

Once in six seconds is too seldom to be seen in a slice, so the engine also samples a hundred times as often: a
hundredth of what that adds is what ten samples a minute add.

Usage: python -m benchmarks.hardware [--quick] [--threads N] [--device cpu|cuda]
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.contender import Entry
from benchmarks.engine_run import engine
from benchmarks.field import measure
from benchmarks.gate import Gate
from benchmarks.mlp import MlpTask, config
from benchmarks.report import Options, headline, machine, read_options, save, say, table
from trainctl.engine.machine.cards import Cards
from trainctl.engine.machine.load import LoadMeter
from trainctl.engine.training import session
from trainctl.engine.training.desk import meter

SLICE_S = 0.6
OFTEN_S = 0.06
NUM_ALONE = 200


def main(options: Options | None = None) -> None:
    """Measure, print, save."""
    options = options or read_options(__doc__)
    options = replace(options, threads=options.threads or 1)
    device = options.choose()
    about = machine(device)
    headline(f"hardware: samples of a training on {device}", about)
    load, cards = LoadMeter(), Cards()
    say(f"one reading of processors and memory: {1e6 * _seconds(load.read):.0f} µs of a processor")
    say(f"one reading of {len(cards.read())} cards: {1e6 * _seconds(cards.read):.0f} µs of a processor")
    with tempfile.TemporaryDirectory(prefix="trainctl-bench-", ignore_cleanup_errors=True) as folder:
        entries = [
            _entry("without", "engine, no samples", None, device, options, Path(folder)),
            _entry("with", "engine, ten samples a minute", meter.SAMPLE_S, device, options, Path(folder)),
            _entry("often", f"engine, a sample each {OFTEN_S} s", OFTEN_S, device, options, Path(folder)),
        ]
        timings, _ = measure(entries, 4 if options.quick else 12, SLICE_S)
    table(timings, "without")
    once, often = timings.ratio("with", "without"), timings.ratio("often", "without")
    say(f"ten samples a minute: {once.as_overhead()}")
    say(f"a hundred times as many, divided by a hundred: {(often.median - 1):+.4f} %")
    save("hardware", about, {"engine": timings})


def sampling(gate: Gate, every_s: float | None, device: str, threads: int | None, root: Path) -> None:
    """The engine with another time between two samples; none: it takes none."""
    if every_s is None:
        meter.HardwareMeter.beat = _nothing
    else:
        meter.SAMPLE_S = every_s
        meter.LOOK_S = session.LOOK_S = min(meter.LOOK_S, every_s)
    engine(gate, config(device, threads), MlpTask, root)


def _nothing(self: meter.HardwareMeter) -> None:
    del self


def _entry(key: str, label: str, every_s: float | None, device: str, options: Options, root: Path) -> Entry:
    # Of a processor, all threads: what another program takes meanwhile is not this one's cost.
    arguments = (every_s, device, options.threads, root / key)
    return Entry(key, label, sampling, arguments, options.threads, clock=time.process_time)


def _seconds(read: Callable[[], object]) -> float:
    """Of a processor, in the median."""
    taken: list[float] = []
    for _ in range(NUM_ALONE):
        began = time.thread_time()
        read()
        taken.append(time.thread_time() - began)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
