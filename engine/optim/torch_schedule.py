"""Learning rates of any scheduler of `torch.optim.lr_scheduler`, computed ahead as a table. Knows no epochs, no run.

A scheduler that depends only on how often it was stepped is a function of that number. So its whole course can be
drawn before the first step, and a resume needs nothing but its position.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import LRScheduler

from trainctl.engine.errors import UserError, first_line

MOST_STEPS = 5_000_000
"""Of a table; a second for each 200,000 or so."""
LENGTH = ("total_steps", "T_max")
"""Arguments that say how long the course is; the run's own length where they are not given."""


def scheduler_type(name: str) -> type[LRScheduler]:
    """The class of `torch.optim.lr_scheduler` that a configuration calls so, in lower case.

    Raises:
        UserError: this version of torch has none.
    """
    for found in vars(torch.optim.lr_scheduler).values():
        if isinstance(found, type) and issubclass(found, LRScheduler) and found.__name__.lower() == name:
            return found
    raise UserError(f"schedule.name: torch {torch.__version__} has no {name}", "choose another, or a newer torch")


def torch_rates(name: str, arguments: Mapping[str, Any], peak: float, count: int) -> list[float]:
    """The learning rate before each of `count` steps of a scheduler.

    Args:
        name: of its class.
        arguments: of its constructor. `total_steps` and `T_max` are `count`, and `max_lr` is `peak`, where they are not
            given; momentum is not cycled.
        peak: learning rate of the optimiser that it would change.
        count: at least 1.

    Raises:
        UserError: torch has no such scheduler, or it refuses the arguments.
    """
    kind = scheduler_type(name)
    if count > MOST_STEPS:
        text = f"schedule: {kind.__name__} is computed ahead, and {count:,} steps are too many (at most {MOST_STEPS:,})"
        raise UserError(text, "lower train.epochs, or let it move once an epoch: schedule.interval=epoch")
    accepted = inspect.signature(kind).parameters
    given: dict[str, Any] = {key: count for key in LENGTH if key in accepted}
    if "max_lr" in accepted:
        given["max_lr"] = peak
    if "epochs" in arguments and "steps_per_epoch" in arguments:
        given.pop("total_steps", None)
    given |= arguments
    if "cycle_momentum" in accepted and given.setdefault("cycle_momentum", False):
        raise UserError("schedule.arguments.cycle_momentum: momentum is not cycled here", "leave it out")
    if "last_epoch" in arguments:
        raise UserError("schedule.arguments.last_epoch: a resume knows where the schedule stands", "leave it out")
    missing = [key for key, p in accepted.items() if p.default is p.empty and key not in (*given, "optimizer")]
    if missing:
        wanted = " ".join(f"schedule.arguments.{key}=…" for key in missing)
        raise UserError(f"schedule: {kind.__name__} needs {', '.join(missing)}", f"give {wanted}")
    try:
        return _course(kind, given, peak, count)
    except (TypeError, ValueError, LookupError, ArithmeticError) as err:  # in torch's words, which name the argument
        text = f"schedule: {kind.__name__} refuses its arguments: {first_line(err)}"
        raise UserError(text, "change schedule.arguments") from err


def _course(kind: type[LRScheduler], arguments: dict[str, Any], peak: float, count: int) -> list[float]:
    optimizer = SGD([torch.zeros(())], lr=peak)
    rates: list[float] = []
    with warnings.catch_warnings():
        # There is no optimiser step before the scheduler's: nothing is trained here.
        warnings.simplefilter("ignore", UserWarning)
        scheduler = kind(optimizer, **arguments)
        for step in range(count):
            rates.append(float(optimizer.param_groups[0]["lr"]))
            if step + 1 < count:
                scheduler.step()
    return rates
