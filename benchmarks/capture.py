"""Steps launched as one CUDA graph against other ways to make them, of each system and the MLP, in one run.

Usage: python -m benchmarks.capture [--quick]. Without a CUDA device it says so and measures nothing.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks import capture_loops, mlp
from benchmarks.contender import Entry
from benchmarks.engine_run import engine
from benchmarks.field import measure
from benchmarks.interleave import Timings
from benchmarks.report import Options, headline, machine, read_options, save, say, table
from trainctl.engine.config.schema import RunConfig
from trainctl.engine.tasks.configured import resolve
from trainctl.engine.tasks.registry import task_type
from trainctl.engine.tasks.task import Task

SLICE_S = 0.5


@dataclass(frozen=True)
class Case:
    """A preset at full scale, or the MLP, with what is changed of it."""

    preset: str
    overrides: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For results."""
        return " ".join((self.preset, *self.overrides))

    def config(self, device: str, **precision: Any) -> RunConfig:
        """Its configuration on a device, with options of `precision`."""
        if self.preset == MLP:
            config = mlp.config(device, None)
        else:
            config = resolve(self.preset, overrides=[f"runtime.device={device}", *self.overrides]).config
        return config.model_copy(update={"precision": config.precision.model_copy(update=precision)})

    @property
    def task(self) -> type[Task]:
        """What is trained."""
        return mlp.MlpTask if self.preset == MLP else task_type(self.preset.partition("/")[0])


MLP = "mlp"
EYES = ("data.samples=131072", "precision.amp=off")
CASES = (
    Case("eyes/balanced", ("train.batch_size=64", *EYES)),
    Case("eyes/balanced", EYES),
    Case("quality/repaired", ("train.batch_size=64",)),
    Case("quality/repaired", ("train.batch_size=4096",)),
    Case("weld/repaired", ("precision.amp=off",)),
    Case(MLP),
)
"""Many small kernels, and few large ones."""
AIMS = {"contiguous": "wanted: 10 times at 64, 4 times at 4,096", "off": "wanted: 7 times at 64"}


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
            groups[case.name], failed = measure(
                entries(case, "cuda", Path(folder)), 4 if options.quick else 8, SLICE_S, compiled(case, Path(folder))
            )
        _print(groups[case.name], failed)
    save("capture", about, groups, bandwidth_gb_s=bandwidth())


def entries(case: Case, device: str, root: Path) -> list[Entry]:
    """The ways to make a step of a case."""

    def whole(key: str, label: str, **precision: Any) -> Entry:
        return Entry(key, label, engine, (case.config(device, **precision), case.task, root / key))

    config = case.config(device)
    return [
        whole("on", "engine, one graph a step", capture="on"),
        Entry("unrecorded", "  the same, nothing recorded", capture_loops.unrecorded, (config, case.task)),
        whole("bf16", "engine, one graph a step, bf16", capture="on", amp="bf16"),
        whole("off", "engine, kernel by kernel", capture="off"),
        Entry("plain", "plain loop (DataLoader, AdamW)", capture_loops.plain, (config, case.task)),
        Entry("contiguous", "as OCEC trains, data on the device", capture_loops.contiguous, (config, case.task)),
    ]


def compiled(case: Case, root: Path) -> list[Entry]:
    """Left out where torch cannot compile."""
    config = case.config("cuda", capture="on", amp="bf16", compile=True)
    return [Entry("compiled", "engine, one graph, bf16, compiled", engine, (config, case.task, root / "compiled"))]


def _print(timings: Timings, failed: list[str]) -> None:
    table(timings, "on")
    say(f"recording over recording nothing: {timings.ratio('on', 'unrecorded').as_overhead().strip()}")
    for key in ("off", "plain", "contiguous"):
        aim = f"   ({AIMS[key]})" if key in AIMS else ""
        say(f"{timings.labels[key]}: {timings.ratio(key, 'on')} times as long{aim}")
    for line in failed:
        say(line)


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
