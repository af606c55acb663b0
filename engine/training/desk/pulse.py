"""The run's pulse: keeps `status.json` fresh, whatever the loop is doing. Beats in the clerk's thread."""

from __future__ import annotations

import os
import socket
import threading
import time

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.runs.record import Records
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Status
from trainctl.engine.training.desk.run_writer import RunWriter

BEAT_S = 1.0
WINDOW_S = 10.0
"""Speed is the average over about this long."""
HELD_UP = 20.0
"""A step that took this many times the median was held up: a process that was stopped, a machine that slept."""
LEAST_STEPS = 3
"""Of slow steps as many make a speed, however long they take: one of two may have been held up."""
MOST_STEPS = 4096
"""Newest steps the speed is of at most."""


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
        self._recent = np.empty((0, 2))
        """Seconds and samples of the newest steps, oldest first."""
        self._lock = threading.Lock()

    def describe(self, device: str) -> None:
        """Say in words where it trains, once that is known."""
        self._device = device

    def hear(self, records: Records) -> None:
        """Take note of a block of new records."""
        last = records[-1]
        self.step, self.epoch = int(last["step"]), int(last["epoch"])
        new = np.column_stack((records["step_s"], records["batch_size"])).astype(np.float64)
        with self._lock:
            recent = np.concatenate((self._recent, new))[-MOST_STEPS:]
            # As few of the newest as make the window, without what held the run up.
            since = np.cumsum((recent[:, 0] * _is_ordinary(recent))[::-1])
            needed = int(np.searchsorted(since, WINDOW_S)) + 1
            self._recent = recent[-max(needed, LEAST_STEPS) :]

    def _rates(self) -> tuple[float, float]:
        """Steps and samples a second of late; 0 where nothing is known."""
        with self._lock:  # three threads come here: of the loop, the device, the disk
            recent = self._recent
        ordinary = recent[_is_ordinary(recent)]
        seconds = float(ordinary[:, 0].sum())
        return (len(ordinary) / seconds, float(ordinary[:, 1].sum()) / seconds) if seconds > 0 else (0.0, 0.0)

    def beat(self) -> None:
        """Write the status."""
        steps_per_s, samples_per_s = self._rates()
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


def _is_ordinary(recent: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which steps say something of the speed, shape (n,)."""
    seconds = recent[:, 0]
    return seconds <= HELD_UP * np.median(seconds) if len(seconds) else np.zeros(0, np.bool_)
