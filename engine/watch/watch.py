"""`trainctl.watch`: three lines in any loop, and it has a run directory.

What users hold. Puts loop, run and hooks together; a failure of ours is said once and never ends their training.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from torch import nn
from torch.optim import Optimizer

from trainctl.engine.errors import ExitCode, kind_and_words
from trainctl.engine.ranks import is_to_lead
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.index import runs_root
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.summary import Judgement
from trainctl.engine.runs.term_kinds import TermKind
from trainctl.engine.training.desk.run_writer import Ending
from trainctl.engine.training.record.recorder import Recorder
from trainctl.engine.watch import about, groups
from trainctl.engine.watch.columns import Columns, Step, decide
from trainctl.engine.watch.first_steps.early import FirstSteps
from trainctl.engine.watch.first_steps.first_pass import FirstPass
from trainctl.engine.watch.hearing import HEARING
from trainctl.engine.watch.loop import WatchedLoop
from trainctl.engine.watch.modes import Modes
from trainctl.engine.watch.moments import is_here
from trainctl.engine.watch.notebooks import end_with_cell
from trainctl.engine.watch.obeying import Orders, StopTraining, log_traceback, obeyed
from trainctl.engine.watch.rows import Rows
from trainctl.engine.watch.run import WatchedRun, ending_of, say
from trainctl.engine.watch.silent import SilentWatch

MOST_CLASSES = 100_000
"""An integer beyond this is an index, not a class."""
ALIVE: list[Watch] = []
"""Watches of this process whose run is not over."""
_hooked: list[Callable[..., Any]] = []


class Watch:
    """Records the loop around it. Made by `watch`; see there for the arguments.

    Attributes:
        path: the run directory; None: another rank writes it, or it could not be opened.
    """

    def __init__(
        self,
        optimizers: Mapping[str, Optimizer],
        model: nn.Module | None,
        labels: Callable[[Any], Any] | None,
        config: Mapping[str, Any],
        open_run: Callable[[], WatchedRun],
        kinds: Mapping[str, TermKind],
        epochs: int,
        total_steps: int,
        *,
        may_begin: Callable[[], bool] = lambda: True,
        succeed: Callable[[], None] | None = None,
    ) -> None:
        self._succeed = succeed
        self._open_run, self._config, self._kinds = open_run, dict(config), dict(kinds)
        self._opened: WatchedRun | None = None
        self._epochs, self._total_steps = epochs, total_steps
        self._pid = os.getpid()
        rows = Rows(self._open)
        told = (self._after_step, self._epoch_over, self._retire, self._meet_stranger)
        follows = succeed is not None
        self._loop = WatchedLoop(optimizers, model, rows, labels, *told, may_begin=may_begin, follows=follows)
        self._orders = Orders(lambda: self._run.desk, lambda: self._loop.boundaries)
        self._said_late = self._said_stranger = self._said_joined = False
        self._first_epoch = 1
        self._is_over = False
        self._early: FirstSteps | None = None
        self._modes: Modes | None = None
        network = self._loop.model
        self._first_pass = None if model is None or network is None else FirstPass(network, model)
        self._validated_at = time.monotonic()
        HEARING.join(self._loop, self._loop.boundaries)
        ALIVE.append(self)
        _hook_endings()
        end_with_cell(self)

    @property
    def _run(self) -> WatchedRun:
        """The run; its directory is made when it is first asked for.

        Raises:
            UserError: the disk refuses.
        """
        if self._opened is None:
            self._opened = self._open_run()
        return self._opened

    @property
    def path(self) -> Path | None:
        """The run directory."""
        return self._run.paths.root

    def hears(self, optimizers: Mapping[str, Optimizer]) -> bool:
        """Whether one of these optimisers is its own, or all of its own are gone: its training is over then."""
        mine = [boundary.optimizer for boundary in self._loop.boundaries]
        is_named = any(one is other for one in mine for other in optimizers.values() if one is not None)
        return is_named or self._loop.is_gone

    @property
    def is_waiting(self) -> bool:
        """Whether it was to begin with the first optimiser step, and none was taken yet."""
        return self._opened is None and not self._loop.step

    @property
    def step(self) -> int:
        """Optimiser steps so far."""
        return self._loop.step

    @property
    def should_stop(self) -> bool:
        """Whether somebody asked the run to stop. A loop that looks here ends itself; any other is ended."""
        self._orders.asks_to_stop = True
        return self._orders.should_stop

    def log(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Figures of the step under way: numbers, or tensors, which stay where they are.

        What has a gradient, or is called a loss, is shown as a term of the loss, and its weight is found by itself.

        Args:
            values: by name.
            more: the same, as keywords.
        """
        if not self._is_over:
            self._loop.log({**(values or {}), **more})

    def validation(
        self, metrics: Mapping[str, Any], epoch: int | None = None, histograms: Mapping[str, Any] | None = None
    ) -> None:
        """What a validation came to.

        Args:
            metrics: numbers or scalar tensors by name, e.g. `{"loss": .3, "f1": .9}`.
            epoch: at whose end, counted from 1 or from 0; default: the present one.
            histograms: tensors, arrays or lists of numbers by name, of which the distribution is kept.
        """
        if self._is_over or not is_here():
            return
        now = time.monotonic()
        if epoch == 0:
            self._first_epoch = 0  # this loop counts from 0
        at = self._loop.epoch if epoch is None else epoch + 1 - self._first_epoch
        self._run.validated(metrics, at, self._loop.step, now - self._validated_at, histograms or {})
        self._validated_at = now
        if self._loop.loader is None and self._loop.step:
            self._loop.told_epoch = at + 1  # nothing else tells: what comes now is of the next

    def epoch(self, number: int) -> None:
        """Say which epoch begins, 1 for the first. Only needed where no DataLoader does."""
        self._loop.told_epoch = number

    def configure(self, config: Mapping[str, Any]) -> None:
        """Plain values to be kept with the run beside those that `watch` was given, before the first steps."""
        self._config |= config

    def on_checkpoint(self, save: Callable[[], object]) -> None:
        """Name the loop's own way to save itself: it is called between two steps when a checkpoint is asked for.

        Args:
            save: what it returns, if that is text, is said to whoever asked.
        """
        self._orders.on_checkpoint = save

    def on_validate(self, validate: Callable[[], object]) -> None:
        """Name the loop's own way to validate: it is called between two steps when somebody asks for that.

        Args:
            validate: as above.
        """
        self._orders.on_validate = validate

    def flush(self) -> None:
        """Wait until every step so far is in the file; for whoever reads it in the same process."""
        if not self._is_over and self._opened is not None:
            self._loop.rows.open()
            if self._loop.rows.recorder is not None:
                self._loop.rows.recorder.flush()
            self._run.writer.deliver(60.0)

    def close(self, error: BaseException | None = None) -> None:
        """End the run: by itself at the end of the process, by this before. Again is harmless."""
        if self._is_over or os.getpid() != self._pid:
            return
        self._is_over = True
        ALIVE.remove(self)
        HEARING.leave(self._loop)
        if self._first_pass is not None:
            self._first_pass.stop()
        if self._opened is None:
            return  # it was to begin with the first step, and none was taken
        try:
            self._loop.end()
            if self._early is not None:
                self._early.over()
            if self._loop.step:
                self._epoch_over(self._loop.epoch, self._loop.step)
            if error is not None and not isinstance(error, (KeyboardInterrupt, StopTraining)):
                log_traceback(self._run.paths, "".join(traceback.format_exception(error)))
            ending = ending_of(error, is_asked=self._orders.should_stop)
            self._run.end(ending, self._loop.step, lambda: self._judge(ending.state))
        except Exception as err:
            say(f"the end of {self._run.paths.root} could not be written: {kind_and_words(err)}")

    def _retire(self, error: Exception | None) -> None:
        """Its training is over, or what records it has failed."""
        if error is None:
            self.close()
            if self._succeed is not None:
                self._succeed()
            return
        say(f"recording stopped at step {self._loop.step}, the training goes on: {kind_and_words(error)}")
        if self._opened is not None and not self._is_over:
            log_traceback(self._run.paths, "".join(traceback.format_exception(error)))
            self._is_over = True
            ALIVE.remove(self)
            ending = Ending(RunState.FAILED, f"recording stopped: {kind_and_words(error)}", ExitCode.RUN_FAILED)
            self._run.end(ending, self._loop.step, lambda: self._judge(ending.state))

    def _judge(self, state: RunState) -> Judgement:
        from trainctl.engine.diagnosis.conclusion import conclude

        try:
            return conclude(self._run.paths, state)
        except Exception as err:
            return Judgement(not_judged=kind_and_words(err))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(error)

    def _open(self, steps: Sequence[Step]) -> tuple[Columns, Recorder]:
        """It is known what a record holds."""
        loop = self._loop
        labels = about.dataset_labels(loop.loader)
        seen = max((int(part.max()) + 1 for step in steps for part in step.labels), default=0)
        seen = seen if seen <= MOST_CLASSES else 0
        classes = about.class_names(loop.loader, labels, seen) if seen else ()
        columns = decide(loop.boundaries, steps, classes, loop.graph, self._kinds)
        loop.graph = None  # it has said what it had to say
        optimizer = loop.boundaries[0].optimizer
        first = next((part for part in steps[0].measured.values() if part is not None), None)
        config = about.configuration(
            optimizer,
            loop.loader,
            self._config,
            epochs=self._epochs,
            accumulation=max(len(first.losses), 1) if first else 1,
            amp=columns.plan.has_amp_scale,
            batch_size=int(getattr(loop.loader, "batch_size", None) or 0),
        )
        if any(boundary.meter.is_sharded for boundary in loop.boundaries):
            text = "the parameters are sharded: gradient norms and the update ratio are those of this rank's part"
            self._run.note(EventKind.NOTE, 0, text)
        recorder = self._run.open(columns.plan, loop.boundaries[0].meter.device, config, self._meta(classes, labels))
        accumulation = int(config["train"]["accumulation"])
        batches = about.loader_about(loop.loader).get("num_batches") or 0
        per_epoch = -(-batches // accumulation)
        self._run.planned(per_epoch, self._epochs, self._total_steps or per_epoch * self._epochs)
        step, tell = (lambda: loop.step), self._run.seen_early
        self._early = FirstSteps(loop.boundaries, loop.model, HEARING.answers, step, tell, self._first_pass)
        self._modes = None if loop.model is None else Modes(loop.model)
        return columns, recorder

    def _meta(self, classes: Sequence[str], labels: np.ndarray[Any, Any] | None) -> dict[str, Any]:
        loop = self._loop
        found: dict[str, Any] = {"watched": {"loader": about.loader_about(loop.loader), "obeys": obeyed(self._orders)}}
        if loop.model is not None:
            found["num_parameters"] = sum(p.numel() for p in loop.model.parameters())
            optimizer = loop.boundaries[0].optimizer
            if optimizer is not None:
                left, wanting = groups.unoptimised(optimizer, loop.model)
                found["watched"]["unoptimised"] = [left, wanting]
        if classes and labels is not None:
            found |= {"classes": list(classes)}
            found["class_counts"] = {"train": np.bincount(labels, minlength=len(classes)).tolist()}
        return found

    def _epoch_over(self, epoch: int, step: int) -> None:
        self._run.epoch_ended(epoch, step)
        for boundary in self._loop.boundaries:
            if not self._said_joined and boundary.num_joined:
                self._said_joined = True
                text = f"{boundary.num_joined} parameter tensors of {boundary.name or 'the optimiser'} joined"
                text += " after the columns were decided: their gradients are in no norm"
                self._run.note(EventKind.WARNING, step, text)

    def _meet_stranger(self, optimizer: Optimizer) -> None:
        if self._said_stranger or self._opened is None:
            return
        self._said_stranger = True
        count = sum(1 for _ in groups.trained(optimizer))
        text = f"{type(optimizer).__name__} over {count} tensors steps too and is not recorded: name all optimisers"
        self._run.note(EventKind.WARNING, self._loop.step, f"{text} in trainctl.watch(first, second)")

    def _after_step(self, step: int) -> None:
        loop = self._loop
        if self._early is not None and not self._early.is_over:
            self._early.stepped()
        if self._modes is not None and (told := self._modes.stepped(step)) is not None:
            self._run.tell("modes", told)
        if loop.rows.late and not self._said_late:
            self._said_late = True
            names = ", ".join(sorted(loop.rows.late))
            text = f"{names}: first logged at step {step}, too late for a column; log it from the first step on"
            self._run.note(EventKind.WARNING, step, text)
        if self._run.desk.inbox or self._orders.should_stop:
            self._orders.listen(step)


def watch(
    *optimizers: Optimizer | Mapping[str, Optimizer],
    model: nn.Module | None = None,
    labels: Callable[[Any], Any] | None = None,
    config: Mapping[str, Any] | None = None,
    name: str = "",
    runs_dir: str | os.PathLike[str] | None = None,
    monitor: str = "",
    kinds: Mapping[str, TermKind] | None = None,
    epochs: int = 0,
    total_steps: int = 0,
) -> Watch:
    """Record the training loop that follows, step by step, without changing it.

    Args:
        optimizers: one or several, or a mapping by name; none: those that step first.
        model: its parts name the gradient norms; default: found around the optimiser's parameters.
        labels: takes the classes, shape (B,), out of a batch of the DataLoader; default: its integer tensor of that
            shape.
        config: plain values of the user's, kept with the run.
        name: of the run; default: that of the script.
        runs_dir: the folder of runs; default: `TRAINCTL_RUNS_DIR`, else `./runs`.
        monitor: metric that says which validation is the best; default: the first one that is given.
        kinds: what terms of the loss are, see docs/tasks.md.
        epochs, total_steps: how long the loop goes on, where it is known.

    Returns:
        What the loop may talk to. It ends with the process, with `close()`, or as a context manager.

    Raises:
        TypeError: an optimiser is none.
        UserError: the run directory cannot be made.
    """
    named = _named(optimizers)
    if not is_to_lead(os.environ):
        return SilentWatch()  # pyright: ignore[reportReturnType]
    for old in [one for one in ALIVE if one.hears(named) or one.is_waiting]:
        old.close()
    root = runs_root(None if runs_dir is None else Path(runs_dir), os.environ)
    run = WatchedRun(root, name or about.script_name(sys.argv), monitor, _made_for_us())
    return Watch(named, model, labels, config or {}, lambda: run, kinds or {}, epochs, total_steps)


def _made_for_us() -> Path | None:
    """The directory that `trainctl run -- ...` made for this program."""
    made = os.environ.get("TRAINCTL_WATCH_RUN")
    return Path(made) if made else None


def watch_when_stepped(name: str, root: str | None, made: str | None) -> None:
    """As `watch`, but the run begins with the first optimiser step; further trainings of the process get a run each.

    Args:
        name: of the run; empty: the script's.
        root: the folder of runs.
        made: directory that was made for the first run.
    """
    folder = runs_root(None if root is None else Path(root), os.environ)

    def open_run() -> WatchedRun:
        return WatchedRun(folder, name or about.script_name(sys.argv), "", None if made is None else Path(made))

    def begin() -> None:
        may_begin = functools.partial(is_to_lead, os.environ)
        Watch({}, None, None, {}, open_run, {}, 0, 0, may_begin=may_begin, succeed=begin)

    begin()


def _named(given: Sequence[Any]) -> dict[str, Optimizer]:
    """The optimisers by name, out of what Lightning and Accelerate wrap around theirs."""
    named: dict[str, Optimizer] = {}
    for one in given:
        entries: Mapping[str, Any] = one if isinstance(one, Mapping) else {"": one}
        for name, optimizer in entries.items():
            inner: Any = getattr(optimizer, "optimizer", None)
            inner = inner if isinstance(inner, Optimizer) else optimizer
            if not isinstance(inner, Optimizer):
                raise TypeError(f"watch: {type(optimizer).__name__} is no torch optimiser")
            named[str(name) or _free(type(inner).__name__.lower(), named)] = inner
    return named


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """The name, with a number where it is taken."""
    free = (f"{name}{number + 1 if number else ''}" for number in range(len(taken) + 1))
    return next(one for one in free if one not in taken)


def _hook_endings() -> None:
    """See to it that every run of this process ends with its last words, whatever ends the process."""
    if _hooked:
        return
    previous = sys.excepthook

    def ended_by(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        for one in list(ALIVE):
            one.close(error)
        previous(kind, error, trace)
        if issubclass(kind, KeyboardInterrupt):
            # The interpreter ends as if by the signal, unless code was compiled since, as imports above do; it notes
            # the interrupt where it leaves such code.
            with contextlib.suppress(KeyboardInterrupt):
                exec("raise KeyboardInterrupt")

    _hooked.append(ended_by)
    sys.excepthook = ended_by
    atexit.register(_close_all)


def _close_all() -> None:
    for one in list(ALIVE):
        one.close()
