"""The loop: epochs of steps, validation, checkpoints, and what is asked of the run in between.

Knows the task contract, not any task; writes the run directory, never a screen.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainctl.engine.config.schema import RunConfig
from trainctl.engine.data.batch import Batch, Splits
from trainctl.engine.data.feed import Feed
from trainctl.engine.data.samplers.sampler import Sampler
from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.commands import Command, Verb
from trainctl.engine.runs.events import EventKind, EventWriter
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.samples import write_samples
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.store import StepReader
from trainctl.engine.tasks.task import StepOutput, Task, Turn
from trainctl.engine.training.desk.control import EXIT_OF_SIGNAL, POLL_S, Inbox, Signals, apply_setting
from trainctl.engine.training.desk.pulse import Pulse
from trainctl.engine.training.desk.scribe import Scribe
from trainctl.engine.training.loop.precision import Precision
from trainctl.engine.training.loop.referee import Referee
from trainctl.engine.training.loop.step import Observer, Stepper, check_terms, initial_weights
from trainctl.engine.training.loop.validation import validate
from trainctl.engine.training.loop.worst import worst_samples
from trainctl.engine.training.record.assemble import Array, HostRow, RowPlan
from trainctl.engine.training.record.gradients import GradientMeter
from trainctl.engine.training.record.recorder import Recorder
from trainctl.engine.training.state.checkpoint import save_checkpoint
from trainctl.engine.training.state.state import TrainState


@dataclass(frozen=True)
class Ending:
    """Why the loop ended."""

    state: RunState
    reason: str
    code: ExitCode


@dataclass(frozen=True)
class Desk:
    """What connects the loop to the outside: files, background thread, commands, signals."""

    paths: RunPaths
    scribe: Scribe
    pulse: Pulse
    events: EventWriter
    inbox: Inbox
    signals: Signals
    is_resumed: bool = False
    """Whether records of an earlier sitting are in the run directory."""


class Trainer:
    """Trains one run.

    Args:
        task: what is trained.
        splits: its data.
        state: network, optimiser and position; on a resume already restored.
        config: of the run.
        precision: autocast and scaling.
        device: where it trains.
        desk: the outside.
        observer: looks at every backward pass (debugging).
    """

    def __init__(
        self,
        task: Task,
        splits: Splits,
        state: TrainState,
        config: RunConfig,
        precision: Precision,
        device: torch.device,
        desk: Desk,
        observer: Observer | None = None,
    ) -> None:
        self.task, self.splits, self.state, self.config, self.desk = task, splits, state, config, desk
        self.precision, self.device = precision, device
        self.referee = Referee(task, config, state)
        self.sampler: Sampler = task.sampler(splits.train)
        self.meter = GradientMeter(task.module_groups(state.model), state.model)
        self._train_feed, self._val_feed = Feed(splits.train, device), Feed(splits.val, device)
        self._stepper = Stepper(task, state, config, precision, self.meter, self._open_recorder, observer)
        self._ending: Ending | None = None
        self._alarm: int | None = None  # step of a non-finite record, set by the scribe
        self._saved_at = time.monotonic()
        self._validated_at = -1
        desk.pulse.epochs, desk.pulse.total_steps = state.plan.epochs, self._total_steps()

    def run(self) -> Ending:
        """Train until the last epoch, the step limit, early stopping, a command, a signal or a non-finite loss."""
        self._announce_plan()
        self.desk.pulse.enter(RunState.RUNNING)
        self.state.model.train()
        while self._ending is None and self.state.progress.epoch < self.state.plan.epochs:
            self._train_epoch()
        self._flush()
        if self._alarm is not None and (self._ending is None or self._ending.state is not RunState.FAILED):
            self._stop_nonfinite(self._alarm)
        ending = self._ending or Ending(RunState.FINISHED, "all epochs done", ExitCode.OK)
        if ending.state is RunState.FINISHED and self._validated_at != self.state.progress.step:
            self._validate(for_best=True)
        self._save("latest")
        return ending

    def close(self) -> None:
        """Close the records; harmless when none were opened."""
        if self._stepper.recorder is not None:
            self._stepper.recorder.close()

    # --- an epoch -----------------------------------------------------------------------------------------

    def _train_epoch(self) -> None:
        progress = self.state.progress
        started, samples_before = time.perf_counter(), progress.samples
        order = self.sampler.batches(progress.epoch)[progress.batch :]
        batches = self._train_feed.batches(order)
        for group in _grouped(order, self.config.train.accumulation):
            self._step(group, batches)
            self._listen()
            if self._ending is not None and not self._may_end_epoch(self._ending):
                return
        progress.epoch, progress.batch = progress.epoch + 1, 0
        self._end_epoch(time.perf_counter() - started, progress.samples - samples_before)

    def _may_end_epoch(self, ending: Ending) -> bool:
        """A run that is asked to go leaves the end of the epoch to whoever resumes it."""
        return ending.state is RunState.FINISHED and self.state.progress.batch == len(self.sampler)

    def _step(self, group: Sequence[Tensor], batches: Iterator[Batch]) -> None:
        started = time.perf_counter()
        progress = self.state.progress
        prepared = [self._augmented(batch) for batch in islice(batches, len(group))]
        ready = time.perf_counter()
        lr = self.state.plan.at(progress.step)
        measured = self._stepper.take(prepared, lr)
        progress.step += 1
        progress.batch += len(group)
        size = sum(map(len, group))
        progress.samples += size
        ended = time.perf_counter()
        progress.train_s += ended - started
        assert self._stepper.recorder is not None
        self._stepper.recorder.commit(
            HostRow(
                step=progress.step,
                epoch=progress.epoch + 1,
                time=time.time(),
                data_s=ready - started,
                step_s=ended - started,
                lrs=(lr,) * len(self.state.optimizer.param_groups),
                weights=tuple(self.state.weights.values()),
                clip=math.nan if self.state.clip is None else self.state.clip,
                batch_size=size,
                ratio_measured=measured,
                indices=[indices.numpy() for indices in group],
            )
        )

    def _augmented(self, batch: Batch) -> Batch:
        return self.task.augment(self.task.prepare(batch), self.state.generator)

    def _end_epoch(self, seconds: float, samples: int) -> None:
        self._flush()
        progress = self.state.progress
        self.desk.events.append(
            EventKind.EPOCH,
            progress.step,
            epoch=progress.epoch,
            train=epoch_means(self.desk.paths, progress.epoch),
            seconds=seconds,
            samples_per_s=samples / max(seconds, 1e-9),
        )
        # Before anything is saved: a checkpoint of the end of an epoch goes on with the weights of the next.
        self.state.weighting.end_epoch()
        self.state.weigh()
        if progress.epoch % self.config.train.eval_every == 0 and self._alarm is None:
            self._validate(for_best=True, for_schedule=True)
        is_last = progress.epoch >= self.state.plan.epochs
        if not is_last and self._alarm is None:
            self._let_task_change()
        if not is_last and time.monotonic() - self._saved_at >= self.config.checkpoint.epoch_every_s:
            self._save("latest")

    def _let_task_change(self) -> None:
        """Let the task change the network between epochs; what that did to the metrics goes on record at once."""
        state, batch_size = self.state, self.config.train.validation_batch_size
        turn = Turn(
            epoch=state.progress.epoch,
            model=state.model,
            averaged=state.ema.module if state.ema else None,
            optimizer=state.optimizer,
            split=self.splits.train,
            gather=lambda rows: map(self.task.prepare, self._train_feed.batches(rows.split(batch_size))),
        )
        change = self.task.end_epoch(turn)
        if change is not None:
            self.desk.events.append(EventKind.REFIT, state.progress.step, epoch=state.progress.epoch, **change)
            self._validate(after=EventKind.REFIT)

    # --- between two steps --------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Obey what has arrived. Costs a few attribute look-ups when nothing has."""
        while self.desk.inbox:
            self._obey(self.desk.inbox.take())
        if self.desk.signals.received is not None:
            self._obey_signal()
        if self._alarm is not None and self._ending is None:
            self._stop_nonfinite(self._alarm)
        if self.desk.scribe.error is not None:
            self.desk.scribe.raise_error()
        every_s = self.config.checkpoint.every_s
        if every_s and time.monotonic() - self._saved_at >= every_s:
            self._save("latest")
        limit = self.config.train.max_steps
        if limit is not None and self.state.progress.step >= limit and self._ending is None:
            self._ending = Ending(RunState.FINISHED, f"max_steps={limit} reached", ExitCode.OK)

    def _obey(self, command: Command) -> None:
        effect = str(command.verb)
        match command.verb:
            case Verb.PAUSE:
                self._acknowledge(command, "paused")
                self._pause()
                return
            case Verb.STOP:
                self._ending = self._ending or Ending(RunState.STOPPED, "stopped on request", ExitCode.STOPPED)
                effect = "stopping after this step"
            case Verb.CHECKPOINT:
                effect = "checkpoint written" if self._save("latest") else "refused: the newest step is not finite"
            case Verb.VALIDATE:
                metrics = self._validate()
                metric = self.referee.monitor.metric
                effect = f"validated: {metric} {metrics.get(metric, math.nan):.4f}"
            case Verb.SET:
                effect = apply_setting(command.args, self.state)
                self._announce_plan()
            case Verb.RESUME:
                effect = "was not paused"
        self._acknowledge(command, effect)

    def _pause(self) -> None:
        self._flush()
        self._save("latest")
        self.desk.pulse.enter(RunState.PAUSED)
        waiting = True
        while waiting and self.desk.signals.received is None and self._ending is None:
            self.desk.inbox.wait(POLL_S)
            self.desk.scribe.raise_error()
            if self.desk.inbox:
                waiting = self._obey_paused(self.desk.inbox.take())
        self.desk.pulse.enter(RunState.RUNNING)

    def _obey_paused(self, command: Command) -> bool:
        """Whether the run stays paused."""
        if command.verb is Verb.RESUME:
            self._acknowledge(command, "resumed")
            return False
        if command.verb is Verb.PAUSE:
            self._acknowledge(command, "is paused already")
        else:
            self._obey(command)
        return True

    def _acknowledge(self, command: Command, effect: str) -> None:
        self.desk.events.append(
            EventKind.COMMAND,
            self.state.progress.step,
            id=command.id,
            verb=str(command.verb),
            args=command.args,
            effect=effect,
        )

    def _obey_signal(self) -> None:
        received = self.desk.signals.received
        assert received is not None
        code = EXIT_OF_SIGNAL.get(received, ExitCode.STOPPED)
        self._ending = Ending(RunState.PREEMPTED, f"received {received.name}", code)

    def _stop_nonfinite(self, step: int) -> None:
        text = f"loss or gradient not finite at step {step}; no update was applied since"
        self.desk.events.append(EventKind.NONFINITE, step, text=text)
        self._ending = Ending(RunState.FAILED, text, ExitCode.RUN_FAILED)

    # --- validation and checkpoints -----------------------------------------------------------------------

    def _validate(
        self, *, for_best: bool = False, for_schedule: bool = False, after: EventKind | None = None
    ) -> dict[str, float]:
        """Measure raw and averaged weights; returns the raw metrics.

        Args:
            for_best: the result may become the best. One that was merely asked for changes nothing of the run.
            for_schedule: plateau and early stopping hear of it.
            after: what changed the network since the validation at the same step.
        """
        state, progress, before = self.state, self.state.progress, self.desk.pulse.state
        self.desk.pulse.enter(RunState.VALIDATING)
        started = time.perf_counter()
        networks = {"raw": state.model} | ({"ema": state.ema.module} if state.ema else {})
        listeners = {"raw": self._keep_worst}
        results = {
            name: validate(
                self.task,
                network,
                self._val_feed,
                self.config.train.validation_batch_size,
                self.precision,
                state.weighting.configured,  # not those of the epoch: losses of two epochs must compare
                listeners.get(name),
            )
            for name, network in networks.items()
        }
        state.last_metrics = results
        self._validated_at = progress.step
        is_best = for_best and self.referee.is_best(results)
        self.desk.events.append(
            EventKind.VALIDATION,
            progress.step,
            epoch=progress.epoch,
            **results,
            best=is_best,
            monitor=self.referee.monitor.metric,
            monitor_mode=self.referee.monitor.mode,
            seconds=time.perf_counter() - started,
            **({} if after is None else {"after": str(after)}),
        )
        if for_schedule:
            self._heed(results["raw"], is_best=is_best)
        if is_best:
            self._save("best")
        self.desk.pulse.enter(before)
        return results["raw"]

    def _keep_worst(self, columns: Mapping[str, Tensor]) -> None:
        """Write the samples with the largest loss, where the task knows them: before the event that speaks of them."""
        progress = self.state.progress
        worst = worst_samples(self.task, self.splits.val, columns, step=progress.step, epoch=progress.epoch)
        if worst is not None:
            write_samples(self.desk.paths, worst)

    def _heed(self, metrics: dict[str, float], *, is_best: bool) -> None:
        """Let plateau and early stopping hear of a validation."""
        cut = self.referee.cut_lr(metrics)
        if cut is not None:
            self.desk.events.append(EventKind.LR, self.state.progress.step, **{"from": cut[0], "to": cut[1]})
            self._announce_plan()
        reason = self.referee.reason_to_stop(is_best=is_best)
        if reason is not None:
            self._ending = self._ending or Ending(RunState.FINISHED, reason, ExitCode.OK)

    def _save(self, which: str) -> bool:
        """Write a checkpoint, unless the newest records say that the run has fallen ill; whether it was written."""
        self._flush()  # a resume goes on behind the checkpoint, so the records up to it must be in the file
        if self._alarm is not None:
            return False
        paths, progress = self.desk.paths, self.state.progress
        about = checkpoint_about(self.config, self.splits, self.state)
        if which == "best":
            about["weights"] = self.state.best.weights
        save_checkpoint(paths.best if which == "best" else paths.latest, self.state.state_dict(), about)
        if which == "latest":
            self._saved_at = time.monotonic()
        self.desk.events.append(EventKind.CHECKPOINT, progress.step, which=which)
        return True

    # --- records ------------------------------------------------------------------------------------------

    def _open_recorder(self, output: StepOutput) -> Recorder:
        """The names in the first output fix what every record of the run holds."""
        weighting = self.config.weighting
        for option, named in (("weighting.ramp", weighting.ramp), ("weighting.delay", weighting.delay)):
            check_terms(option, named, output.terms)
        self.state.weighting.open(initial_weights(self.task, output.terms, self.config.loss_weights))
        self.state.weigh()
        labels = self.splits.train.labels
        layout = RecordLayout(
            terms=tuple(output.terms),
            groups=tuple(self.meter.groups),
            lr_groups=len(self.state.optimizer.param_groups),
            classes=self.splits.classes if labels is not None else (),
            scalars=tuple(output.scalars),
            frozen=tuple(self.meter.frozen),
        )
        plan = RowPlan(
            layout=layout,
            group_of=tuple(self.meter.group_of),
            has_amp_scale=self.state.scaler is not None,
            labels=None if labels is None else labels.numpy(),
        )
        keep = self.state.progress.step if self.desk.is_resumed else None
        return Recorder(self.desk.paths, plan, self.device, self.desk.scribe, keep=keep, listener=self._hear)

    def _hear(self, records: Array) -> None:
        """In the scribe's thread: pulse, and the alarm for what is not finite."""
        self.desk.pulse.hear(records)
        self.state.weighting.hear(records)
        if self._alarm is None and self.config.health.stop_on_nonfinite:
            bad = ~np.isfinite(records["loss"])
            if self.state.scaler is None:
                bad |= records["nonfinite"] > 0
            if bad.any():
                self._alarm = int(records["step"][bad.argmax()])

    def _flush(self) -> None:
        if self._stepper.recorder is not None:
            self._stepper.recorder.flush()

    def _steps_per_epoch(self) -> int:
        return steps_per_epoch(self.sampler, self.config)

    def _total_steps(self) -> int:
        total = self.state.plan.epochs * self._steps_per_epoch()
        return min(total, self.config.train.max_steps or total)

    def _announce_plan(self) -> None:
        plan = self.state.plan
        self.desk.pulse.epochs, self.desk.pulse.total_steps = plan.epochs, self._total_steps()
        self.desk.events.append(
            EventKind.PLAN,
            self.state.progress.step,
            epochs=plan.epochs,
            steps_per_epoch=plan.steps_per_epoch,
            total_steps=self._total_steps(),
            warmup_steps=plan.warmup_steps,
            points=plan.points(self.state.progress.step),
        )


def checkpoint_about(config: RunConfig, splits: Splits, state: TrainState) -> dict[str, Any]:
    """What a checkpoint of the raw weights says of itself."""
    return {
        "task": config.task,
        "classes": list(splits.classes),
        "step": state.progress.step,
        "epoch": state.progress.epoch,
        "metrics": state.last_metrics,
        "weights": "raw",
    }


def steps_per_epoch(sampler: Sampler, config: RunConfig) -> int:
    """Optimiser steps in an epoch; the last may accumulate fewer batches."""
    return math.ceil(len(sampler) / config.train.accumulation)


def epoch_means(paths: RunPaths, epoch: int) -> dict[str, float]:
    """Mean over an epoch's records, weighted by batch size, of the loss and of each raw term.

    Empty where the run took no step of the epoch: it was forked at its very end.
    """
    records = StepReader(paths).all()
    if len(records) == 0:
        return {}
    first, end = np.searchsorted(records["epoch"], [epoch, epoch + 1])
    part = records[int(first) : int(end)]
    sizes = part["batch_size"].astype(np.float64)
    names = ["loss", *(name for name in records.dtype.names or () if name.startswith("term."))]
    return {name.removeprefix("term."): float((part[name] * sizes).sum() / sizes.sum()) for name in names}


def _grouped(order: Sequence[Tensor], size: int) -> Iterator[Sequence[Tensor]]:
    return (order[start : start + size] for start in range(0, len(order), size))
