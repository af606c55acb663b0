"""A recording on the CPU: the operations of a body, done again in the same memory with the same Python numbers.

What holds for a CUDA graph holds for it: only what lies in tensors can differ between two launches, and a body that
reads a tensor into Python cannot be recorded. Two things it does not show: memory that a graph uses twice, and kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from trainctl.engine.training.capture.frozen import host_draws
from trainctl.engine.training.capture.recording import DRAWN, RecordingError

WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "_unique", "unique_dim", "equal", "repeat_interleave")
"""Operations that tell Python something, as a value or as a shape."""


class _Watch(TorchDispatchMode):
    def __init__(self, tape: list[Callable[[], object]] | None = None) -> None:
        super().__init__()
        self.tape = tape
        self.waits: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        name = func.name().removeprefix("aten::").partition(".")[0]
        by_mask = name == "index" and any(t.dtype == torch.bool for t in args[1] if t is not None)
        if name in WAITING or by_mask:
            self.waits.append(f"{name} waits for the device")
            if self.tape is not None:
                raise RecordingError(f"{name}: operation not permitted when stream is capturing")
        result = func(*args, **kwargs)
        if self.tape is not None and not func.is_view:
            self.tape.append(lambda: _again(func, args, kwargs, result))
        return result


def _again(func: Any, args: Any, kwargs: Mapping[str, Any], before: Any) -> None:
    with torch.no_grad():
        now = func(*args, **kwargs)
        for old, new in zip(tree_leaves(before), tree_leaves(now), strict=True):
            if isinstance(old, Tensor) and old is not new:
                old.copy_(new)


class TapeRecording:
    """Records on a tape; `num_recorded` and `num_launched` count."""

    def __init__(self) -> None:
        self.num_recorded = self.num_launched = 0

    def rehearse(self, body: Callable[[], object]) -> list[str]:
        """Run `body` and tell what in it waits or draws in Python. torch's CPU generator is the device's here."""
        draws = host_draws()
        with _Watch() as watch:
            body()
        return watch.waits + ([DRAWN] if host_draws() != draws else [])

    def record(self, body: Callable[[], object]) -> Callable[[], object]:
        """Run `body` once, which counts as the first launch: a tape cannot record without doing."""
        tape: list[Callable[[], object]] = []
        with _Watch(tape):
            body()
        self.num_recorded += 1
        is_done = [True]

        def launch() -> None:
            self.num_launched += 1
            if not is_done.pop():
                for operation in tape:
                    operation()
            is_done.append(False)

        return launch
