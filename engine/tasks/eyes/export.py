"""What the eye classifier is as ONNX, `images -> prob_open`: how a logit becomes a probability, and what to know of it.

How a file is written and checked is in `trainctl.engine.tasks.onnx_export`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from trainctl.engine.tasks.eyes.config import EyesConfig
from trainctl.engine.tasks.onnx_export import ImageNetwork, export_images


class ProbOpen(nn.Module):
    """The network with its probability: float images (N, 3, H, W) in [0, 1] to P(open) (N,)."""

    def __init__(self, net: nn.Module, prob_open: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.net = net
        self.prob_open = prob_open

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """P(open), shape (N,)."""
        return self.prob_open(self.net(images_NCHW))


def export_onnx(
    config: EyesConfig,
    model: nn.Module,
    prob_open: Callable[[Tensor], Tensor],
    path: Path,
    *,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write `model` to `path` after comparing it with torch on random images.

    The ONNX takes `images`, float32 (N, 3, H, W) RGB in [0, 1], any N, and gives `prob_open`, float32 (N,), which the
    function of that name makes of logits (N,).

    Returns and raises:
        As `export_images`.
    """
    facts = {
        "classes": ["closed", "open"],
        "input": "RGB, float32 in [0, 1]",
        "threshold": 0.5,
        "model": config.model.model_dump(mode="json"),
        "loss": config.loss.name,
    }
    exported = ImageNetwork(ProbOpen(model, prob_open), "prob_open", config.data.image_size, facts)
    return export_images(exported, path, overwrite=overwrite)
