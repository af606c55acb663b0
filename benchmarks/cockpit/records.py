"""Runs as a trainer would write them, made quickly: records of any number of steps, events, status, summary."""

from __future__ import annotations

import os
import socket
import time
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from trainctl.engine.runs.events import EventKind, EventWriter
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.meta import write_meta
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Status, write_status
from trainctl.engine.runs.store import Records, StepWriter
from trainctl.engine.runs.summary import Summary, write_summary

EYES = RecordLayout(
    terms=("focal",),
    groups=("stem", "block0", "block1", "block2", "block3", "head"),
    classes=("closed", "open"),
)
"""What the eyes task records: 23 fields, 104 bytes a step."""
TWELVE = RecordLayout(terms=("ce",), scalars=tuple(f"metric{k}" for k in range(9)))
"""Twelve curves: loss, learning rate, gradient norm and nine of the task's own."""

WIDE = RecordLayout(terms=tuple(f"term{k}" for k in range(60)), classes=tuple(f"class {k}" for k in range(200)))
"""Sixty terms and two hundred classes, more than any panel has room for; its validations have forty metrics."""
MANY_METRICS = 40

PRESET = "eyes/balanced"
STEPS_PER_EPOCH = 10_000
BATCH_SIZE = 64
BLOCK = 1 << 16
LAST_LOSS, LAST_SHOWN = 0.4321, rb"0\.432"
"""Loss of the last steps of a finished run, and what a legend makes of it: seen, the last step has been read."""
LAST_STEPS = 512


class WrittenRun:
    """A run directory that grows.

    Args:
        root: the new directory.
        layout: what a record holds.
        total_steps: what its plan says.
    """

    def __init__(self, root: Path, layout: RecordLayout = EYES, total_steps: int = 10_000_000) -> None:
        root.mkdir(parents=True)
        self.paths, self.total_steps, self.step = RunPaths(root), total_steps, 0
        self._layout, self._started = layout, time.time()
        self._writer = StepWriter(self.paths, layout)
        self._events = EventWriter(self.paths)
        self._begin()

    def append(self, count: int, last: bool = False) -> None:
        """Take so many steps; at the end of each epoch it validates. `last`: the run ends with `LAST_LOSS`."""
        end = self.step + count
        while self.step < end:
            records = self._records(min(end - self.step, BLOCK))
            if last:
                records["loss"][records["step"] > end - LAST_STEPS] = LAST_LOSS
                records[f"term.{self._layout.terms[0]}"] = records["loss"]
            self._writer.append(records)
            before, self.step = self.step, self.step + len(records)
            for epoch in range(before // STEPS_PER_EPOCH + 1, self.step // STEPS_PER_EPOCH + 1):
                self._validate(epoch)

    def status(self, state: RunState = RunState.RUNNING, steps_per_s: float = 1000.0) -> None:
        """Replace `status.json`."""
        total = self.total_steps
        write_status(
            self.paths,
            Status(
                state=state,
                pid=os.getpid(),
                host=socket.gethostname(),
                step=self.step,
                epoch=self.step // STEPS_PER_EPOCH + 1,
                epochs=total // STEPS_PER_EPOCH,
                total_steps=total,
                started=self._started,
                heartbeat=time.time(),
                steps_per_s=steps_per_s,
                samples_per_s=steps_per_s * BATCH_SIZE,
                eta_s=(total - self.step) / steps_per_s,
                device="cpu",
                preset=PRESET,
            ),
        )

    def finish(self) -> None:
        """End it."""
        self._writer.close()
        self._events.append(EventKind.END, self.step, state="finished", exit_reason="all epochs done")
        self.status(RunState.FINISHED)
        epochs = self.step // STEPS_PER_EPOCH
        write_summary(self.paths, Summary(RunState.FINISHED, self.step, epochs, self.step / 1000, 64_000.0))

    def _begin(self) -> None:
        write_meta(self.paths, {"schema": 1, "preset": PRESET, "task": "eyes", "started": self._started})
        counts = {
            part: [total // max(len(self._layout.classes), 1)] * len(self._layout.classes)
            for part, total in (("train", 4800), ("val", 1200))
        }
        self._events.append(EventKind.START, 0, device="cpu", preset=PRESET, class_counts=counts)
        at = np.linspace(0, self.total_steps, 500).astype(int)
        self._events.append(
            EventKind.PLAN,
            0,
            epochs=self.total_steps // STEPS_PER_EPOCH,
            steps_per_epoch=STEPS_PER_EPOCH,
            total_steps=self.total_steps,
            warmup_steps=0,
            points=[[int(step), float(lr)] for step, lr in zip(at, self._lr(at), strict=True)],
        )
        self.status()

    def _validate(self, epoch: int) -> None:
        step, better = epoch * STEPS_PER_EPOCH, float(np.exp(-epoch / 50))
        raw = {"loss": 0.1 + better, "accuracy": 0.9 - 0.4 * better, "f1": 0.9 - 0.5 * better}
        if self._layout is WIDE:
            raw |= {f"metric{k}": better / (1 + k) for k in range(MANY_METRICS)}
        self._events.append(EventKind.EPOCH, step, epoch=epoch, train={"loss": better}, seconds=10.0)
        self._events.append(EventKind.VALIDATION, step, epoch=epoch, raw=raw, ema=raw, best=epoch % 10 == 0)

    def _lr(self, steps: Any) -> Any:
        return 1e-3 * (1 + np.cos(np.pi * steps / self.total_steps))

    def _records(self, count: int) -> Records:
        """The next steps: the same noise in each block, around values that fall."""
        records = self._noise[:count].copy()
        step = np.arange(self.step + 1, self.step + count + 1)
        records["step"], records["epoch"] = step, (step - 1) // STEPS_PER_EPOCH + 1
        records["time"] = self._started + step / 1000
        records["lr"][:] = self._lr(step)[:, None]
        records["loss"] = (0.1 + 0.6 * np.exp(-3 * step / self.total_steps)) * records["loss"]
        for name in self._layout.terms:
            records[f"term.{name}"] = records["loss"]
        return records

    @cached_property
    def _noise(self) -> Records:
        rng = np.random.default_rng(0)
        records = np.zeros(BLOCK, self._layout.dtype)
        for name in records.dtype.names or ():
            if records.dtype[name] == np.float32:
                records[name] = np.exp(rng.normal(0, 0.3, BLOCK))
        for name, value in (("batch_size", BATCH_SIZE), ("clip", np.nan), ("amp_scale", np.nan), ("nonfinite", 0)):
            records[name] = value
        for name in self._layout.terms:
            records[f"weight.{name}"] = 1
        records["data_s"], records["step_s"], records["num_classes"] = 1e-4, 1e-3, len(self._layout.classes) or np.nan
        records["update_ratio"] = np.where(np.arange(BLOCK) % 20 == 0, 1e-3, np.nan)
        if self._layout.classes:
            shares = np.full(len(self._layout.classes), 1 / len(self._layout.classes))
            records["classes"] = rng.multinomial(BATCH_SIZE, shares, BLOCK)
        return records


def finished_run(root: Path, steps: int, layout: RecordLayout = EYES) -> Path:
    """A run of so many steps that has ended; returns its directory."""
    run = WrittenRun(root, layout, steps)
    run.append(steps, last=True)
    run.finish()
    return root
