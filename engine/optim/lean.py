"""What torch does around its optimisers for its compiler, left out where nothing is compiled.

An optimiser imports torch's compiler when it is built and at each step, to keep the compiler out of its bookkeeping: a
second of the start of a process, for one that may never compile. Hooks and the profiler stay. Knows no run.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any, cast

import torch
from torch.optim import Optimizer

COMPILER = "torch._dynamo"
GUARDED = ("add_param_group", "state_dict", "load_state_dict", "zero_grad")
"""Methods that torch keeps the compiler out of."""


def leave_compiler_out() -> None:
    """Let optimisers be built without the compiler, in a process that has not imported it.

    torch remembers, as an attribute of each guarded function, what the compiler made of it. Where there is no compiler,
    that is the function itself.
    """
    if COMPILER in sys.modules:
        return
    for name in GUARDED:
        function: Any = getattr(getattr(Optimizer, name), "__wrapped__", None)
        if function is not None:
            function.__dynamo_disable = function


def step_of(optimizer: Optimizer) -> Callable[[], object]:
    """What `optimizer.step` does, without asking for the compiler; with hooks and the profiler's name for it."""
    own = type(optimizer).step
    bare = inspect.unwrap(own)
    if COMPILER in sys.modules or bare is own or "step" in vars(optimizer) or optimizer.defaults.get("differentiable"):
        return cast("Callable[[], object]", optimizer.step)

    @functools.wraps(bare)
    def step(self: Optimizer) -> object:
        with torch.no_grad():
            return cast("Callable[[Optimizer], object]", bare)(self)

    return functools.partial(Optimizer.profile_hook_step(step), optimizer)
