"""Trains a table of named experiments, several seeds each, and reads back what the runs recorded.

Knows no task: an experiment is a preset and overrides. Every training is a process of its own, started by the command
line like any other; what is read comes from the run directories alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from trainctl.engine.config.resolve import ScaleName
from trainctl.engine.config.schema import RunConfig
from trainctl.engine.errors import UserError
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.export.validations import validation_rows
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.reader import RunReader
from trainctl.engine.runs.record import Records
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.summary import Summary, read_summary
from trainctl.engine.tasks.configured import load_resolved, resolve

Curve = dict[int, float]
"""Value by epoch, counted from 1."""
TRAINCTL = "trainctl.tui.cli.main"
OUTPUT = "output.txt"
"""What the trainings of one experiment and seed printed."""


@dataclass(frozen=True)
class Experiment:
    """A preset and what is changed of it."""

    name: str
    """Letters, digits and hyphens: also the name of its folder."""
    preset: str
    overrides: tuple[str, ...] = ()
    task: str | None = None
    """A task in place of the preset's, as `--task` takes it."""
    scale: ScaleName = "small"
    data: Path | None = None
    """One's own data, as `--data` takes it."""

    def words(self, seed: int) -> list[str]:
        """All overrides of the training with this seed: on the CPU and with one thread, so that it can be repeated."""
        return [*self.overrides, f"seed={seed}", "runtime.device=cpu", "runtime.threads=1"]

    def options(self, seed: int) -> list[str]:
        """The same for a command line, `trainctl run` or `trainctl diagnose`."""
        task = [] if self.task is None else ["--task", self.task]
        sets = [word for override in self.words(seed) for word in ("--set", override)]
        data = [] if self.data is None else ["--data", str(self.data)]
        return ["--preset", self.preset, "--scale", self.scale, *task, *data, *sets]

    def config(self, seed: int) -> RunConfig:
        """The configuration that a training started now would have."""
        return resolve(self.preset, scale=self.scale, overrides=self.words(seed), task=self.task).config


class Measured:
    """A finished run, read when asked."""

    def __init__(self, paths: RunPaths, seed: int) -> None:
        self.paths, self.seed = paths, seed

    @cached_property
    def _reader(self) -> RunReader:
        reader = RunReader(self.paths)
        reader.poll()
        return reader

    @property
    def summary(self) -> Summary:
        """How it ended."""
        assert self._reader.summary is not None
        return self._reader.summary

    @cached_property
    def steps(self) -> Records:
        """Every step record, in order."""
        return self._reader.steps.all()

    def train(self, name: str = "loss") -> Curve:
        """Mean of a loss or term over the steps of each epoch."""
        ends = (event.data for event in self._reader.current_events() if event.kind is EventKind.EPOCH)
        return {int(end["epoch"]): float(end["train"][name]) for end in ends}

    def validation(self, name: str, weights: str = "raw", after: str = "") -> Curve:
        """A metric after each validated epoch; with `after`, after what changed the network there."""
        rows = validation_rows(self._reader.current_events())
        return {row.epoch: row.metrics[name] for row in rows if (row.weights, row.after) == (weights, after)}

    def events(self, kind: EventKind) -> list[dict[str, Any]]:
        """Data of all events of a kind, in order."""
        return [event.data for event in self._reader.current_events() if event.kind is kind]

    def by_epoch(self, field: str) -> Curve:
        """Mean of a column of the step records over each epoch; epochs counted from 1 as in the events."""
        records = self.steps
        epochs = records["epoch"]
        return {int(epoch): float(records[field][epochs == epoch].mean()) for epoch in sorted(set(epochs.tolist()))}


def last(curve: Mapping[int, float]) -> float:
    """The value at the last epoch."""
    return curve[max(curve)]


def folder_of(root: Path, experiment: Experiment, seed: int) -> Path:
    """Where the runs of an experiment with one seed are."""
    return root / experiment.name / f"seed-{seed}"


def find(root: Path, experiment: Experiment, seed: int) -> Measured | None:
    """The newest finished run whose configuration is the experiment's as it is now; none where there is none.

    A run from before a preset was changed is therefore never taken for one of the changed preset.
    """
    folder, wanted = folder_of(root, experiment, seed), experiment.config(seed)
    for path in sorted(folder.glob("2*"), reverse=True):
        paths = RunPaths(path)
        if _is_finished(paths) and load_resolved(paths.config).config == wanted:
            return Measured(paths, seed)
    return None


def _is_finished(paths: RunPaths) -> bool:
    try:
        summary = read_summary(paths)
    except UserError:
        return False
    return summary is not None and summary.state is RunState.FINISHED


def found(root: Path, experiment: Experiment, seeds: Sequence[int]) -> list[Measured]:
    """The finished runs of all these seeds.

    Raises:
        UserError: one of them has not been trained; names the experiment.
    """
    runs = [find(root, experiment, seed) for seed in seeds]
    missing = [seed for seed, run in zip(seeds, runs, strict=True) if run is None]
    if missing:
        raise UserError(f"{experiment.name} has no finished run of seeds {missing} in {root}", "train it first")
    return [run for run in runs if run is not None]


def train_all(jobs: Iterable[tuple[Experiment, int]], root: Path, workers: int = 1) -> int:
    """Train what has no finished run yet, `workers` at a time; a line on stderr for each.

    Returns:
        How many were trained.

    Raises:
        RuntimeError: a training failed; names the file with what it printed. Others that run are let finish.
    """
    wanted = [(experiment, seed) for experiment, seed in jobs if find(root, experiment, seed) is None]
    with ThreadPoolExecutor(workers) as pool:
        experiments, seeds = [job[0] for job in wanted], [job[1] for job in wanted]
        for line in pool.map(partial(train_one, root=root), experiments, seeds):
            print(line, file=sys.stderr, flush=True)
    return len(wanted)


def train_one(experiment: Experiment, seed: int, root: Path) -> str:
    """Train once, in a process of its own; returns a line that says what it took.

    Raises:
        RuntimeError: it failed.
    """
    folder = folder_of(root, experiment, seed)
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with (folder / OUTPUT).open("ab") as output:
        code = subprocess.run(
            command(experiment, seed, folder), stdout=output, stderr=subprocess.STDOUT, env=environment(), check=False
        ).returncode
    if code:
        raise RuntimeError(f"{experiment.name} with seed {seed} ended with {code}: see {folder / OUTPUT}")
    return f"{experiment.name} seed {seed}: {time.monotonic() - started:.0f} s"


def command(experiment: Experiment, seed: int, folder: Path) -> list[str]:
    """The words that train it."""
    words = ["run", *experiment.options(seed), "--runs-dir", str(folder)]
    return [sys.executable, "-m", TRAINCTL, *words]


def environment() -> dict[str, str]:
    """The environment without what would change a configuration, and one thread for every library."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TRAINCTL")}
    return kept | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
