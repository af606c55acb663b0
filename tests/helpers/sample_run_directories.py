"""Run directories for the tests of the commands that read them, without any training."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import numpy as np

from trainctl.engine.runs.events import EventKind, EventWriter
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Status, write_status
from trainctl.engine.runs.store import StepWriter
from trainctl.engine.runs.summary import Best, Summary, write_summary

LAYOUT = RecordLayout(terms=("bce",), groups=("stem",), classes=("closed", "open"))
NAME = "20260101-120000-eyes-baseline-00aa"
START = time.time() - 1000


def records(first: int, last: int) -> np.ndarray:
    """Records of the steps `first` to `last`, one second apart."""
    out = np.zeros(last - first + 1, LAYOUT.dtype)
    out["step"] = np.arange(first, last + 1)
    out["epoch"] = 1
    out["time"] = START + out["step"]
    out["loss"] = out["term.bce"] = 1 / out["step"]
    out["lr"] = 1e-3
    out["classes"] = (30, 34)
    return out


class SampleRun:
    """A run that does what it is told. Its process is this one."""

    def __init__(self, root: Path, name: str = NAME, *, steps: int = 20) -> None:
        self.paths = RunPaths(root / name)
        self.paths.root.mkdir(parents=True)
        self.events = EventWriter(self.paths)
        self.writer = StepWriter(self.paths, LAYOUT)
        self.step = 0
        self.go(steps)

    def go(self, steps: int) -> None:
        """Take some steps."""
        if steps:
            self.writer.append(records(self.step + 1, self.step + steps))
        self.step += steps
        self.beat()

    def beat(self, state: RunState = RunState.RUNNING, pid: int | None = None, age_s: float = 0.0) -> None:
        """Write the status."""
        status = Status(
            state=state,
            pid=pid or os.getpid(),
            host=socket.gethostname(),
            step=self.step,
            epoch=1,
            epochs=3,
            total_steps=300,
            started=START,
            heartbeat=time.time() - age_s,
            steps_per_s=1.0,
            samples_per_s=64.0,
            eta_s=280.0,
            device="cpu",
            preset="eyes/baseline",
        )
        write_status(self.paths, status)

    def validate(self, f1: float) -> None:
        """Report a validation."""
        self.events.append(EventKind.VALIDATION, self.step, epoch=1, raw={"f1": f1}, best=True)

    def end(self, state: RunState = RunState.FINISHED) -> None:
        """Come to an end, in the trainer's order."""
        self.beat(state)
        self.events.append(EventKind.END, self.step, state=str(state), exit_reason="all epochs done")
        best = Best("f1", 0.75, 1)
        write_summary(self.paths, Summary(state, self.step, 1, 61.0, 64.0, {"f1": 0.5}, best))

    def crash(self) -> None:
        """Be gone without a word."""
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        self.beat(pid=child, age_s=90)
