"""Images per second on the eye network: the engine, the engine without each of its means, and the usual loop.

Usage: python -m benchmarks.eyes_engine [--quick] [--threads N] [--device cpu|cuda]
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import torch

from benchmarks.contender import Entry
from benchmarks.engine_run import engine
from benchmarks.eyes_data import DrawnEyes, read_data, write_data
from benchmarks.eyes_files import usual, write_files
from benchmarks.field import measure
from benchmarks.gate import Gate
from benchmarks.interleave import Timings
from benchmarks.report import Options, headline, machine, read_options, save, say, table
from trainctl.engine.data.feed import Feed
from trainctl.engine.tasks.configured import resolve
from trainctl.engine.tasks.eyes.config import EyesConfig
from trainctl.engine.training import setup

NUM_SAMPLES = {"cpu": 4096, "cuda": 16384}
WORKERS = 2
SLICE_S = 0.5


@dataclass(frozen=True)
class Case:
    """A network (base channels and blocks of the baseline) and a batch size."""

    base_channels: int
    num_blocks: int
    batch_size: int

    @property
    def name(self) -> str:
        """For results."""
        return f"{self.base_channels}/{self.num_blocks} batch {self.batch_size}"


CASES = (Case(32, 4, 64), Case(64, 8, 64))
"""The network of the small scale, and the OCEC training document's."""
CUDA_CASES = (*CASES, Case(64, 8, 4096))
"""On a GPU also the document's batch size."""


def main(options: Options | None = None) -> None:
    """Measure, print, save."""
    options = options or read_options(__doc__)
    device = options.choose()
    about = machine(device)
    groups: dict[str, Timings] = {}
    cases = CUDA_CASES if device == "cuda" else CASES
    cases = cases[:1] if options.quick else cases
    with tempfile.TemporaryDirectory(prefix="trainctl-bench-", ignore_cleanup_errors=True) as folder:
        data = Path(folder) / "eyes.pt"
        write_data(data, NUM_SAMPLES[device], 32, 64)
        write_files(read_data(data)[0], Path(folder) / "images")
        for index, case in enumerate(cases):
            headline(f"eyes_engine: baseline {case.name}, 32x64, on {device}", about)
            entries = _entries(eyes_config(case, device, options.threads), data, Path(folder) / str(index))
            groups[case.name], _ = measure(entries, 4 if options.quick else 12, SLICE_S)
            _print(groups[case.name], case.batch_size)
    save("eyes_engine", about, groups)


def eyes_config(case: Case, device: str, threads: int | None) -> EyesConfig:
    """The preset `balanced` with another network and batch size."""
    overrides = [
        f"train.batch_size={case.batch_size}",
        f"model.base_channels={case.base_channels}",
        f"model.num_blocks={case.num_blocks}",
        f"runtime.device={device}",
        *([f"runtime.threads={threads}"] if threads else []),
    ]
    config = resolve("eyes/balanced", overrides=overrides).config
    assert isinstance(config, EyesConfig)
    return config


def _entries(config: EyesConfig, data: Path, root: Path) -> list[Entry]:
    threads, images = config.runtime.threads, data.parent / "images"

    def ours(key: str, label: str, changed: EyesConfig) -> Entry:
        return Entry(key, label, engine, (changed, DrawnEyes, root / key, data), threads)

    contiguous = _changed(config, "precision", channels_last=False)
    looped = _changed(config, "optimizer", implementation="loop")
    return [
        ours("engine", "engine, all recorded, EMA", config),
        ours("contiguous", "  without channels-last", contiguous),
        ours("loop_adamw", "  without fused AdamW", looped),
        Entry("releasing", "  without keeping freed memory", releasing, (config, root / "releasing", data), threads),
        Entry("unrecorded", "  without measuring and recording", unrecorded, (config, data), threads),
        Entry("files", "usual loop: JPEG files, Pillow", usual, (data, images, 0, config), threads),
        Entry("workers", f"usual loop, {WORKERS} workers", usual, (data, images, WORKERS, config), threads),
        Entry("arrays", "usual loop, decoded beforehand", usual, (data, None, 0, config), threads),
    ]


def _changed(config: EyesConfig, section: str, **values: Any) -> EyesConfig:
    changed = getattr(config, section).model_copy(update=values)
    return config.model_copy(update={section: changed})


def _print(timings: Timings, batch_size: int) -> None:
    table(timings, "engine", batch_size)
    for key in ("files", "workers", "arrays"):
        quietest = timings.least(key) / timings.least("engine")
        times = f"{timings.ratio(key, 'engine')}, in the quietest slices {quietest:.2f}"
        say(f"engine is {times} times as fast as: {timings.labels[key]}")
    say("(wanted: at least 2 times as fast as the first two)")


def releasing(gate: Gate, config: EyesConfig, root: Path, data: Path) -> None:
    """The engine, but the C library's allocator is left as it is (a process can set it only once)."""
    setup.prepare_process = _leave_alone
    engine(gate, config, DrawnEyes, root, data)


def _leave_alone(config: Any, device: torch.device) -> None:
    """Stands in for `prepare_process` where its setting of the allocator is what is left out."""
    del config
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")


def unrecorded(gate: Gate, config: EyesConfig, data: Path) -> None:
    """The engine's parts without norms, guard and records: what a step costs at least."""
    parts = setup.assemble_run(config, DrawnEyes, data)
    task, state = parts.task, parts.state
    sampler, feed = task.sampler(parts.splits.train), Feed(parts.splits.train, parts.device)
    state.model.train()
    for epoch in count():
        for batch in feed.batches(sampler.batches(epoch)):
            gate.pass_through()
            prepared = task.augment(task.prepare(batch), state.generator)
            (loss,) = task.step(state.model, prepared).terms.values()
            loss.backward()
            state.optimizer.step()
            state.optimizer.zero_grad(set_to_none=True)
            if state.ema is not None:
                state.ema.update()


if __name__ == "__main__":
    main()
