"""The built-in eyes: drawn from the seed alone, so that the task runs with no download.

Learnable but not trivial: pose, light, skin, glasses and lashes vary enough that no single pixel tells
open from closed (`benchmarks/linear_probe.py` measures it). Knows no split and no configuration.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainctl.engine.data.eyes.drawing import draw_eyes
from trainctl.engine.data.eyes.parameters import draw_labels, draw_parameters

CHUNK = 128
"""Images drawn together; few enough that the maps stay in the processor's cache."""


def synthetic_eyes(count: int, height: int, width: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draw `count` eyes.

    Args:
        count: number of images N, at least 2.
        height: pixels.
        width: pixels; the eye is sized by the width.
        seed: the images and labels are a function of the arguments alone.

    Returns:
        Images, uint8 (N, 3, H, W), and labels, int64 (N,): 0 closed, 1 open; 53.2 % are open.
    """
    generator = torch.Generator().manual_seed(seed)
    labels = draw_labels(count, generator)
    parameters = draw_parameters(labels, generator)
    images = torch.empty(count, 3, height, width, dtype=torch.uint8)
    for start in range(0, count, CHUNK):
        rows = slice(start, min(start + CHUNK, count))
        chunk = {name: values[rows].view(-1, 1, 1) for name, values in parameters.items()}
        images[rows] = draw_eyes(chunk, height, width, generator).clamp_(0, 1).mul_(255).round_().byte()
    return images, labels
