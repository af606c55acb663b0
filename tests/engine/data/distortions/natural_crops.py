"""Crops of the two photographs that scikit-learn ships, for tests that need pictures as cameras make them."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from sklearn.datasets import load_sample_images


@cache
def natural_crops(height: int, width: int) -> torch.Tensor:
    """(N, 3, height, width) float32 in [0, 1]: a grid of 3 × 4 crops of each photograph. Not to be written to."""
    crops = [
        photo[top : top + height, left : left + width]
        for photo in load_sample_images().images
        for top in np.linspace(0, photo.shape[0] - height, 3).astype(int)
        for left in np.linspace(0, photo.shape[1] - width, 4).astype(int)
    ]
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float().div(255).contiguous()
