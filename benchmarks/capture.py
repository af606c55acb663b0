"""Steps launched as one CUDA graph against steps launched kernel by kernel, of each system, in the whole engine.

Usage: python -m benchmarks.capture [--quick]. Needs a CUDA device; elsewhere it says so and measures nothing.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.contender import Entry
from benchmarks.engine_run import engine
from benchmarks.field import measure
from benchmarks.gate import Gate
from benchmarks.interleave import Timings
from benchmarks.report import Options, headline, machine, read_options, save, say, table
from trainctl.engine.tasks.configured import resolve
from trainctl.engine.tasks.registry import task_type

SLICE_S = 0.5


@dataclass(frozen=True)
class Case:
    """A preset at full scale, with what is changed of it."""

    preset: str
    overrides: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For results."""
        return " ".join((self.preset, *self.overrides))


CASES = (
    Case("eyes/balanced", ("train.batch_size=64", "data.samples=20000")),
    Case("quality/repaired"),
    Case("weld/repaired"),
    Case("eyes/balanced", ("data.samples=20000",)),
)
"""Three of many small kernels, one of few large ones."""


def main(options: Options | None = None) -> None:
    """Measure, print, save."""
    options = options or read_options(__doc__)
    if options.choose() != "cuda":
        headline("capture", {})
        say("needs a CUDA device: there are no graphs of the steps of a CPU")
        return
    about = machine("cuda")
    groups: dict[str, Timings] = {}
    for case in CASES[:1] if options.quick else CASES:
        headline(f"capture: {case.name}", about)
        with tempfile.TemporaryDirectory(prefix="trainctl-bench-", ignore_cleanup_errors=True) as folder:
            entries = [_entry(case, mode, Path(folder)) for mode in ("on", "off")]
            groups[case.name], _ = measure(entries, 4 if options.quick else 12, SLICE_S)
        table(groups[case.name], "on")
        say(f"kernel by kernel takes {groups[case.name].ratio('off', 'on')} times as long")
    save("capture", about, groups, bandwidth_gb_s=bandwidth())


def _entry(case: Case, mode: str, root: Path) -> Entry:
    label = "one graph a step" if mode == "on" else "kernel by kernel"
    return Entry(mode, label, run, (case, mode, root / mode))


def run(gate: Gate, case: Case, mode: str, root: Path) -> None:
    """A run of the case that never ends."""
    overrides = [f"precision.capture={mode}", "runtime.device=cuda", *case.overrides]
    config = resolve(case.preset, overrides=overrides).config
    engine(gate, config, task_type(config.task), root)


def bandwidth() -> float:
    """Bytes that the device reads and writes in a second while it copies 4 GB within its memory, in GB."""
    source = torch.empty(4_000_000_000, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    target.copy_(source)
    begin.record()
    for _ in range(10):
        target.copy_(source)
    end.record()
    torch.cuda.synchronize()
    return 10 * 2 * source.nbytes / (begin.elapsed_time(end) / 1e3) / 1e9


if __name__ == "__main__":
    main()
