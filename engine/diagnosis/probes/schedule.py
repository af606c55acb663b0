"""Draws the learning rate over the whole run, as it is planned. Computes only; judges nothing."""

from __future__ import annotations

import math

import numpy as np

from trainctl.engine.config.schema import RunConfig
from trainctl.engine.diagnosis.facts.schedule import ScheduleFacts
from trainctl.engine.errors import UserError
from trainctl.engine.optim.schedules import BY_STEP, DRAWN_POINTS, OWN_SHAPES, LearningRatePlan

MOST_TABLED = 300_000
"""Steps of a scheduler of torch that are computed for a diagnosis: a second or two."""
ADAPTIVE = frozenset({"adam", "adamw", "nadam", "radam", "adamax", "adafactor", "rmsprop", "adagrad", "adadelta"})


def measure_schedule(config: RunConfig, batches_per_epoch: int) -> ScheduleFacts:
    """Facts about the plan.

    Args:
        config: of the run.
        batches_per_epoch: that the sampler forms.

    Raises:
        UserError: the schedule cannot be drawn, or would take too long.
    """
    schedule, optimizer, train = config.schedule, config.optimizer, config.train
    per_epoch = max(1, math.ceil(batches_per_epoch / train.accumulation))
    planned = per_epoch * train.epochs
    by_step = schedule.interval == "step" or schedule.name in BY_STEP
    if schedule.name not in OWN_SHAPES and by_step and planned > MOST_TABLED:
        raise UserError(f"the plan of {planned:,} steps is too long to draw", "let it move once an epoch")
    plan = LearningRatePlan(schedule, optimizer.lr, per_epoch, train.epochs)
    plan.check()
    total = min(planned, train.max_steps or planned)
    steps = np.unique(np.linspace(0, total - 1, min(total, DRAWN_POINTS)).round().astype(int))
    sums_up = optimizer.name == "sgd"
    return ScheduleFacts(
        name=schedule.name,
        peak=optimizer.lr,
        steps=steps.astype(np.float64),
        rates=np.array([plan.at(int(step)) for step in steps], np.float64),
        num_steps=total,
        steps_per_epoch=per_epoch,
        epochs=train.epochs,
        is_cut_short=total < planned,
        warmup_steps=plan.warmup_steps,
        arguments=dict(schedule.arguments),
        moves_by="step" if by_step or schedule.name == "cyclic" else "epoch",
        momentum=optimizer.momentum if sums_up else 0.0,
        is_adaptive=optimizer.name in ADAPTIVE,
    )
