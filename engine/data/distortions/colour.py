"""What happens to colour: diffusion, shift, quantisation and saturation (types 4–8 of KADID-10k).

Every function takes pictures (N, 3, H, W), float32 sRGB in [0, 1], the parameter of the level and a generator on the
CPU, and returns new pictures of the same shape in [0, 1]. Knows no level and no score.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from trainctl.engine.data.augment.colour import lab_to_rgb, rgb_to_lab
from trainctl.engine.data.distortions.colour_spaces import rgb_to_grey
from trainctl.engine.data.distortions.filters import gaussian_filter

EDGE_SIGMA = 4.0
"""Blur of the gradient magnitude that says where a colour shift shows, in pixels."""

EDGE_TAIL = 0.01
"""Share of pixels at either end of that magnitude that is clipped."""

MOVING_SHARE = 1 / 64
"""A palette is done when fewer pixels than this share change their colour in a round of k-means.

Going on until none does takes twice as long and lowers the squared error by 2 to 5 percent.
"""


def colour_diffusion(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:  # noqa: ARG001
    """Colour runs over the edges: a and b of Lab blurred by σ = 1.5·`strength` + 2, then multiplied by it (type 4)."""
    light, colour = rgb_to_lab(images_NCHW).split((1, 2), dim=1)
    spread = gaussian_filter(colour, 1.5 * strength + 2) * strength
    return lab_to_rgb(torch.cat([light, spread], dim=1))


def colour_shift(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Green displaced by `strength` pixels where there are edges, each picture in a direction of its own (type 5).

    The displacement is rounded to whole pixels, borders are repeated; `edge_map` says how much of it shows at a pixel.
    """
    angles_N = torch.rand(images_NCHW.shape[0], generator=generator, dtype=torch.float64) * (2 * math.pi)
    shifts_N2 = (strength * torch.stack([angles_N.sin(), angles_N.cos()], dim=1)).round().long()
    green = images_NCHW[:, 1]
    shown = edge_map(images_NCHW).squeeze(1)
    shifted = images_NCHW.clone()
    shifted[:, 1] = torch.lerp(green, translate(green, shifts_N2), shown).clamp_(0, 1)
    return shifted


def translate(planes_NHW: Tensor, shifts_N2: Tensor) -> Tensor:
    """Move each plane down and right by its own whole number of pixels, borders repeated."""
    height, width = planes_NHW.shape[-2:]
    shifts = shifts_N2.to(planes_NHW.device)
    index = torch.arange(max(height, width), device=planes_NHW.device)
    rows = (index[:height] - shifts[:, :1]).clamp(0, height - 1)
    columns = (index[:width] - shifts[:, 1:]).clamp(0, width - 1)
    picture = torch.arange(planes_NHW.shape[0], device=planes_NHW.device)[:, None, None]
    return planes_NHW[picture, rows[:, :, None], columns[:, None, :]]


def edge_map(images_NCHW: Tensor) -> Tensor:
    """Blurred gradient magnitude of grey, stretched to [0, 1], then clipped at its 1st and 99th percentile.

    Central differences, one-sided at the border. Each picture for itself; 0 where a picture is flat. Shape
    (N, 1, H, W). The percentiles cut after the stretch, so the ends of the map need not be 0 and 1.
    """
    down, right = torch.gradient(rgb_to_grey(images_NCHW), dim=(-2, -1))
    edges = gaussian_filter(torch.hypot(down, right), EDGE_SIGMA).flatten(1)
    low, high = edges.amin(1, keepdim=True), edges.amax(1, keepdim=True)
    edges = (edges - low) / (high - low).clamp(min=torch.finfo(edges.dtype).tiny)
    tail = max(1, round(EDGE_TAIL * edges.shape[1]))
    lower = edges.kthvalue(tail, dim=1, keepdim=True).values
    upper = edges.kthvalue(edges.shape[1] + 1 - tail, dim=1, keepdim=True).values
    return edges.clamp(lower, upper).reshape(images_NCHW.shape[0], 1, *images_NCHW.shape[-2:])


def colour_quantisation(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:  # noqa: ARG001
    """At most `strength` colours, chosen for each picture to lose least, with Floyd–Steinberg dither (type 6).

    KADID-10k used MATLAB's `rgb2ind`, which splits colour space for minimum variance. Here Pillow's palette of maximum
    coverage is refined by k-means, which minimises the same variance. One picture after another: Pillow holds the
    interpreter's lock meanwhile, threads gained nothing.
    """
    colours = round(strength)
    pixels = (images_NCHW * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    quantised = np.stack([quantise(picture, colours) for picture in pixels])
    return torch.from_numpy(quantised).permute(0, 3, 1, 2).contiguous().to(images_NCHW) / 255


def quantise(picture_HWC: NDArray[np.uint8], colours: int) -> NDArray[np.uint8]:
    """One 8-bit picture with its best palette of at most `colours` colours, dithered."""
    picture = Image.fromarray(picture_HWC)
    moving = max(1, int(MOVING_SHARE * picture.width * picture.height))
    palette = picture.quantize(colours, method=Image.Quantize.MAXCOVERAGE, kmeans=moving)
    dithered = picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    return np.asarray(dithered.convert("RGB"))


def saturation_hsv(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:  # noqa: ARG001
    """Saturation of HSV multiplied by `strength` (type 7).

    With hue and value kept, a channel c of a pixel of value V is V·(1 - S·k) with k given by the hue, so the new
    channel is V - `strength`·(V - c), and no hue has to be computed. The product is not clipped: a negative one turns
    each colour into its complement, brighter than V, which is clipped at 1. That is meant: were it clipped at zero,
    levels 4 (× 0) and 5 (× -0.4) would be the same grey picture, and people scored them differently.
    """
    value = images_NCHW.amax(dim=1, keepdim=True)
    return torch.lerp(value, images_NCHW, strength).clamp_(0, 1)


def saturation_lab(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:  # noqa: ARG001
    """a and b of Lab multiplied by `strength`, what leaves sRGB clipped channel by channel (type 8)."""
    light, colour = rgb_to_lab(images_NCHW).split((1, 2), dim=1)
    return lab_to_rgb(torch.cat([light, colour * strength], dim=1))
