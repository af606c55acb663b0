"""Number formats of losses: what autocast makes small is computed wide."""

from __future__ import annotations

from torch import Tensor


def at_least_float32(tensor: Tensor) -> Tensor:
    """The tensor in float32 when it is bf16 or fp16, else as it is."""
    return tensor.float() if tensor.dtype.itemsize < 4 else tensor
