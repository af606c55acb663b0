"""What the quality network is as ONNX, `images -> score`.

How a file is written and checked is in `trainctl.engine.tasks.onnx_export`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from trainctl.engine.data.quality.options import SCORE_MEANING
from trainctl.engine.tasks.onnx_export import ImageNetwork, export_images
from trainctl.engine.tasks.quality.config import QualityConfig


class Score(nn.Module):
    """The network without its posteriors: float images (N, 3, S, S) in [0, 1] to scores (N,)."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Scores, shape (N,)."""
        return self.net(images_NCHW)[0]


def export_onnx(config: QualityConfig, model: nn.Module, path: Path, *, overwrite: bool = False) -> dict[str, Any]:
    """Write `model` to `path` after comparing it with torch on random images.

    The ONNX takes `images`, float32 (N, 3, S, S) RGB in [0, 1], any N, and gives `score`, float32 (N,).

    Returns and raises:
        As `export_images`.
    """
    size = config.data.image_size
    facts = {
        "score": SCORE_MEANING,
        "input": "RGB, float32 in [0, 1], at the picture's own resolution",
        "model": config.model.model_dump(mode="json"),
    }
    return export_images(ImageNetwork(Score(model), "score", (size, size), facts), path, overwrite=overwrite)
