"""Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019): pairs of images, and targets between 0 and 1.

Each image has its own partner and its own share λ ~ Beta(α, α). Knows images and targets, no network and no loss.
"""

from __future__ import annotations

import torch
from torch import Tensor

ROUNDS = 8
"""Proposals per gamma variate; at least 95 % of them are accepted, so all fail once in 10¹⁰ draws."""


def mix_batch(
    images_BCHW: Tensor,
    targets_B: Tensor,
    mixup_alpha: float,
    cutmix_alpha: float,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Mixup, CutMix, or, where both are on, one of them for the whole batch with equal chance.

    Args:
        images_BCHW: float (B, C, H, W), on the generator's device; not changed.
        targets_B: probability of the positive class, float (B,).
        mixup_alpha: Mixup's Beta parameter; 0: off.
        cutmix_alpha: CutMix's Beta parameter; 0: off.
        generator: source of partners and shares.

    Returns:
        Mixed images and targets.
    """
    if not cutmix_alpha:
        return mixup(images_BCHW, targets_B, mixup_alpha, generator)
    cut = cutmix(images_BCHW, targets_B, cutmix_alpha, generator)
    if not mixup_alpha:
        return cut
    blended = mixup(images_BCHW, targets_B, mixup_alpha, generator)
    take_cut = torch.rand((), generator=generator, device=generator.device) < 0.5
    return torch.where(take_cut, cut[0], blended[0]), torch.where(take_cut, cut[1], blended[1])


def mixup(images_BCHW: Tensor, targets_B: Tensor, alpha: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """λ · image + (1 − λ) · partner, and the targets likewise."""
    partner_B = _partners(len(images_BCHW), generator)
    share_B = symmetric_beta(alpha, len(images_BCHW), generator).to(images_BCHW.dtype)
    mixed = torch.lerp(images_BCHW[partner_B], images_BCHW, share_B.view(-1, 1, 1, 1))
    return mixed, torch.lerp(targets_B[partner_B], targets_B, share_B)


def cutmix(images_BCHW: Tensor, targets_B: Tensor, alpha: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A box of the partner, of about 1 − λ of the area, pasted in; targets by the area really pasted."""
    count, _, height, width = images_BCHW.shape
    partner_B = _partners(count, generator)
    side_B = (1 - symmetric_beta(alpha, count, generator)).sqrt()
    centre_2B = torch.rand(2, count, generator=generator, device=generator.device)
    rows_BH = _span(height, centre_2B[0], side_B)
    columns_BW = _span(width, centre_2B[1], side_B)
    box_BHW = rows_BH.unsqueeze(2) & columns_BW.unsqueeze(1)
    pasted_B = box_BHW.to(images_BCHW.dtype).mean((1, 2))
    mixed = torch.where(box_BHW.unsqueeze(1), images_BCHW[partner_B], images_BCHW)
    return mixed, torch.lerp(targets_B, targets_B[partner_B], pasted_B)


def _partners(count: int, generator: torch.Generator) -> Tensor:
    """A random permutation of the batch, int64 (count,)."""
    return torch.rand(count, generator=generator, device=generator.device).argsort()


def _span(length: int, centre_B: Tensor, side_B: Tensor) -> Tensor:
    """Positions within a box along one side, bool (B, length): uniform centre, clipped at the border."""
    middle_B = (centre_B * length).floor()
    size_B = (side_B * length).floor()
    first_B = middle_B - (size_B / 2).floor()
    position = torch.arange(length, device=centre_B.device)
    return (position >= first_B.unsqueeze(1)) & (position < (first_B + size_B).unsqueeze(1))


def symmetric_beta(alpha: float, count: int, generator: torch.Generator) -> Tensor:
    """Draws from Beta(alpha, alpha), float (count,), without waiting for the device."""
    first, second = _log_gamma_draws(alpha, 2 * count, generator).view(2, count).unbind(0)
    return torch.sigmoid(first - second)  # g₁ / (g₁ + g₂) of g = exp(draw)


def _log_gamma_draws(alpha: float, count: int, generator: torch.Generator) -> Tensor:
    """Logarithms of Gamma(alpha, 1) draws (Marsaglia & Tsang 2000, with their boost for alpha < 1).

    In logarithms, because for a small alpha most draws underflow.
    """
    device = generator.device
    d = alpha + 1 - 1 / 3
    normal = torch.randn(ROUNDS, count, generator=generator, device=device)
    uniform = torch.rand(ROUNDS + 1, count, generator=generator, device=device).clamp_(min=1e-30)
    cube = (1 + normal / (9 * d) ** 0.5).clamp(min=1e-10).pow(3)
    bound = 0.5 * normal.square() + d - d * cube + d * cube.log()
    accepted = (uniform[:ROUNDS].log() < bound).to(torch.uint8).argmax(0)
    return (d * cube.gather(0, accepted.unsqueeze(0)).squeeze(0)).log() + uniform[ROUNDS].log() / alpha
