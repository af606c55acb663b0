"""What a watch adds to a plain step, counted: it depends on no machine, and tells what a clock on a busy one cannot."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from foreign_loops import data, network, watched
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader

import trainctl.engine.watch.watch as ours

ROOT = str(Path(ours.__file__).parents[1])
STEPS = 20
MOST_CALLS = 45
"""Of Python functions of ours in a step; they were 85."""
HAND_OVER = {"hand_over", "take", "submit", "is_full"}
"""What is called ten times a second, however long steps take."""
OPERATIONS = {"aten.detach.default", "aten._foreach_norm.Scalar", "aten.stack.out"}
COPIED = {"aten.slice.Tensor", "aten._to_copy.default"}
"""By a hand-over."""


class Counted(TorchDispatchMode):
    """Counts what torch is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        self.found[str(func)] += 1
        return func(*args, **(kwargs or {}))


class Loop:
    """A plain one, a few steps at a time."""

    def __init__(self) -> None:
        self.model = network()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3)
        self._batches = iter(DataLoader(data(3200), batch_size=16))

    def train(self, steps: int) -> None:
        """Take steps."""
        for _ in range(steps):
            x, y = next(self._batches)
            cross_entropy(self.model(x), y).backward()
            self.optimizer.step()
            self.optimizer.zero_grad()


def counted(loop: Loop) -> Counter[str]:
    """What torch does in a step."""
    with Counted() as seen:
        loop.train(1)
    return seen.found


def test_a_plain_step_is_heard_in_few_calls_and_three_operations(tmp_path: Path) -> None:
    calls: Counter[str] = Counter()

    def profile(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(ROOT):
            calls[frame.f_code.co_name] += 1

    loop = Loop()
    loop.train(3)
    before = counted(loop)
    begin, end = watched(tmp_path)
    watch = begin(loop.optimizer)
    loop.train(61)  # the update ratio is measured at each of the first fifty
    assert watch.step % 20 < 18, "nor at the next one"
    added = counted(loop) - before
    assert added.keys() - COPIED == OPERATIONS, "nothing is read on the host, nothing is copied"
    loop.train(20 - watch.step % 20)
    sys.setprofile(profile)
    loop.train(STEPS - 1)
    sys.setprofile(None)
    end()
    num_calls = sum(count for name, count in calls.items() if name not in HAND_OVER) / (STEPS - 1)
    assert num_calls <= MOST_CALLS, calls.most_common()
