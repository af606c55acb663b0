"""Local contrast as a network's input: what a pixel differs from its surroundings by, measured in their deviation.

Mean subtracted, contrast normalised values (Mittal, Moorthy and Bovik 2012, BRISQUE, eq. 1-3), of each colour. Knows
pictures only, and has nothing to learn.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIGMA, REACH = 7 / 6, 3
"""Deviation of the Gaussian window in pixels, and how far it goes: 7 × 7, as in the source."""
FLOOR = 1 / 64
"""Added to the deviation, or flat areas would be rounding errors blown up. The source has 1 / 255, of its grey levels;
pictures here are of 8 bits a colour and rounded after they were distorted."""


class LocalContrast(nn.Module):
    """Pictures (B, 3, H, W) in 0 … 1 to six channels: the colours themselves in -1 … 1, and their local contrast.

    Photographs differ in brightness, colour and contrast far more than a distortion changes them; locally normalised
    they are alike, and what blur, noise and codecs do to them is not.
    """

    channels = 6

    def __init__(self) -> None:
        super().__init__()
        offset = torch.arange(-REACH, REACH + 1, dtype=torch.float32)
        taps = torch.exp(-0.5 * (offset / SIGMA).square())
        window = torch.outer(taps, taps)
        self.register_buffer("window", (window / window.sum()).expand(3, 1, -1, -1).contiguous(), persistent=False)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, 6, H, W); H and W above `REACH`."""
        return torch.cat([images_NCHW * 2 - 1, self.contrast(images_NCHW)], 1)

    def contrast(self, images_NCHW: Tensor) -> Tensor:
        """(x − μ) / (σ + `FLOOR`) with mean and deviation under the window; pictures mirrored at their border."""
        # A variance is a small difference of large numbers: float32, also under autocast. On a CPU the convolution is
        # three times as fast in this layout; on a GPU the other one keeps to kernels that do not round to TF32.
        with torch.autocast(images_NCHW.device.type, enabled=False):
            layout = torch.channels_last if images_NCHW.device.type == "cpu" else torch.contiguous_format
            images = images_NCHW.float().contiguous(memory_format=layout)
            mean = self._windowed(images)
            variance = (self._windowed(images.square()) - mean.square()).clamp(min=0)
            # The gradient of a root has no end at 0; what moves pictures along it (`loss.fgsm`) needs one.
            return (images - mean) / ((variance + torch.finfo(torch.float32).eps).sqrt() + FLOOR)

    def _windowed(self, images_NCHW: Tensor) -> Tensor:
        return F.conv2d(F.pad(images_NCHW, (REACH,) * 4, mode="reflect"), self.get_buffer("window"), groups=3)
