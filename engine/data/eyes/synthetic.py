"""The built-in eyes: drawn from the seed alone, so that the task runs with no download.

Learnable but not trivial: pose, light, skin, glasses and lashes vary enough that no single pixel tells
open from closed (`benchmarks/linear_probe.py` measures it). Knows no split and no configuration.

Labels and parameters come from the CPU's random numbers wherever the eyes are drawn, so that eye number k is the same
eye everywhere. What a device draws by itself is the texture of the skin and the noise of the camera.
"""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor

from trainctl.engine.data.eyes.drawing import Canvas, draw_eyes, draw_noise
from trainctl.engine.data.eyes.parameters import draw_labels, draw_parameters
from trainctl.engine.data.progress import report
from trainctl.engine.data.threads import one_thread

DRAWING = "drawing eyes"
"""What is reported while eyes are drawn."""

CHUNK = 128
"""Eyes whose texture and noise the CPU draws together. Another number would be other images."""

TILE = 32
"""Eyes the CPU draws together; few enough that the maps stay in its cache."""

DEVICE_CHUNK = 4096
"""Eyes any other device draws together: enough to keep it busy, and the maps take about 1 GB."""


class SyntheticEyes:
    """Eyes that can be drawn: which there are is known at once, what they look like when they are drawn.

    Args:
        count: number of images N, at least 2.
        seed: labels, parameters and images are a function of it, N, the size, and the kind of device.
    """

    def __init__(self, count: int, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)
        self._seed = seed
        self.labels = draw_labels(count, self._generator)
        """int64 (N,), on the CPU: 0 closed, 1 open; 53.2 % are open."""
        self._parameters = draw_parameters(self.labels, self._generator)

    def draw(self, images: Tensor, place: Tensor | None = None, device: torch.device | None = None) -> Tensor:
        """Fill `images`, and say how far it is. To be called once: the random numbers go on.

        Args:
            images: uint8 (N, 3, H, W), of any device.
            place: where each eye goes, int64 (N,), on the CPU; none: eye k is image k.
            device: draws; none: that of `images`.

        Returns:
            `images`.
        """
        device = device or images.device
        # On a CPU many small operations: a second thread saves nothing, and is waited for where the machine is busy.
        with one_thread() if device.type == "cpu" else nullcontext():
            return self._draw(images, place, device)

    def _draw(self, images: Tensor, place: Tensor | None, device: torch.device) -> Tensor:
        count, is_cpu = len(self.labels), device.type == "cpu"
        chunk, tile = (CHUNK, TILE) if is_cpu else (DEVICE_CHUNK, DEVICE_CHUNK)
        generator = self._generator if is_cpu else _seeded(device, self._seed)
        parameters = {name: values.to(device).view(-1, 1, 1) for name, values in self._parameters.items()}
        places = (torch.arange(count) if place is None else place).to(images.device)
        canvas = Canvas(images.shape[2], images.shape[3], device)
        for start in range(0, count, chunk):
            stop = min(start + chunk, count)
            coarse, fine = draw_noise(stop - start, canvas, generator)
            for first in range(start, stop, tile):
                rows = slice(first, min(first + tile, stop))
                own = slice(first - start, rows.stop - start)
                drawn = draw_eyes({name: p[rows] for name, p in parameters.items()}, canvas, coarse[own], fine[own])
                drawn = drawn.clamp_(0, 1).mul_(255).round_().byte()
                images.index_copy_(0, places[rows], drawn.to(images.device))
            report(DRAWING, stop, count)
        return images


def _seeded(device: torch.device, seed: int) -> torch.Generator:
    return torch.Generator(device).manual_seed(seed)


def synthetic_eyes(count: int, height: int, width: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draw `count` eyes on the CPU.

    Args:
        count: number of images N, at least 2.
        height: pixels.
        width: pixels; the eye is sized by the width.
        seed: the images and labels are a function of the arguments alone.

    Returns:
        Images, uint8 (N, 3, H, W), and labels, int64 (N,): 0 closed, 1 open; 53.2 % are open.
    """
    eyes = SyntheticEyes(count, seed)
    return eyes.draw(torch.empty(count, 3, height, width, dtype=torch.uint8)), eyes.labels
