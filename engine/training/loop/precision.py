"""Number formats of the forward and backward pass: autocast, gradient scaling, memory layout, compilation."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from trainctl.engine.config.schema import PrecisionConfig
from trainctl.engine.errors import UserError

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Precision:
    """Autocast and scaling of one run.

    Raises:
        UserError: the device cannot do it.
    """

    def __init__(self, config: PrecisionConfig, device: torch.device) -> None:
        self.device = device
        self.dtype = DTYPES.get(config.amp)
        if config.amp == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
            raise UserError("precision.amp: this GPU has no bf16", "set precision.amp=fp16")
        self.scaler = torch.amp.GradScaler(device.type) if config.amp == "fp16" else None

    def autocast(self) -> AbstractContextManager[object]:
        """Context of a forward pass."""
        if self.dtype is None:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def scaled(self, loss: Tensor) -> Tensor:
        """The loss to call `backward` on."""
        return loss if self.scaler is None else self.scaler.scale(loss)

    def scale_tensor(self) -> Tensor | None:
        """The scaler's present scale, a scalar on the device; `get_scale` would wait for the device."""
        if self.scaler is None:
            return None
        scale = self.scaler._scale  # pyright: ignore[reportPrivateUsage]
        return scale if scale is not None else torch.full((), self.scaler.get_scale(), device=self.device)


def place(model: nn.Module, config: PrecisionConfig, device: torch.device) -> nn.Module:
    """The network on its device, in NHWC layout where that is asked for."""
    layout = torch.channels_last if config.channels_last else torch.preserve_format
    return model.to(device=device, memory_format=layout)  # pyright: ignore[reportCallIssue]
