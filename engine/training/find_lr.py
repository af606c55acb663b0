"""Runs the learning rate range test on an assembled run. Writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor, nn
from torch.optim import Optimizer

from trainctl.engine.config.schema import RunConfig
from trainctl.engine.data.batch import Batch
from trainctl.engine.data.feed import Feed
from trainctl.engine.errors import UserError
from trainctl.engine.optim.lr_finder import RangeTest, sweep
from trainctl.engine.optim.optimizers import build_optimizer, param_groups
from trainctl.engine.training.loop.step import initial_weights, weighted_sum
from trainctl.engine.training.setup import Assembly
from trainctl.engine.training.state.state import random_state, restore_random_state


def find_lr(
    assembly: Assembly,
    config: RunConfig,
    start: float,
    end: float,
    num_steps: int,
    on_progress: Callable[[list[float], list[float]], object] | None = None,
) -> RangeTest:
    """Sweep the learning rate from `start` to `end` in `num_steps` steps on a copy of the network.

    The run's state and the random numbers are as before afterwards. `on_progress`: see `sweep`.

    Raises:
        UserError: the task trains groups for terms of their own.
    """
    if assembly.state.groups:
        names = ", ".join(group.name for group in assembly.state.groups)
        raise UserError(
            f"lr-find looks for a rate at which one loss falls; here {names} each have their own",
            "compare short runs: optimizer.lrs.NAME=…",
        )
    rng, generator_state = random_state(), assembly.state.generator.get_state()
    batches = _endless_batches(assembly)

    def loss_of(model: nn.Module) -> Tensor:
        with assembly.precision.autocast():
            output = assembly.task.step(model, next(batches))
        return weighted_sum(output.terms, initial_weights(assembly.task, output.terms, config.loss_weights))

    def make_optimizer(model: nn.Module) -> Optimizer:
        return build_optimizer(param_groups(model, config.optimizer), config.optimizer, assembly.device)

    try:
        return sweep(
            assembly.state.model,
            make_optimizer,
            loss_of,
            start=start,
            end=end,
            num_steps=num_steps,
            on_progress=on_progress,
        )
    finally:
        restore_random_state(rng)
        assembly.state.generator.set_state(generator_state)


def _endless_batches(assembly: Assembly) -> Iterator[Batch]:
    feed = Feed(assembly.splits.train, assembly.device, assembly.task.config.train.workers)
    sampler = assembly.task.sampler(assembly.splits.train)
    epoch = 0
    while True:
        for stored in feed.batches(sampler.batches(epoch), epoch + 1):
            yield assembly.task.augment(assembly.task.prepare(stored), assembly.state.generator)
        epoch += 1
