"""Options of the augmentation of images. Pure data; imports no torch."""

from __future__ import annotations

from trainctl.engine.config.schema import (
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    Section,
)


class EyesAugment(Section):
    """Batched augmentation on the device."""

    hflip: Fraction = 0.5
    """Probability of a horizontal flip."""
    photometric: Fraction = 0.5
    """Probability of each of brightness, contrast, saturation and hue."""
    clahe: Fraction = 0.01
    """Probability of contrast-limited adaptive histogram equalisation."""
    crop_padding: NonNegativeInt = 0
    """Random crop after padding by this many pixels; 0: none."""
    mixup_alpha: NonNegativeFloat = 0.0
    """Mixup's Beta parameter (Zhang et al. 2018); 0: off."""
    cutmix_alpha: NonNegativeFloat = 0.0
    """CutMix's Beta parameter (Yun et al. 2019); 0: off. With both on, each batch takes one of them."""
