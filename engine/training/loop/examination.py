"""Measures raw and averaged weights between epochs or when asked, and says what follows from it.

Knows networks and metrics; what ends the run is the loop's business.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from torch import Tensor, nn

from trainctl.engine.config.schema import RunConfig
from trainctl.engine.data.batch import Splits
from trainctl.engine.errors import UserError
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.validated.histogram import Histogram
from trainctl.engine.runs.validated.samples import WorstSamples
from trainctl.engine.tasks.task import Task
from trainctl.engine.training.desk.desk import Desk
from trainctl.engine.training.loop.distributions import histograms_of
from trainctl.engine.training.loop.keeping import Keeping
from trainctl.engine.training.loop.referee import Referee
from trainctl.engine.training.loop.validation import Validation
from trainctl.engine.training.loop.worst import worst_samples
from trainctl.engine.training.state.state import TrainState


class Examination:
    """Validations of one run.

    Args:
        validations: by the name of their set; empty: the one whose metrics stand without a name before them.

    Attributes:
        validated_at: step of the newest validation; -1 before the first.
        reason_to_stop: why the run should end, from the newest validation that the plan asked for; none: go on.
        owes_best: the newest validation was the best, and its checkpoint is not written yet.
        is_measuring: a measurement has begun and gave nothing yet; stays so where the task's code fails in it.
    """

    def __init__(
        self,
        task: Task,
        splits: Splits,
        validations: Mapping[str, Validation],
        state: TrainState,
        config: RunConfig,
        desk: Desk,
        keeping: Keeping,
        announce_plan: Callable[[], None],
    ) -> None:
        self._task, self._splits, self._validations, self._state = task, splits, validations, state
        self._desk, self._keeping = desk, keeping
        self._announce_plan = announce_plan
        self.referee = Referee(task, config, state)
        self.validated_at = -1
        self.reason_to_stop: str | None = None
        self.is_measuring = self.owes_best = False
        self._plain = state.model
        """The raw weights, for whoever looks at them outside of a pass."""
        self._worst: WorstSamples | None = None
        self._histograms: Mapping[str, Histogram] = {}
        """Both of the newest measurement."""

    def measure(
        self, *, for_best: bool = False, for_schedule: bool = False, after: EventKind | None = None
    ) -> dict[str, float] | None:
        """Measure raw and averaged weights; returns the raw metrics.

        None where a signal came before: a validation may take longer than whoever sent it waits. Nothing is said or
        changed then.

        Args:
            for_best: the result may become the best. One that was merely asked for changes nothing of the run: with
                one more validation it would be another run.
            for_schedule: plateau and early stopping hear of it.
            after: what changed the network since the validation at the same step.
        """
        state, step, before = self._state, self._state.progress.step, self._desk.pulse.state
        signals = self._desk.signals
        self._desk.pulse.enter(RunState.VALIDATING)
        started, self.is_measuring = time.perf_counter(), True
        with self._desk.phases.timing("validation"):
            results = None if signals.received is not None else signals.unless_interrupted(self._results)
        self.is_measuring = False
        if results is None:
            self._desk.pulse.enter(before)
            return None
        state.last_metrics = results
        self.validated_at = step
        is_best = for_best and self.referee.is_best(results)
        if self._worst is not None:
            self._desk.writer.samples(self._worst, state.best.step)
        if self._histograms:
            self._desk.writer.histograms(self._histograms, step, state.best.step)
        self._desk.writer.event(
            EventKind.VALIDATION,
            step,
            epoch=state.progress.epoch,
            **results,
            best=is_best,
            monitor=self.referee.monitor.metric,
            monitor_mode=self.referee.monitor.mode,
            seconds=time.perf_counter() - started,
            **({} if after is None else {"after": str(after)}),
        )
        # Heard before the best is saved, so that a fork of it starts with the rate that follows from it.
        if for_schedule:
            self._heed(results["raw"], is_best=is_best)
        if is_best:
            self._save_best()
        self._desk.pulse.enter(before)
        return results["raw"]

    def _save_best(self) -> None:
        self.owes_best = True
        self._keeping.save("best")
        self.owes_best = False

    def _results(self) -> dict[str, dict[str, float]]:
        """Metrics of the raw and, where they are kept, of the averaged weights."""
        state = self._state
        self._desk.team.follow_lead(state.buffers())
        if state.shards is not None:
            with self._desk.team.calling():
                self._plain = state.shards.plain(state.model)
        networks = {"raw": state.model} | ({"ema": state.ema.module} if state.ema else {})
        listeners = {"raw": self._look_closer}
        return {name: self._measured(network, listeners.get(name)) for name, network in networks.items()}

    def _measured(
        self, network: nn.Module, listener: Callable[[Mapping[str, Tensor]], object] | None
    ) -> dict[str, float]:
        """Metrics of a network on every set, those of a further one called SET/METRIC."""
        weights = self._state.weighting.configured  # not those of the epoch: losses of two epochs must compare
        found: dict[str, float] = {}
        for name, validation in self._validations.items():
            metrics = validation.measure(network, weights, None if name else listener)
            named = {f"{name}/{metric}" if name else metric: value for metric, value in metrics.items()}
            twice = next(iter(found.keys() & named.keys()), None)
            if twice is not None:
                raise UserError(f"two metrics are called {twice}", f"give the set {name} or the metric another name")
            found |= named
        return found

    def _heed(self, metrics: Mapping[str, float], *, is_best: bool) -> None:
        """Let plateau and early stopping hear of a validation."""
        # The raw weights are those being trained, so they decide over the rate; the best may be the averaged ones.
        cut = self.referee.cut_lr(metrics)
        if cut is not None:
            self._desk.writer.event(EventKind.LR, self._state.progress.step, **{"from": cut[0], "to": cut[1]})
            self._announce_plan()
        self.reason_to_stop = self.referee.reason_to_stop(is_best=is_best)

    def _look_closer(self, columns: Mapping[str, Tensor]) -> None:
        progress = self._state.progress
        self._worst = worst_samples(self._task, self._splits.val, columns, step=progress.step, epoch=progress.epoch)
        self._histograms = histograms_of(self._task.histograms(self._plain, columns))
