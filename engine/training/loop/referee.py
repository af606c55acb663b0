"""Judges a validation: is it the best so far, does the plateau cut the learning rate, has the run stopped improving.

Knows metrics and the run's state; measures nothing and writes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from trainctl.engine.config.schema import RunConfig
from trainctl.engine.errors import UserError
from trainctl.engine.tasks.task import Monitor, Task
from trainctl.engine.training.state.state import TrainState

Results = Mapping[str, Mapping[str, float]]
"""Metrics by weights: raw, and ema where an average is kept."""


class Referee:
    """Applies the rules of one run to its validations; what it remembers is in the state."""

    def __init__(self, task: Task, config: RunConfig, state: TrainState) -> None:
        self.monitor = monitor_of(task, config)
        self._stopping, self._state = config.early_stopping, state

    def is_best(self, results: Results) -> bool:
        """Whether raw or averaged weights beat the best so far; remembers it if so. NaN beats nothing.

        Raises:
            UserError: the task has no such metric.
        """
        best, metric = self._state.best, self.monitor.metric
        if metric not in results["raw"]:
            raise _no_metric("train.monitor", metric, results["raw"])
        sign = 1 if self.monitor.mode == "max" else -1
        finite = {weights: values[metric] for weights, values in results.items() if not math.isnan(values[metric])}
        if not finite:
            return False
        weights = max(finite, key=lambda name: sign * finite[name])
        value = finite[weights]
        if best.value is not None and sign * (value - best.value) <= self._stopping.min_delta:
            return False
        best.value, best.weights = value, weights
        best.epoch, best.step = self._state.progress.epoch, self._state.progress.step
        return True

    def cut_lr(self, metrics: Mapping[str, float]) -> tuple[float, float] | None:
        """Tell the plateau schedule; the learning rates before and after if it cut.

        Raises:
            UserError: the task has no such metric.
        """
        plan, progress = self._state.plan, self._state.progress
        if plan.config.name == "plateau" and plan.config.metric not in metrics:
            raise _no_metric("schedule.metric", plan.config.metric, metrics)
        before = plan.at(progress.step)
        return (before, plan.at(progress.step)) if plan.observe(metrics, progress.epoch) else None

    def reason_to_stop(self, *, is_best: bool) -> str | None:
        """Count validations without improvement; why the run should end, if it should."""
        best, patience = self._state.best, self._stopping.patience
        best.bad_validations = 0 if is_best else best.bad_validations + 1
        if patience is None or best.bad_validations < patience:
            return None
        return f"early stopping: {self.monitor.metric} has not improved for {best.bad_validations} validations"


def monitor_of(task: Task, config: RunConfig) -> Monitor:
    """The metric that chooses the best checkpoint: configured, else the task's.

    That of a further validation set, SET/METRIC, is better where the metric itself is.
    """
    metric = config.train.monitor or task.monitor.metric
    plain = metric.partition("/")[2] or metric
    mode = config.train.monitor_mode or (task.monitor.mode if task.monitor.metric in (metric, plain) else "max")
    is_loss = metric == "loss" or (plain == "loss" and metric != task.monitor.metric)
    if is_loss and not config.train.monitor_mode:
        mode = "min"
    return Monitor(metric, mode)


def _no_metric(option: str, metric: str, metrics: Mapping[str, float]) -> UserError:
    return UserError(f"{option}: no validation metric {metric!r}", f"this task has: {', '.join(metrics)}")
