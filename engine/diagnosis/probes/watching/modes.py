"""In which mode dropout and BatchNorm were run, by a training step and by a step of a validation. Judges nothing.

Told by what the functions themselves are called with, so that `functional.dropout` counts as the module does.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from trainctl.engine.diagnosis.facts.watched.layers import ModeFacts
from trainctl.engine.diagnosis.probes.watching.watch import Call, Look

DROPOUTS = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")
RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")


@dataclass
class _Seen:
    kind: str
    in_training: set[bool] = field(default_factory=set[bool])
    in_evaluation: set[bool] = field(default_factory=set[bool])
    is_trained: bool = True
    is_fresh: bool = True
    values: int = 0
    dropped: float = 0.0
    momentum: float = 1.0
    was_updated: bool = False


class Modes:
    """Collects in which mode each layer was run.

    Attributes:
        is_evaluating: whether a step of a validation runs now.
    """

    def __init__(self) -> None:
        self.is_evaluating = False
        self._seen: dict[tuple[str, str], _Seen] = {}

    @property
    def looks(self) -> dict[str, Look]:
        """For `Watch`."""
        return {
            **dict.fromkeys(DROPOUTS, self._dropout),
            **dict.fromkeys(RECURRENT, self._recurrent),
            "batch_norm": self._batch_norm,
            "scaled_dot_product_attention": self._attention,
        }

    def facts(self) -> tuple[ModeFacts, ...]:
        """Of each layer."""
        return tuple(
            ModeFacts(
                name,
                seen.kind,
                frozenset(seen.in_training),
                frozenset(seen.in_evaluation),
                seen.is_trained,
                seen.is_fresh,
                seen.values,
                seen.dropped,
                seen.momentum,
            )
            for (name, _), seen in self._seen.items()
        )

    def _dropout(self, call: Call) -> None:
        p, training = call.argument(1, "p", 0.5), call.argument(2, "training", default=True)
        if p and 0 < p < 1:
            seen = self._note(call, "dropout", is_training=bool(training))
            seen.dropped = max(seen.dropped, float(p))

    def _recurrent(self, call: Call) -> None:
        """`(input, hx, weights, bias, layers, dropout, train, …)`, or with the sizes of packed batches before `hx`."""
        at = next((k for k, value in enumerate(call.args) if isinstance(value, list)), None)
        if at is not None and len(call.args) > at + 4 and call.args[at + 3]:
            self._note(call, "dropout", is_training=bool(call.args[at + 4]))

    def _attention(self, call: Call) -> None:
        """It knows no mode: whoever calls it has to give it another probability in evaluation."""
        if call.argument(4, "dropout_p", 0.0):
            self._note(call, "dropout", is_training=True)

    def _batch_norm(self, call: Call) -> None:
        mean, variance = call.argument(1, "running_mean"), call.argument(2, "running_var")
        if not isinstance(mean, Tensor) or not isinstance(variance, Tensor):
            return  # it keeps no statistics, and has one mode only
        read, weight = call.argument(0, "input"), call.argument(3, "weight")
        seen = self._note(call, "batch norm", is_training=bool(call.argument(5, "training", default=False)))
        if self.is_evaluating:
            return
        values = read.numel() // read.shape[1] if read.dim() > 1 else len(read)
        seen.values = min(seen.values, values) if seen.values else values
        seen.is_trained = read.requires_grad or (isinstance(weight, Tensor) and weight.requires_grad)
        momentum = call.argument(6, "momentum", 0.1)
        if call.argument(5, "training", default=False) and isinstance(momentum, int | float):
            if not seen.was_updated:
                seen.is_fresh = _began_at_zero(mean, read, float(momentum))
            seen.was_updated, seen.momentum = True, min(seen.momentum, float(momentum))
        if seen.in_training == {False}:  # a norm in training mode has changed them already
            seen.is_fresh = bool((mean == 0).all()) and bool((variance == 1).all())

    def _note(self, call: Call, kind: str, *, is_training: bool) -> _Seen:
        seen = self._seen.setdefault((call.place, kind), _Seen(kind))
        (seen.in_evaluation if self.is_evaluating else seen.in_training).add(is_training)
        return seen


def _began_at_zero(mean: Tensor, read: Tensor, momentum: float) -> bool:
    """Whether running means are what one batch makes of 0."""
    of_batch = read.detach().to(mean.dtype).movedim(1, 0).flatten(1).mean(1) if read.dim() > 1 else read
    return torch.allclose(mean, momentum * of_batch, rtol=1e-2, atol=1e-6)
