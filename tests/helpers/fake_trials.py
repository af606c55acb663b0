"""A trainer for tests of sweeps: its runs are written from a formula, a validation at every look at their process."""

from __future__ import annotations

import math
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sample_run_directories import SampleRun

from trainctl.engine.config.yamlfile import parse_value
from trainctl.engine.runs.commands import CommandReader
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.index import new_name
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.summary import Summary, write_summary
from trainctl.tui.cli.sweep.journal import Journal
from trainctl.tui.cli.sweep.study import read_study
from trainctl.tui.cli.sweep.worker import this_worker
from trainctl.tui.processes.launch import LaunchRequest
from trainctl.tui.run.trial import RunTrial, trials_of

NAME = "eyes-balanced-space"
"""Of the study that `COMMON` begins."""
COMMON = ["--preset", "balanced", "--space", "space.yaml", "--scale", "small"]
Sweep = Callable[..., tuple[int, str, str]]
"""Types `trainctl sweep`; exit code and what was printed."""
EPOCHS = 3
Params = Mapping[str, Any]
Formula = Callable[[Params, int], float]
CODES = {RunState.FINISHED: 0, RunState.FAILED: 1, RunState.STOPPED: 75, RunState.PREEMPTED: 130}


def by_rate(params: Params, epoch: int) -> float:
    """F1 that is best at a rate of 1e-3 and rises from epoch to epoch."""
    return 0.9 - 0.1 * abs(math.log10(params.get("optimizer.lr", 1e-3)) + 3) + 0.01 * epoch


@dataclass
class FakeTrainer:
    """Stands in for `launch` and `go_on`.

    Attributes:
        formula: value of the metric by parameters and epoch; may raise, and the run has then failed.
        metric: its name.
        meanwhile: is called at each look at a process.
        started: parameters of each training that was started.
        resumed: names of the runs that were gone on with.
    """

    formula: Formula = by_rate
    metric: str = "f1"
    meanwhile: Callable[[FakeProcess], None] = lambda process: None
    started: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    resumed: list[str] = field(default_factory=list[str])

    def launch(self, request: LaunchRequest, prepare: Callable[[RunPaths], None]) -> tuple[RunPaths, FakeProcess]:
        """See `launch`."""
        params = {key: parse_value(text) for key, _, text in (word.partition("=") for word in request.overrides)}
        self.started.append(params)
        run = SampleRun(request.runs_dir.resolve(), new_name(request.label), steps=0)
        prepare(run.paths)
        return run.paths, FakeProcess(self, run, params)

    def go_on(self, paths: RunPaths, environ: Mapping[str, str], trust: bool = False) -> FakeProcess:
        """See `go_on`."""
        self.resumed.append(paths.root.name)
        paths.summary.unlink(missing_ok=True)
        run = SampleRun.__new__(SampleRun)
        run.__dict__.update(SampleRun(paths.root / "again", steps=0).__dict__)
        run.paths, run.events = paths, type(run.events)(paths)
        run.beat()
        return FakeProcess(self, run, {"optimizer.lr": 1e-3})


class FakeProcess:
    """A training that is an epoch further whenever somebody looks."""

    def __init__(self, trainer: FakeTrainer, run: SampleRun, params: Params) -> None:
        self.trainer, self.run, self.params = trainer, run, params
        self.commands = CommandReader(run.paths)
        self.epoch = 0
        self.pid = os.getpid()
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Whether it is over."""
        if self.returncode is not None:
            return self.returncode
        self.trainer.meanwhile(self)
        for command in self.commands.read_new():
            self.run.events.append(EventKind.COMMAND, self.epoch, verb=str(command.verb), id=command.id)
            return self.end(RunState.STOPPED, "stopped on request")
        if self.returncode is None and self.epoch == EPOCHS:
            self.end(RunState.FINISHED, "all epochs done")
        elif self.returncode is None:
            self._train()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """End as a training does."""
        assert number == signal.SIGINT
        self.end(RunState.PREEMPTED, "interrupted by SIGINT")

    def end(self, state: RunState, reason: str) -> int:
        """Come to an end."""
        self.run.paths.latest.write_bytes(b"")
        self.run.beat(state)
        write_summary(self.run.paths, Summary(state, self.epoch, self.epoch, 1.0, 1.0, exit_reason=reason))
        self.returncode = CODES[state]
        return self.returncode

    def _train(self) -> None:
        self.epoch += 1
        try:
            value = self.trainer.formula(self.params, self.epoch)
        except ArithmeticError as err:
            self.end(RunState.FAILED, str(err))
        else:
            told = {"epoch": self.epoch, "raw": {self.trainer.metric: value, "loss": 1.0}}
            self.run.events.append(EventKind.VALIDATION, self.epoch, **told)


def space_file(folder: Path, text: str = "optimizer.lr: {low: 1e-5, high: 1e-1, log: true}\n") -> Path:
    """A file that says what is varied."""
    (folder / "space.yaml").write_text(text)
    return folder / "space.yaml"


def trials() -> list[RunTrial]:
    """Those of the study, as their runs say."""
    return [trial for _, trial in trials_of(Path("runs"), NAME)]


def killed() -> int:
    """Number of a process that is no more."""
    done = subprocess.Popen(["true"])
    done.wait()
    return done.pid


def journal() -> Journal:
    """The study as a worker sees it that is then killed."""
    study = read_study(Path("runs/sweeps") / NAME)
    assert study is not None
    return Journal(study, this_worker() | {"pid": killed()})
