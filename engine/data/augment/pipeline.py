"""The augmentation of the `eyes` task, batched on the device: flip, crop, photometric, CLAHE, mixing.

Every draw comes from one generator, so the same state gives the same batch; nothing waits for the device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from trainctl.engine.data.augment.clahe import random_clahe
from trainctl.engine.data.augment.crop import random_crop
from trainctl.engine.data.augment.flip import random_hflip
from trainctl.engine.data.augment.mixing import mix_batch
from trainctl.engine.data.augment.photometric import photometric_distort

if TYPE_CHECKING:
    from trainctl.engine.data.augment.options import EyesAugment
    from trainctl.engine.data.batch import Batch


def augment_eyes(batch: Batch, config: EyesAugment, generator: torch.Generator) -> Batch:
    """Change the images of a training batch as configured (OCEC training document, §1.6 and §5.2.3).

    Args:
        batch: `images` (float in [0, 1], B×3×H×W) and `labels` (int64, B); not changed.
        config: probabilities; an operation with probability 0 costs and draws nothing.
        generator: source of every draw, on the device of the images.

    Returns:
        The batch with new `images` (contiguous NCHW) and, with Mixup or CutMix, `targets`: float (B,) in [0, 1].
    """
    images = batch["images"].contiguous()  # per-channel work is twice as slow in channels-last layout
    if config.hflip:
        images = random_hflip(images, config.hflip, generator)
    if config.crop_padding:
        images = random_crop(images, config.crop_padding, generator)
    if config.photometric:
        images = photometric_distort(images, config.photometric, generator)
    if config.clahe:
        images = random_clahe(images, config.clahe, generator)
    result = {**batch, "images": images}
    if config.mixup_alpha or config.cutmix_alpha:
        targets = batch["labels"].to(images.dtype)
        result["images"], result["targets"] = mix_batch(
            images, targets, config.mixup_alpha, config.cutmix_alpha, generator
        )
    return result
