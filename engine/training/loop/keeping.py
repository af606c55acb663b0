"""What the loop keeps: the records of its steps and its two checkpoints, and the alarm when they turn non-finite.

Knows state and desk, no epochs and no commands.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from trainctl.engine.config.schema import RunConfig
from trainctl.engine.data.batch import Splits
from trainctl.engine.errors import UserError, kind_and_words
from trainctl.engine.optim.groups import check_terms_of
from trainctl.engine.runs.atomic import DiskError
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.record import RecordLayout, Records
from trainctl.engine.tasks.task import StepOutput, Task
from trainctl.engine.training.desk.desk import Desk
from trainctl.engine.training.loop.epoch_sums import EpochSums
from trainctl.engine.training.loop.save_times import SaveTimes
from trainctl.engine.training.loop.step import check_terms, initial_weights
from trainctl.engine.training.ranks.team import ALONE_TEAM, Team
from trainctl.engine.training.record.assemble import Array, HostRow, RowPlan
from trainctl.engine.training.record.gradients import GradientMeter
from trainctl.engine.training.record.own import OwnRecords, widened
from trainctl.engine.training.record.recorder import Recorder
from trainctl.engine.training.state.state import TrainState

DELIVERY_S = 2.0
"""How long a checkpoint waits for the records before it."""


class Keeping:
    """Records and checkpoints of one run.

    Attributes:
        heard: step of the first record that is not finite, set in the scribe's thread; none: all is well.
        agreed: the same, as all ranks know of it.
        times: when the next `latest` is due.
        saved_step: step of the newest `latest`, or that the run began with.
    """

    def __init__(
        self, task: Task, splits: Splits, state: TrainState, config: RunConfig, device: torch.device, desk: Desk
    ) -> None:
        self._task, self._splits, self._state, self._config, self._desk = task, splits, state, config, desk
        self._device, self._saving = device, saving_team(desk.team, state, config)
        self._recorder: Recorder | None = None
        self._own: OwnRecords | None = None
        self._epoch = EpochSums()
        self.heard: int | None = None
        self.agreed: int | None = None
        self.saved_step = state.progress.step
        self._task_state: Mapping[str, Any] = dict(task.state())
        """What the task gave to the newest checkpoint."""
        self.times = SaveTimes()

    @property
    def alarm(self) -> int | None:
        """Step of the first record that is not finite, once all ranks know of it; none: all is well."""
        return self.heard if self._desk.team.is_alone else self.agreed

    def opener(self, meter: GradientMeter) -> Callable[[StepOutput], Recorder]:
        """What makes the recorder from the first output of the network, whose names fix what a record holds."""

        def open_recorder(output: StepOutput) -> Recorder:
            self._check_and_weigh(output)
            plan = self._row_plan(output, meter)
            keep = self._state.progress.step if self._desk.is_resumed else None
            sink = self._desk.writer.records(plan.layout, keep)
            if keep is not None:  # an epoch that was begun before is judged by all of it
                self._epoch = self._recorded(self._state.progress.epoch + 1)
            beside = None if self._desk.team.is_alone else self._open_own(plan, keep)
            self._recorder = Recorder(sink, plan, self._device, self._desk.scribe, self._hear, beside)
            return self._recorder

        return open_recorder

    def flush(self) -> None:
        """Wait until every complete step has come from the device, and the alarm has been raised if it must."""
        if self._recorder is not None:
            with self._desk.phases.timing("recorder"):
                self._recorder.flush()
            self.agreed = self.heard  # all ranks have heard of the same steps

    def close(self) -> None:
        """Close the records; harmless when none were opened."""
        if self._recorder is not None:
            self._recorder.close()
        if self._own is not None:
            self._own.close()

    def save(self, which: str, *, must: bool = False, task_state: Mapping[str, Any] | None = None) -> bool:
        """Write a checkpoint, unless the newest records say that the run has fallen ill; whether it was written.

        Args:
            which: `latest` or `best`.
            must: there will be no later one, so a disk that fails ends the run.
            task_state: in place of what the task gives.

        Raises:
            DiskError: the disk is full or not ours, or fails while it `must` not.
        """
        # Only when the records are there has anybody looked whether they are finite: an ill network never replaces a
        # sound one. And a resume goes on behind the checkpoint, so they should be in the file first; a disk that does
        # not take them in time must not cost the checkpoint as well.
        self.flush()
        if self.alarm is not None:
            return False
        task_state = dict(self._task.state()) if task_state is None else task_state
        state = self._state_to_save()
        about = checkpoint_about(self._config, self._splits, self._state, task_state)
        if which == "best":
            about["weights"] = self._state.best.weights
        step = self._state.progress.step
        try:
            saving = self.times.saving() if which == "latest" else contextlib.nullcontext()
            with saving, self._desk.phases.timing("checkpoint"):
                self._desk.writer.deliver(DELIVERY_S)
                self._desk.writer.checkpoint(which, step, state, about, self._saving)
        except DiskError as err:
            if must or err.is_lasting:
                raise
            text = f"no {which} checkpoint at step {step}: {err.message}; the one before stays, and it is tried again"
            self._desk.writer.event(EventKind.WARNING, step, text=text)
            return False
        if which == "latest":
            self.saved_step, self._task_state = step, task_state
        return True

    def _state_to_save(self) -> dict[str, Any]:
        """Of the run; of several ranks the leading one's.

        Where each rank writes its own part, what lies in parts stays so.
        """
        team = self._desk.team
        if team.is_alone or team.is_broken:
            return self._state.state_dict()
        team.follow_lead(self._state.buffers())
        state = self._state.state_dict()
        if self._state.shards is None:
            return state
        with team.calling():
            shards, optimizer = self._state.shards, self._state.optimizer
            return (shards.gathered if self._saving.is_alone else shards.parted)(state, optimizer)

    def save_the_rest(self, *, owes_best: bool = False) -> None:
        """Before a run dies of something else: save what it has come to, if that is sound and the disk takes it; and as
        the best where it `owes` that: whoever goes on does not validate again.

        The task may be what it dies of, so what it does here counts for nothing: at worst its state of before is kept.
        """
        step = self._state.progress.step
        if step <= self.saved_step:
            return
        if self._state.shards is not None and self._desk.team.is_broken:
            text = f"no checkpoint at step {step}: the other ranks have parts of the network; the one before stays"
            self._desk.writer.event(EventKind.WARNING, step, text=text)
            return
        for task_state in (None, self._task_state):
            try:
                if owes_best:
                    self.save("best", task_state=task_state)
                self.save("latest", task_state=task_state)
                return
            except UserError:
                return
            except BaseException as err:
                then = "; it is written with the task's state of before" if task_state is None else ""
                text = f"no checkpoint at step {step}: {kind_and_words(err)}{then}"
                self._desk.writer.event(EventKind.WARNING, step, text=text)

    def epoch_means(self, epoch: int) -> dict[str, float]:
        """Mean over an epoch's records, see `EpochSums.means`. Flush first.

        Empty where the run took no step of the epoch: it was forked at its very end.
        """
        # No step of it in this sitting: a resume came at its very end.
        return self._epoch.means(epoch) or self._recorded(epoch).means(epoch)

    def _recorded(self, epoch: int) -> EpochSums:
        """Of an epoch's records that are in the file, as far as they can be read."""
        sums = EpochSums()
        with contextlib.suppress(OSError, UserError):
            for records in self._desk.writer.recorded(epoch):
                sums.hear(records)
        return sums

    def _open_own(self, plan: RowPlan, keep: int | None) -> Callable[[Array, Sequence[HostRow]], None]:
        """Records of this rank's own part; what hinders any rank from writing them is said once."""
        desk = self._desk
        self._own = OwnRecords(desk.writer.paths, desk.team.ranks, plan, desk.writer.clerk, keep)
        problems = [problem for problem in desk.team.everyone(self._own.problem) if problem]
        desk.writer.notes(EventKind.WARNING, self._state.progress.step, problems)
        return self._own.hear

    def _check_and_weigh(self, output: StepOutput) -> None:
        # Only now are the names of the terms known, so only now can an option that names another be refused.
        weighting = self._config.weighting
        for option, named in (("weighting.ramp", weighting.ramp), ("weighting.delay", weighting.delay)):
            check_terms(option, named, output.terms)
        check_terms(f"{type(self._task).__name__}.kinds", self._task.kinds, output.terms)
        check_terms_of(self._state.groups, list(output.terms))
        self._state.weighting.open(initial_weights(self._task, output.terms, self._config.loss_weights))
        self._state.weigh()

    def _row_plan(self, output: StepOutput, meter: GradientMeter) -> RowPlan:
        labels = self._splits.train.labels if self._splits.classes else None
        layout = RecordLayout(
            terms=tuple(output.terms),
            groups=tuple(meter.groups),
            lr_groups=len(self._state.params),
            lr_names=tuple(group.name for group in self._state.params) if self._state.groups else (),
            classes=self._splits.classes if labels is not None else (),
            kinds=self._task.kinds,
            scalars=tuple(output.scalars),
            frozen=tuple(meter.frozen),
        )
        plan = RowPlan(
            layout=layout,
            group_of=tuple(meter.group_of),
            has_amp_scale=self._state.scaler is not None,
            labels=None if labels is None else labels.numpy(),
        )
        return plan if self._desk.team.is_alone else widened(plan)

    def _hear(self, records: Records) -> None:
        """In the scribe's thread: pulse, weights, and the alarm for what is not finite."""
        self._epoch.hear(records)
        self._desk.pulse.hear(records)
        self._desk.phases.hear(records)
        self._state.weighting.hear(records)
        if self.heard is None and self._config.health.stop_on_nonfinite:
            bad = ~np.isfinite(records["loss"])
            if self._state.scaler is None:  # a scaler overflows now and then, skips the update and goes on
                bad |= records["nonfinite"] > 0
            if bad.any():
                self.heard = int(records["step"][bad.argmax()])


def saving_team(team: Team, state: TrainState, config: RunConfig) -> Team:
    """Who writes a checkpoint together, each its part; alone: the leading rank writes it whole."""
    return team if state.shards is not None and config.ranks.checkpoint == "parts" else ALONE_TEAM


def checkpoint_about(
    config: RunConfig, splits: Splits, state: TrainState, task_state: Mapping[str, Any]
) -> dict[str, Any]:
    """What a checkpoint of the raw weights says of itself."""
    return {
        "task": config.task,
        "classes": list(splits.classes),
        "step": state.progress.step,
        "epoch": state.progress.epoch,
        "metrics": state.last_metrics,
        "weights": "raw",
        "task_state": dict(task_state),
    }
