"""Distortions by noise: white, impulse and multiplicative, and noise that a denoiser has taken away again.

KADID-10k types 11 to 15 (Lin, Hosu and Saupe 2019); the meaning of a variance and of a density is that of MATLAB's
`imnoise`, with values in [0, 1]. Pictures are float32 sRGB in [0, 1]; every operation returns a new tensor of the same
shape, on the device of the pictures; random numbers are drawn on the generator's. Knows nothing of levels and scores.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trainctl.engine.data.distortions.colour_spaces import rgb_to_ycbcr, ycbcr_to_rgb
from trainctl.engine.data.distortions.sliding_dct import denoise_dct


def white_noise(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Type 11: Gaussian noise of variance `strength` on every value of R, G and B."""
    return _gaussian(images_NCHW, strength, generator).add_(images_NCHW).clamp_(0, 1)


def white_noise_ycbcr(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Type 12: Gaussian noise of variance `strength` on Y, Cb and Cr in their studio range."""
    ycbcr_NCHW = rgb_to_ycbcr(images_NCHW)
    return ycbcr_to_rgb(ycbcr_NCHW.add_(_gaussian(images_NCHW, strength, generator))).clamp_(0, 1)


def impulse_noise(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Type 13: salt and pepper: a share `strength` of the values, each channel apart, half of it to 0, half to 1."""
    uniform = _uniform(images_NCHW, generator)
    peppered = images_NCHW.masked_fill(uniform < strength / 2, 0.0)
    return peppered.masked_fill_(uniform >= 1 - strength / 2, 1.0).clamp_(0, 1)


def multiplicative_noise(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Type 14: speckle: I + n·I with n uniform, mean 0, variance `strength`."""
    half_width = math.sqrt(3 * strength)  # a uniform variable on ±w has variance w² / 3
    factor = _uniform(images_NCHW, generator).mul_(2 * half_width).add_(1 - half_width)
    return factor.mul_(images_NCHW).clamp_(0, 1)


def denoise(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Type 15: Gaussian noise of variance `strength`, clipped, then denoised.

    KADID-10k denoised with DnCNN, a trained network. Here the denoiser is sliding DCT thresholding, which needs no
    trained weights and leaves what such a network leaves: flat areas smooth, strong edges standing, texture gone. A
    plain blur in its place would take the edges too, and be the same distortion as type 1.
    """
    return denoise_dct(white_noise(images_NCHW, strength, generator), math.sqrt(strength)).clamp_(0, 1)


def _gaussian(images_NCHW: Tensor, variance: float, generator: torch.Generator) -> Tensor:
    """Normal values of mean 0 and `variance`, of the shape, type and device of the pictures."""
    noise = torch.randn(images_NCHW.shape, generator=generator, device=generator.device)
    return noise.mul_(math.sqrt(variance)).to(images_NCHW)


def _uniform(images_NCHW: Tensor, generator: torch.Generator) -> Tensor:
    """Values in [0, 1), of the shape, type and device of the pictures."""
    return torch.rand(images_NCHW.shape, generator=generator, device=generator.device).to(images_NCHW)
