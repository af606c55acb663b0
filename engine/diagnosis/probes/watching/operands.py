"""What a call of a layer reads, and the weights it is read with. Imports nothing but torch."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from trainctl.engine.diagnosis.probes.watching.watch import Call

CONVOLUTIONS = {"conv1d": F.conv1d, "conv2d": F.conv2d, "conv3d": F.conv3d}


def operands(call: Call) -> tuple[Tensor, Tensor] | None:
    """What a layer reads, and the weights that it is read with; None for a call of another kind."""
    read, weight = call.argument(0, "input"), call.argument(1, "weight")
    if call.name in ("lstm", "gru", "rnn_tanh", "rnn_relu"):
        lists = [value for value in call.args if isinstance(value, list)]
        weight = lists[0][0] if lists and lists[0] else None
    elif call.name == "multi_head_attention_forward":
        read, weight = call.argument(0, "query"), call.argument(5, "in_proj_weight")
    elif call.name in ("matmul", "mm", "__matmul__"):
        weight = call.argument(1, "other")
    if not isinstance(read, Tensor) or not isinstance(weight, Tensor) or weight.dim() < 2 or read.dim() < 2:
        return None
    return read, weight
