"""The run's pulse: keeps `status.json` fresh, whatever the loop is doing. Beats in the clerk's thread."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import deque

from trainctl.engine.runs.record import Records
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Status
from trainctl.engine.training.desk.run_writer import RunWriter

BEAT_S = 1.0
WINDOW_S = 10.0
"""Speed is the average over about this long."""


class Pulse:
    """Holds what the status says. The loop sets `state`, `total_steps`, `epochs`; records bring the rest."""

    def __init__(self, writer: RunWriter, preset: str, device: str) -> None:
        self._writer, self._preset, self._device = writer, preset, device
        self.state = RunState.STARTING
        self.message = ""
        self.epochs = 0
        self.total_steps = 0
        self.step = 0
        self.epoch = 0
        self._started = time.time()
        self._recent: deque[tuple[float, int, int]] = deque()
        self._lock = threading.Lock()

    def hear(self, records: Records) -> None:
        """Take note of a block of new records."""
        last = records[-1]
        self.step, self.epoch = int(last["step"]), int(last["epoch"])
        with self._lock:
            self._recent.append((float(records["step_s"].sum()), len(records), int(records["batch_size"].sum())))
            while len(self._recent) > 1 and sum(seconds for seconds, _, _ in self._recent) > WINDOW_S:
                self._recent.popleft()

    def beat(self) -> None:
        """Write the status."""
        with self._lock:  # three threads come here: of the loop, the device, the disk
            recent = tuple(self._recent)
        seconds = sum(seconds for seconds, _, _ in recent)
        steps_per_s = sum(steps for _, steps, _ in recent) / seconds if seconds else 0.0
        samples_per_s = sum(samples for _, _, samples in recent) / seconds if seconds else 0.0
        remaining = max(self.total_steps - self.step, 0)
        self._writer.status(
            Status(
                state=self.state,
                pid=os.getpid(),
                host=socket.gethostname(),
                step=self.step,
                epoch=self.epoch,
                epochs=self.epochs,
                total_steps=self.total_steps,
                started=self._started,
                heartbeat=time.time(),
                steps_per_s=steps_per_s,
                samples_per_s=samples_per_s,
                eta_s=remaining / steps_per_s if steps_per_s else None,
                device=self._device,
                preset=self._preset,
                message=self.message,
            ),
        )

    def enter(self, state: RunState, message: str = "") -> None:
        """Change state and say so at once."""
        self.state, self.message = state, message
        self.beat()
