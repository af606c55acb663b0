"""The loop: epochs of steps. What is told, kept and measured in between is `orders`', `keeping`'s and `examination`'s.

Knows the task contract, not any task; no file and no screen.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trainctl.engine.config.schema import RunConfig
from trainctl.engine.data.batch import Batch, Splits
from trainctl.engine.data.feed import Feed
from trainctl.engine.data.samplers.sampler import Sampler
from trainctl.engine.data.samplers.shares import Shares
from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.states import RunState
from trainctl.engine.tasks.task import Task, Turn
from trainctl.engine.training.desk.desk import Desk
from trainctl.engine.training.desk.run_writer import Ending
from trainctl.engine.training.loop.captured_step import CapturedStepper
from trainctl.engine.training.loop.capturing import choose_capturing
from trainctl.engine.training.loop.examination import Examination
from trainctl.engine.training.loop.keeping import Keeping
from trainctl.engine.training.loop.orders import Orders, limit_reached
from trainctl.engine.training.loop.precision import Precision
from trainctl.engine.training.loop.shared_step import SharedStepper
from trainctl.engine.training.loop.step import Observer, Stepper
from trainctl.engine.training.loop.strangers import Strangers
from trainctl.engine.training.loop.validation import Validation
from trainctl.engine.training.ranks.team import Team
from trainctl.engine.training.record.assemble import HostRow
from trainctl.engine.training.record.gradients import GradientMeter
from trainctl.engine.training.record.parted_gradients import PartedMeter
from trainctl.engine.training.state.state import TrainState

if TYPE_CHECKING:
    from trainctl.engine.training.state.shards import Shards


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
        self._team = team = desk.team
        self.sampler: Sampler = task.sampler(splits.train)
        every = (splits.train, splits.val, *splits.more_val.values())
        self._feeds = [Feed(split, device, config.train.workers, config.seed) for split in every]
        self._feed = self._feeds[0]
        meter = _meter_of(task, state, team)
        self.keeping = Keeping(task, splits, state, config, device, desk)
        announce = self._announce_plan
        capturing = choose_capturing(
            task, state, config, device, self._note, is_observed=observer is not None, team=team
        )
        look_up = None if desk.meeting is None else desk.meeting.look_up
        step = None if state.shards is None else state.shards.call
        given = (config.train.validation_batch_size, capturing.validations, team, look_up, step)
        validations = [Validation(task, precision, feed, *given) for feed in self._feeds[1:]]
        sets = dict(zip(("", *splits.more_val), validations, strict=True))
        self.examination = Examination(task, splits, sets, state, config, desk, self.keeping, announce)
        self.orders = Orders(state, config, desk, self.keeping, self.examination, announce)
        options = (task, state, config, precision, meter, self.keeping.opener(meter), observer)
        self._stepper = (
            _sharded_stepper(*options, team=team, shards=state.shards)
            if state.shards is not None
            else SharedStepper(*options, team=team)
            if not team.is_alone
            else Stepper(*options)
            if capturing.steps is None
            else CapturedStepper(*options, replayer=capturing.steps, feed=self._feed)
        )
        desk.pulse.epochs, desk.pulse.total_steps = state.plan.epochs, self._total_steps()

    def run(self) -> Ending:
        """Train until the last epoch, a limit, early stopping, a command, a signal or a non-finite loss."""
        self._announce_plan()
        self.desk.pulse.enter(RunState.RUNNING)
        self.state.model.train()
        if limit_reached(self.config, self.state) is not None:
            self.orders.listen()  # a resume that has the last validation to make, and no step to take
        # The number of epochs is looked up each time: it can be changed while the run goes on.
        with Strangers(self.state.optimizer, self.state.model, self._warn):
            while self.orders.ending is None and self.state.progress.epoch < self.state.plan.epochs:
                self._train_epoch()
                if self.orders.ending is None:
                    self.orders.heed_limits()  # the validation took its time
        # The last records may still be on the device, and with them the alarm: a run is not finished before its
        # last step is known to be sound.
        self.keeping.flush()
        if self.keeping.alarm is not None and not self._has_failed():
            self.orders.stop_nonfinite(self.keeping.alarm)
        ending = self.orders.ending or Ending(RunState.FINISHED, "all epochs done", ExitCode.OK)
        # A run that ends in the middle of an epoch is still judged by what it ended with.
        is_judged = self._was_judged() or ending.state is not RunState.FINISHED
        if not is_judged and self.examination.measure(for_best=True) is None:
            self.orders.listen()  # to the signal that came first
            ending = self.orders.ending or ending
        self.keeping.save("latest", must=True)
        return ending

    def save_the_rest(self) -> None:
        """Before the run dies: save its last whole step, as far as there is one."""
        if not self._stepper.is_updating:
            self._stepper.undo()
            self.keeping.save_the_rest(owes_best=self.examination.owes_best)

    def close(self) -> None:
        """Close the records and end what reads; harmless when there are none."""
        self.keeping.close()
        for feed in self._feeds:
            feed.close()

    def _note(self, text: str) -> None:
        self.desk.writer.event(EventKind.NOTE, self.state.progress.step, text=text)

    def _warn(self, text: str) -> None:
        self.desk.writer.event(EventKind.WARNING, self.state.progress.step, text=text)

    def _has_failed(self) -> bool:
        return self.orders.ending is not None and self.orders.ending.state is RunState.FAILED

    def _was_judged(self) -> bool:
        """Whether the weights were measured, here or at the end of an epoch in a sitting that was killed since."""
        progress = self.state.progress
        is_behind_epoch = progress.batch == 0 and progress.epoch > 0
        return self.examination.validated_at == progress.step or (
            is_behind_epoch and progress.epoch % self.config.train.eval_every == 0
        )

    def _train_epoch(self) -> None:
        progress = self.state.progress
        started, samples_before = time.perf_counter(), progress.samples
        # The sampler is a pure function of the epoch, so a resume in the middle of one only skips what is done.
        order = self.sampler.batches(progress.epoch)[progress.batch :]
        self._stepper.begin_epoch()
        own = order if self._team.is_alone else Shares(order, self._team.ranks)
        batches = self._stepper.fetched(self._feed, own, progress.epoch + 1)
        for group in _grouped(order, self.config.train.accumulation):
            self._step(group, batches)
            self.orders.listen()
            if self.orders.ending is not None and not self._may_end_epoch(self.orders.ending):
                return
        progress.epoch, progress.batch = progress.epoch + 1, 0
        self._end_epoch(time.perf_counter() - started, progress.samples - samples_before)

    def _may_end_epoch(self, ending: Ending) -> bool:
        """A run that is asked to go leaves the end of the epoch to whoever resumes it."""
        return ending.state is RunState.FINISHED and self.state.progress.batch == len(self.sampler)

    def _step(self, group: Sequence[Tensor], batches: Iterator[Batch]) -> None:
        started = time.perf_counter()
        progress = self.state.progress
        found = self._fetch(batches, len(group))
        if found is None:
            return  # no step was begun: the run ends after the one before
        prepared = self._stepper.ready(found)
        ready = time.perf_counter()
        lrs = self.state.lrs()
        self._stepper.expect([len(indices) for indices in group])
        measured = self._stepper.take(prepared, lrs)
        progress.step += 1
        self._stepper.is_updating = False
        progress.batch += len(group)
        size = sum(map(len, group))
        progress.samples += size
        # On a GPU this is when the work was handed over, not when it was done: waiting for it would be the one
        # thing the loop must not do. Over many steps the queue is full and both are the same.
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
                lr=lrs,
                weights=tuple(self.state.weights.values()),
                clip=math.nan if self.state.clip is None else self.state.clip,
                batch_size=size,
                ratio_measured=measured,
                indices=[indices.numpy() for indices in group],
            )
        )
        self.desk.phases.add("recorder", time.perf_counter() - ended)

    def _fetch(self, batches: Iterator[Batch], count: int) -> list[Batch] | None:
        """The next batches; none where a signal came while samples were waited for, which may never come."""
        if self._feed.is_read_singly:
            return self.desk.signals.unless_interrupted(lambda: [*islice(batches, count)])
        return [*islice(batches, count)]

    def _end_epoch(self, seconds: float, samples: int) -> None:
        self.keeping.flush()
        progress, writer = self.state.progress, self.desk.writer
        writer.event(
            EventKind.EPOCH,
            progress.step,
            epoch=progress.epoch,
            train=self.keeping.epoch_means(progress.epoch),
            seconds=seconds,
            samples_per_s=samples / max(seconds, 1e-9),
        )
        weighting = self.state.weighting.state_dict()
        # Before anything is saved: a checkpoint of the end of an epoch goes on with the weights of the next.
        self.state.weighting.end_epoch()
        self.state.weigh()
        if progress.epoch % self.config.train.eval_every == 0 and self.keeping.alarm is None:
            if not self._is_judged(weighting):
                return
            if self.examination.reason_to_stop is not None:
                self.orders.finish(self.examination.reason_to_stop)
        # A change to the network after the last epoch would be one that nobody trains.
        is_last = progress.epoch >= self.state.plan.epochs
        if not is_last and self.keeping.alarm is None:
            self._let_task_change()
        if not is_last and self._team.lead(self.keeping.times.is_due_at_end(self.config.checkpoint.epoch_every_s)):
            self.keeping.save("latest")

    def _is_judged(self, weighting: Mapping[str, Any]) -> bool:
        """Validate at the end of an epoch. Where that comes to nothing, by a signal or a mistake of the task, the end
        of the epoch is still due: whoever resumes the run begins with it.

        Args:
            weighting: of the epoch that ends.
        """
        try:
            is_judged = self.examination.measure(for_best=True, for_schedule=True) is not None
        except BaseException:
            if self.examination.is_measuring:
                self._reopen_epoch(weighting)
            raise
        if not is_judged:
            self._reopen_epoch(weighting)
            self.orders.listen()  # to what the signal said
        return is_judged

    def _reopen_epoch(self, weighting: Mapping[str, Any]) -> None:
        progress = self.state.progress
        progress.epoch, progress.batch = progress.epoch - 1, len(self.sampler)
        self.state.weighting.load_state_dict(weighting)
        self.state.weigh()

    def _let_task_change(self) -> None:
        """Let the task change the network between epochs; what that did to the metrics goes on record at once."""
        state, batch_size = self.state, self.config.train.validation_batch_size
        turn = Turn(
            epoch=state.progress.epoch,
            model=state.model,
            averaged=state.ema.module if state.ema else None,
            optimizer=state.optimizer,
            split=self.splits.train,
            gather=lambda rows: map(self.task.prepare, self._feed.batches(rows.split(batch_size))),
        )
        self._team.follow_lead(state.buffers())
        change = self.task.end_epoch(turn)
        if self._team.lead(change is not None):
            self._team.follow_lead(state.tensors())
            change = self._team.lead(change) or {}
            self.desk.writer.event(EventKind.REFIT, state.progress.step, epoch=state.progress.epoch, **change)
            self.examination.measure(after=EventKind.REFIT)

    def _total_steps(self) -> int:
        total = self.state.plan.epochs * steps_per_epoch(self.sampler, self.config)
        return min(total, self.config.train.max_steps or total)

    def _announce_plan(self) -> None:
        """Say how the learning rate goes on, whenever that has changed: charts draw it ahead of the steps."""
        plan = self.state.plan
        self.desk.pulse.epochs, self.desk.pulse.total_steps = plan.epochs, self._total_steps()
        self.desk.writer.event(
            EventKind.PLAN,
            self.state.progress.step,
            epochs=plan.epochs,
            steps_per_epoch=plan.steps_per_epoch,
            total_steps=self._total_steps(),
            warmup_steps=plan.warmup_steps,
            points=plan.points(self.state.progress.step),
        )


def steps_per_epoch(sampler: Sampler, config: RunConfig) -> int:
    """Optimiser steps in an epoch; the last may accumulate fewer batches."""
    return math.ceil(len(sampler) / config.train.accumulation)


def _sharded_stepper(*options: Any, team: Team, shards: Shards) -> Stepper:
    from trainctl.engine.training.loop.sharded_step import ShardedStepper  # with what it knows of torch: a second

    return ShardedStepper(*options, team=team, shards=shards)


def _meter_of(task: Task, state: TrainState, team: Team) -> GradientMeter:
    groups = task.module_groups(state.model)
    if state.shards is not None:
        return PartedMeter(groups, state.model, state.shards, team)
    return GradientMeter(groups, state.model, clipped=[list(group.params.values()) for group in state.groups])


def _grouped(order: Sequence[Tensor], size: int) -> Iterator[Sequence[Tensor]]:
    return (order[start : start + size] for start in range(0, len(order), size))
