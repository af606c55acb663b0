"""Kills a training again and again, resumes it, and compares what is left with a training nobody disturbed.

Used by the test of a few kills and by the benchmark of many (`python -m benchmarks.kill`).
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sittings import Sittings

from trainctl.engine.runs.events import Event, EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.reader import RunReader
from trainctl.engine.runs.status import Liveness, read_status
from trainctl.engine.training.state.checkpoint import load_checkpoint

TASK = f"{Path(__file__).with_name('blobs.py')}:Blobs"
STEPS_PER_EPOCH = 40
OPTIONS = (
    "runtime.device=cpu",
    "runtime.threads=1",
    "train.batch_size=16",
    "optimizer.lr=0.001",
    "ema.decay=0.99",
    "clip.grad_norm=1",
    "schedule.name=cosine",
    "checkpoint.every_s=0.03",
    "checkpoint.epoch_every_s=0",
)
HOST_CLOCK = ("time", "data_s", "step_s")
MOMENTS = ("anywhere", "anywhere", "writing", "validating")
PATIENCE_S = 20.0


@dataclass
class Toll:
    """What the kills did."""

    kills: int = 0
    moments: dict[str, int] = field(default_factory=dict[str, int])
    """Kills by what was waited for, and how many came before the sitting's first step (`before a step`)."""
    gaps_s: list[float] = field(default_factory=list[float])
    """From the last record on disk to the kill, where the sitting had taken a step."""
    checkpoints_read: int = 0
    dropped: list[int] = field(default_factory=list[int])
    """Records each resume took back."""
    during_write: int = 0
    """Kills that left a half-written checkpoint beside the whole one."""


def train_argv(runs: Path, epochs: int) -> list[str]:
    """Command line of a new run."""
    return ["run", "--task", TASK, "--runs-dir", str(runs), *OPTIONS, f"train.epochs={epochs}"]


def undisturbed(sittings: Sittings, folder: Path, epochs: int) -> RunPaths:
    """A run that goes through at once."""
    folder.mkdir(parents=True, exist_ok=True)
    code = sittings.run(train_argv(folder, epochs), folder / "output")
    assert code == 0, (folder / "output").read_text()
    return only_run(folder)


def killed(sittings: Sittings, folder: Path, epochs: int, kills: int, seed: int) -> tuple[RunPaths, Toll]:
    """A run that is killed `kills` times and resumed each time, then left to finish."""
    folder.mkdir(parents=True, exist_ok=True)
    chance, toll, run = random.Random(seed), Toll(), None
    output = folder / "output"
    for number in range(kills):
        pid = sittings.start(_argv(folder, run, epochs), output)
        moment = MOMENTS[number % len(MOMENTS)]
        started = time.time()
        run = _wait_for(moment, folder, run, chance, started)
        killed_at = time.time()
        os.kill(pid, signal.SIGKILL)
        code = sittings.wait(pid)
        assert code == -signal.SIGKILL, f"kill {number + 1}: ended with {code} by itself\n{output.read_text()}"
        run = run if run is not None and run.meta.exists() else None  # killed before it was a run: begin anew
        _take_toll(toll, moment, run, started, killed_at)
    code = sittings.run(_argv(folder, run, epochs), output)
    assert code == 0, f"the last sitting ended with {code}\n{output.read_text()}"
    assert run is not None
    events = RunReader(run)
    events.poll()
    toll.dropped = [int(e.data["dropped"]) for e in events.events if e.kind is EventKind.RESUME]
    return run, toll


def only_run(folder: Path) -> RunPaths:
    """The newest run in a folder."""
    return RunPaths(max(path.parent for path in folder.glob("*/config.yaml") if not path.parent.is_symlink()))


def _argv(folder: Path, run: RunPaths | None, epochs: int) -> list[str]:
    return train_argv(folder, epochs) if run is None else ["run", "--resume", str(run.root)]


def _wait_for(
    moment: str, folder: Path, run: RunPaths | None, chance: random.Random, started: float
) -> RunPaths | None:
    """Return at the chosen moment of a sitting: any time, while a checkpoint is written, or while it validates."""
    limit = time.monotonic() + PATIENCE_S
    if moment == "anywhere" and run is not None:
        time.sleep(chance.uniform(0.0, 0.8))
        return run
    found = run or _until(lambda: _started_run(folder), limit)
    _until(lambda: _has_stepped(found, started), limit)
    time.sleep(chance.uniform(0.0, 0.4))
    if moment == "writing":
        _until(lambda: _half_written(found), limit)
    elif moment == "validating":
        _until(lambda: '"validating"' in found.status.read_text(), limit)
    return found


def _started_run(folder: Path) -> RunPaths | None:
    metas = [path for path in folder.glob("*/meta.json") if not path.parent.is_symlink()]
    return RunPaths(max(metas).parent) if metas else None


def _has_stepped(run: RunPaths, since: float) -> bool:
    status = read_status(run)
    return status is not None and status.started >= since and _last_record_time(run) >= since


def _half_written(run: RunPaths) -> bool:
    with os.scandir(run.root) as entries:
        return any(entry.name.startswith(".latest_model") for entry in entries)


def _until(condition: Callable[[], Any], limit: float) -> Any:
    while not (value := condition()):
        assert time.monotonic() < limit, "the moment never came"
    return value


def _last_record_time(run: RunPaths) -> float:
    reader = RunReader(run)
    records = reader.steps.all()
    return float(records["time"][-1]) if len(records) else 0.0


def _take_toll(toll: Toll, moment: str, run: RunPaths | None, started: float, killed_at: float) -> None:
    toll.kills += 1
    toll.moments[moment] = toll.moments.get(moment, 0) + 1
    last = 0.0 if run is None else _last_record_time(run)
    if last < started:
        toll.moments["before a step"] = toll.moments.get("before a step", 0) + 1
    else:
        toll.gaps_s.append(killed_at - last)
    if run is None:
        return
    toll.during_write += _half_written(run)
    reader = RunReader(run)
    reader.poll()
    assert not reader.problems, reader.problems
    # A process that was killed before its first status is not known to be gone: there is only the sitting before.
    assert reader.status is None or reader.liveness()[0] in (Liveness.CRASHED, Liveness.OVER)
    for path in (run.latest, run.best):
        if path.exists():
            load_checkpoint(path)  # torch.load(weights_only=True)
            toll.checkpoints_read += 1


def assert_same_run(one: RunPaths, other: RunPaths) -> int:
    """Same weights, optimiser and random numbers bit for bit, every step once, same validations; number of steps."""
    for a, b in ((one.latest, other.latest), (one.best, other.best)):
        states = [load_checkpoint(path)["state"] for path in (a, b)]
        for state in states:
            for clock in ("train_s", "elapsed_s"):
                state["progress"].pop(clock)
        assert list(leaves(states[0])) == list(leaves(states[1]))
    records = [RunReader(run).steps.all() for run in (one, other)]
    steps = len(records[0])
    for part in records:
        assert part["step"].tolist() == list(range(1, steps + 1))
    names = records[0].dtype.names
    assert names
    for name in names:
        if name not in HOST_CLOCK:
            np.testing.assert_array_equal(records[0][name], records[1][name], err_msg=name)
    told = [[_told(event) for event in _results(run)] for run in (one, other)]
    assert told[0] == told[1]
    return steps


def leaves(value: Any) -> Iterator[object]:
    """Every tensor as its bytes, every other value as it is."""
    if isinstance(value, torch.Tensor):
        yield (tuple(value.shape), str(value.dtype), value.contiguous().view(-1).numpy().tobytes())
    elif isinstance(value, dict):
        for key in sorted(value, key=str):
            yield key
            yield from leaves(value[key])
    elif isinstance(value, (list, tuple)):
        yield len(value)
        for item in value:
            yield from leaves(item)
    else:
        yield repr(value)  # so that NaN equals NaN


def _results(run: RunPaths) -> list[Event]:
    reader = RunReader(run)
    reader.poll()
    return [e for e in reader.current_events() if e.kind in (EventKind.EPOCH, EventKind.VALIDATION)]


def _told(event: Event) -> tuple[object, ...]:
    data = {key: value for key, value in event.data.items() if key not in ("seconds", "samples_per_s")}
    return event.kind, event.step, repr(data)
