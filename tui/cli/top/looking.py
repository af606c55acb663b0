"""What `trainctl top` shows, as plain data: the machine now, and of each live run what its files say."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainctl.engine.errors import UserError
from trainctl.engine.machine.cards import Card, Cards
from trainctl.engine.machine.load import Load, LoadMeter
from trainctl.engine.runs.hardware.samples import HardwareSample, newest_samples
from trainctl.engine.runs.index import RunInfo, run_info, run_names
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.status import Liveness, Status, read_status

FRESH_S = 30.0
"""A sample older than this is not of now."""
TAIL_BYTES = 1 << 13
"""Of a file of samples, of which the newest is wanted."""
AWAY = (Liveness.OVER, Liveness.CRASHED)


@dataclass(frozen=True)
class LiveRun:
    """One run that has not ended."""

    info: RunInfo
    status: Status | None
    """None: it has not said anything yet, or cannot be read."""
    sample: HardwareSample | None
    """Its newest sample of the hardware, if that is of now."""


@dataclass(frozen=True)
class Look:
    """The machine and the live runs at one moment."""

    time: float
    load: Load
    cores: int
    cards: Sequence[Card]
    runs: Sequence[LiveRun]

    def as_json(self) -> dict[str, Any]:
        """Plain data for `--json`; what is not known is NaN, and so null in the end."""
        return {
            "time": self.time,
            "machine": {
                "host": socket.gethostname(),
                "cores": self.cores,
                "cpu_percent": self.load.machine_cpu_percent,
                "memory_used_bytes": self.load.memory_used_bytes,
                "memory_total_bytes": self.load.memory_total_bytes,
                "gpus": [_card_json(card) for card in self.cards],
            },
            "runs": [_run_json(run) for run in self.runs],
        }


class Looker:
    """Looks again and again.

    Args:
        root: the folder of runs.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._load, self._cards = LoadMeter(), Cards()
        self._ended: dict[str, tuple[int, int]] = {}
        """Of runs that were over the stamp of their status: as long as it is the same they still are."""
        self._load.read()

    def look(self) -> Look:
        """The machine since the last call, and the runs now.

        Raises:
            UserError: the folder cannot be read.
        """
        runs, now = list[LiveRun](), time.time()
        for name in run_names(self._root):
            run = self._live(RunPaths(self._root / name), now)
            runs += [] if run is None else [run]
        return Look(now, self._load.read(), os.cpu_count() or 1, self._cards.read(), runs)

    def _live(self, paths: RunPaths, now: float) -> LiveRun | None:
        name, stamp = paths.root.name, _stamp(paths.status)
        if self._ended.get(name) == stamp:
            return None
        info = run_info(paths, now)
        if info.liveness in AWAY or info.problem:
            self._ended[name] = stamp
            return None
        samples = newest_samples(paths, TAIL_BYTES)
        is_fresh = bool(samples) and abs(now - samples[-1].time) <= FRESH_S
        return LiveRun(info, _status(paths), samples[-1] if is_fresh else None)


def _status(paths: RunPaths) -> Status | None:
    try:
        return read_status(paths)
    except UserError:
        return None


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_ino


def _card_json(card: Card) -> dict[str, Any]:
    return dict(vars(card))


def _run_json(run: LiveRun) -> dict[str, Any]:
    info, status, sample = run.info, run.status, run.sample
    load = Load() if sample is None else sample.load
    return {
        "name": info.name,
        "path": str(info.paths.root.absolute()),
        "preset": info.preset,
        "state": info.state,
        "liveness": info.liveness,
        "step": info.step,
        "total_steps": info.total_steps,
        "steps_per_s": None if status is None else status.steps_per_s,
        "eta_s": None if status is None else status.eta_s,
        "process_cpu_percent": load.process_cpu_percent,
        "process_memory_bytes": load.process_memory_bytes,
        "gpus": [] if sample is None else [_card_json(card) for card in sample.cards],
    }
