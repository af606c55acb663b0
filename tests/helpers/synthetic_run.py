"""A run directory as a trainer would write it, without a trainer."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from trainctl.engine.runs.events import EventKind, EventWriter
from trainctl.engine.runs.index import create_run
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.meta import write_meta
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Status, write_status
from trainctl.engine.runs.store import StepWriter


class SyntheticRun:
    """Writes what a trainer writes: 4 epochs of 50 steps, two classes, two loss terms, three module groups."""

    def __init__(
        self,
        root: Path,
        preset: str = "eyes/balanced",
        name: str = "",
        scalars: tuple[str, ...] = (),
        classes: tuple[str, ...] = ("closed", "open"),
    ) -> None:
        if name:
            (root / name).mkdir(parents=True)
        self.paths = RunPaths(root / name) if name else create_run(root, preset)
        self.preset = preset
        self.layout = RecordLayout(
            terms=("bce", "aux"),
            groups=("stem", "blocks", "head"),
            classes=classes,
            frozen=("teacher",),
            scalars=scalars,
        )
        self.events = EventWriter(self.paths)
        self.epochs, self.steps_per_epoch = 4, 50
        self.step = 0
        self._writer: StepWriter | None = None

    @property
    def total(self) -> int:
        return self.epochs * self.steps_per_epoch

    def begin(self) -> SyntheticRun:
        """Meta, start, plan and the first status."""
        write_meta(self.paths, {"schema": 1, "preset": self.preset, "started": time.time()})
        self.events.append(EventKind.START, 0, device="cpu", class_counts={"train": [468, 532], "val": [94, 106]})
        steps = np.arange(self.total + 1)
        lr = np.where(steps < 20, 1e-5 + steps * (2e-4 - 1e-5) / 20, 1e-4 * (1 + np.cos(steps / self.total * np.pi)))
        self.events.append(
            EventKind.PLAN,
            0,
            epochs=self.epochs,
            steps_per_epoch=self.steps_per_epoch,
            total_steps=self.total,
            warmup_steps=20,
            points=[[int(s), float(v)] for s, v in zip(steps[::4], lr[::4], strict=True)],
        )
        self._lr = lr
        self.status(RunState.RUNNING)
        return self

    def status(self, state: RunState, **changes: Any) -> None:
        """Replace `status.json`."""
        values: dict[str, Any] = {
            "state": state,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "step": self.step,
            "epoch": min(self.step // self.steps_per_epoch + 1, self.epochs),
            "epochs": self.epochs,
            "total_steps": self.total,
            "started": time.time() - 60,
            "heartbeat": time.time(),
            "steps_per_s": 45.2,
            "samples_per_s": 2893.0,
            "eta_s": 200.0,
            "device": "cpu",
            "preset": self.preset,
        }
        write_status(self.paths, Status(**(values | changes)))

    def train(self, steps: int, **columns: Any) -> None:
        """Append records; `columns` overrides fields."""
        if self._writer is None:
            self._writer = StepWriter(self.paths, self.layout)
        rng = np.random.default_rng(self.step)
        number = np.arange(self.step + 1, self.step + steps + 1)
        records = np.zeros(steps, self.layout.dtype)
        records["step"], records["time"] = number, time.time()
        records["epoch"] = (number - 1) // self.steps_per_epoch + 1
        records["lr"][:, 0] = self._lr[np.minimum(number, self.total)]
        records["batch_size"], records["clip"] = 64, 5.0
        records["term.bce"] = 0.7 * np.exp(-number / 80) + rng.normal(0, 0.02, steps) + 0.1
        records["term.aux"], records["weight.bce"], records["weight.aux"] = 0.3, 1.0, 0.5
        records["loss"] = records["term.bce"] + 0.15
        for k, group in enumerate(self.layout.groups):
            records[f"grad_norm.{group}"] = (k + 1) * np.exp(rng.normal(0, 0.2, steps))
        records["grad_norm"] = 4 * np.exp(rng.normal(0, 0.2, steps))
        records["update_ratio"] = records["amp_scale"] = np.nan
        if self.layout.classes:
            records["classes"][:, 1] = rng.binomial(64, 0.532, steps)
            records["classes"][:, 0] = 64 - records["classes"][:, 1]
        for name, value in columns.items():
            records[name.replace("__", ".")] = value
        self._writer.append(records)
        self.step += steps
        self.status(RunState.RUNNING)

    def validate(self, epoch: int, loss: float, f1: float, **more: float) -> None:
        """A validation result."""
        self.events.append(
            EventKind.VALIDATION,
            self.step,
            epoch=epoch,
            raw={"loss": loss, "f1": f1} | more,
            ema={"loss": loss + 0.05, "f1": f1 - 0.02},
            best=True,
        )

    def say(self, text: str) -> None:
        """Print into the console."""
        with self.paths.console.open("a") as file:
            file.write(text + "\n")


NewRun = Callable[..., SyntheticRun]
"""Makes runs: takes what `SyntheticRun` takes but its folder."""
