"""Number formats of the forward and backward pass: autocast, gradient scaling, memory layout, compilation."""

from __future__ import annotations

import contextlib
import os
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from trainctl.engine.config.schema import PrecisionConfig
from trainctl.engine.errors import UserError
from trainctl.engine.training.layout import guard_convolutions, strided_pointwise, unknown_pointwise
from trainctl.engine.user_folders import user_folder

WHY = "could write outside its memory in channels-last on a CPU (docs/upstream.md)"
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Precision:
    """Autocast and scaling of one run.

    Raises:
        UserError: the device cannot do it.
    """

    def __init__(self, config: PrecisionConfig, device: torch.device) -> None:
        self.device = device
        amp = config.amp
        if amp == "auto":
            # Emulated bf16 would be slower than none. A CPU's autocast saves no time here (docs/performance.md).
            amp = "bf16" if device.type == "cuda" and _computes_bf16() else "off"
        elif amp == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
            raise UserError("precision.amp: this GPU has no bf16", "set precision.amp=fp16")
        self.dtype = DTYPES.get(amp)
        self.scaler = torch.amp.GradScaler(device.type) if amp == "fp16" else None

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


def _computes_bf16() -> bool:
    return torch.cuda.is_bf16_supported(including_emulation=False)


def place(model: nn.Module, config: PrecisionConfig, device: torch.device) -> nn.Module:
    """The network on its device, in NHWC layout where that is asked for and safe (`layout`)."""
    is_guarded = device.type == "cpu"
    wanted = config.channels_last and not (is_guarded and unknown_pointwise(model))
    layout = torch.channels_last if wanted else torch.preserve_format
    model = model.to(device=device, memory_format=layout)  # pyright: ignore[reportCallIssue]
    if is_guarded:
        guard_convolutions(model)
    return model


def keep_compiled() -> None:
    """Before torch's compiler is imported: let it keep what it makes in the user's cache, where the next run finds it.

    Torch's own choice is a folder that a restart of the machine empties.
    """
    with contextlib.suppress(RuntimeError):  # the user has no home
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(user_folder("cache") / "compiled"))


def compile_network(model: nn.Module, device: torch.device, *, keeps_graph: bool) -> None:
    """`torch.compile` the network in place.

    Args:
        model: on the device.
        device: where it trains.
        keeps_graph: more than one backward pass goes through one forward pass.
    """
    if keeps_graph:
        # Else the compiled backward pass frees, and refuses to keep, what a second one needs.
        import torch._functorch.config as functorch

        functorch.donated_buffer = False
    model.compile(options=compile_options(model, device))


def compile_options(model: nn.Module, device: torch.device) -> dict[str, bool] | None:
    """For `torch.compile`: on a CPU it would give every convolution channels-last, the guarded ones too."""
    is_guarded = device.type == "cpu" and bool(strided_pointwise(model) or unknown_pointwise(model))
    return {"layout_optimization": False} if is_guarded else None


def layout_notes(model: nn.Module, config: PrecisionConfig, device: torch.device) -> list[str]:
    """What `place` did not do as configured, for the user."""
    if device.type != "cpu" or not config.channels_last:
        return []
    if unknown := unknown_pointwise(model):
        return [f"the network stays contiguous: with {unknown[0]} a strided 1x1 convolution {WHY}"]
    if guarded := list(strided_pointwise(model)):
        names = ", ".join(guarded[:3]) + (f" and {len(guarded) - 3} more" if len(guarded) > 3 else "")
        return [f"{names}: contiguous, because a strided 1x1 convolution of few channels {WHY}"]
    return []
