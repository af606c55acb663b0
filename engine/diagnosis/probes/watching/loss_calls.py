"""The loss functions of torch that a step calls, and what they are given. Judges nothing."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

from torch import Tensor

from trainctl.engine.diagnosis.facts.watched.loss_calls import BatchSoftmax, LossCall
from trainctl.engine.diagnosis.probes.watching.watch import Call, Look

LOSSES = (
    "cross_entropy",
    "nll_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "mse_loss",
    "l1_loss",
    "smooth_l1_loss",
    "huber_loss",
)
DIFFERENCES = ("sub", "__sub__", "rsub", "__rsub__", "subtract")
MOST_CALLS = 64
ONE = 1e-3
"""How near to 1 a sum of probabilities is."""
SAME_VALUES = frozenset({"View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze", "Select", "Slice", "Permute",
                         "Transpose", "T", "Clone", "Alias", "Expand", "ToCopy", "Index", "Unbind"})  # fmt: skip
"""Operations of autograd that change no value."""
NODE = re.compile(r"_?(\w+?)Backward\d*")
RANGES = {"softmax": (0.0, 1.0), "sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu": (0.0, math.inf)}
"""What an activation can give."""
REACH = 0.01
"""Share of the range by which a target must be beyond it."""
MAKERS = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Sigmoid": "sigmoid", "Tanh": "tanh", "Relu": "relu"}


class LossCalls:
    """Collects the losses of a step.

    Args:
        size: samples of the batch.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self.found: list[LossCall] = []
        self.softmaxes: list[BatchSoftmax] = []

    @property
    def looks(self) -> dict[str, Look]:
        """For `Watch`."""
        return {
            **dict.fromkeys(LOSSES, self._loss),
            **dict.fromkeys(DIFFERENCES, self._difference),
            **dict.fromkeys(("softmax", "log_softmax"), self._softmax),
        }

    def _loss(self, call: Call) -> None:
        given, target = call.argument(0, "input"), call.argument(1, "target")
        if len(self.found) < MOST_CALLS and isinstance(given, Tensor) and given.numel():
            facts = _facts(call.name, given, target, call.output)
            self.found.append(replace(facts, **_of_target(facts, target), class_weights=_class_weights(call)))

    def _difference(self, call: Call) -> None:
        """An answer less its target, as many write a squared error: one of the two has a gradient."""
        a, b = call.argument(0, "input"), call.argument(1, "other")
        if not (isinstance(a, Tensor) and isinstance(b, Tensor)) or a.requires_grad == b.requires_grad:
            return
        answer, target = (a, b) if a.requires_grad else (b, a)
        shapes = tuple(answer.shape), tuple(target.shape)
        facts = LossCall("difference", "", False, False, math.nan, math.nan, *shapes)
        if facts.is_broadcast and answer.shape[0] == self._size and len(self.found) < MOST_CALLS:
            self.found.append(facts)

    def _softmax(self, call: Call) -> None:
        given, dim = call.argument(0, "input"), call.argument(1, "dim")
        if isinstance(given, Tensor) and given.dim() == 2 and dim in (0, -2) and given.requires_grad:
            rows, columns = given.shape
            if rows == self._size != columns and columns > 1:
                self.softmaxes.append(BatchSoftmax(call.place, (rows, columns)))


def _facts(name: str, given: Tensor, target: Any, output: Any) -> LossCall:
    values = given.detach().double()
    dim = 1 if values.dim() > 1 else 0
    totals = values.sum(dim) if values.dim() else values
    return LossCall(
        name=name,
        made_by=maker(given),
        in_unit=bool(((values >= 0) & (values <= 1)).all()),
        sums_to_one=bool(((totals - 1).abs() < ONE).all()),
        highest=float(values.max()),
        value=float(output.detach().double().mean()) if isinstance(output, Tensor) else math.nan,
        input_shape=tuple(given.shape),
        target_shape=tuple(target.shape) if isinstance(target, Tensor) else (),
    )


def _of_target(facts: LossCall, target: Any) -> dict[str, float]:
    if not isinstance(target, Tensor) or not target.is_floating_point() or not target.numel():
        return {}
    values = target.detach().double()
    low, high = RANGES.get(facts.made_by, (-math.inf, math.inf))
    margin = REACH * (high - low) if math.isfinite(high - low) else REACH * float(values.abs().max())
    outside = (values < low - margin) | (values > high + margin)
    return {
        "target_mean": float(values.mean()),
        "target_std": float(values.std(unbiased=False)),
        "out_of_reach": float(outside.double().mean()),
    }


def _class_weights(call: Call) -> tuple[float, ...]:
    weight = call.argument(2, "weight") if call.name in ("cross_entropy", "nll_loss") else None
    return tuple(weight.detach().double().tolist()) if isinstance(weight, Tensor) and weight.dim() == 1 else ()


def maker(tensor: Tensor) -> str:
    """The activation that a tensor is the output of, as autograd remembers it; empty: none that is known."""
    node: Any = tensor.grad_fn
    while node is not None:
        found = NODE.fullmatch(type(node).__name__)
        name = found[1] if found else ""
        if name in MAKERS:
            return MAKERS[name]
        if name not in SAME_VALUES:
            return ""
        node = next((entry for entry, _ in node.next_functions if entry is not None), None)
    return ""
