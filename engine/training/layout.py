"""Keeps channels-last data away from a convolution kernel that writes outside its memory. Knows no configuration.

On a CPU, oneDNN's gradient of the weights of a strided 1x1 convolution of few channels overruns its workspace where
input or weights are channels-last: gradients are wrong, or the heap is (`docs/upstream.md`). It is told by structure
alone and on every CPU, not only on those that have the kernel: a run that is resumed elsewhere computes as before, and
what it costs is a copy of a few channels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

MIN_CHANNELS = 16
"""The kernel works on blocks of 8 (AVX2) or 16 (AVX-512) channels, and overruns with fewer than a block."""


def strided_pointwise(model: nn.Module) -> dict[str, nn.Conv2d | nn.ConvTranspose2d]:
    """The convolutions of a network that may run into the kernel, by name; it depends on the picture's size whether."""
    found: dict[str, nn.Conv2d | nn.ConvTranspose2d] = {}
    for name, module in model.named_modules():
        if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            continue
        # Gradients of a transposed convolution are those of a convolution whose input is its output.
        channels = module.out_channels if isinstance(module, nn.ConvTranspose2d) else module.in_channels
        is_pointwise, is_strided = set(module.kernel_size) == {1}, max(module.stride) > 1
        if is_pointwise and is_strided and module.groups == 1 and channels < MIN_CHANNELS:
            found[name] = module
    return found


def unknown_pointwise(model: nn.Module) -> list[str]:
    """Names of weights outside of torch's layers that a strided convolution could be given: (O, C, 1, 1), few C.

    With O = 1 they are taken for a factor or an offset per channel, which is what such shapes mostly are.
    """
    layers = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
    known = {id(p) for module in model.modules() if isinstance(module, layers) for p in module.parameters()}
    return [name for name, p in model.named_parameters() if id(p) not in known and _is_small(p)]


def _is_small(weight: Tensor) -> bool:
    return weight.dim() == 4 and weight.shape[2:] == (1, 1) and weight.shape[0] > 1 and weight.shape[1] < MIN_CHANNELS


def guard_convolutions(model: nn.Module) -> None:
    """Keep what `strided_pointwise` finds in a network away from the kernel."""
    for module in strided_pointwise(model).values():
        keep_contiguous(module)


def keep_contiguous(module: nn.Module) -> None:
    """Make a convolution work on contiguous data, whatever layout it is given: either of the two brings the kernel."""
    for weight in module.parameters():
        weight.data = contiguous(weight.data)
    module.register_forward_pre_hook(_contiguous_input)


def contiguous(values: Tensor) -> Tensor:
    """Values without the strides of channels-last, which `Tensor.contiguous` keeps in a 1x1 weight or one channel."""
    if values.dim() == 4 and values.is_contiguous(memory_format=torch.channels_last):
        return values.clone(memory_format=torch.contiguous_format)
    return values.contiguous()


def _contiguous_input(_module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(contiguous(x) if isinstance(x, Tensor) else x for x in args)
