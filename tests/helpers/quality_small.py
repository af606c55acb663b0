"""A quality task that runs in milliseconds: a narrow network, and pictures without distortions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.models.quality.net import QualityNet
from trainctl.engine.tasks.quality.config import QualityConfig
from trainctl.engine.tasks.quality.task import QualityTask

SIZE, CLUSTERS = 16, 3
SMALL: dict[str, Any] = {
    "seed": 3,
    "data": {"references": 6, "images": 90, "image_size": SIZE},
    "model": {"width": 4, "stem": "small", "features": 24, "clusters": CLUSTERS, "hidden": [16], "temper": "dimension"},
    "train": {"batch_size": 32, "eval_batch_size": 64},
    "optimizer": {"name": "adam", "lr": 1e-3},
    "precision": {"channels_last": False},
    "runtime": {"device": "cpu", "threads": 1},
}


def config_with(**sections: Any) -> QualityConfig:
    """The small configuration; sections are laid over it key by key."""
    merged: dict[str, Any] = {"task": "quality"}
    for name in {*SMALL, *sections}:
        small, given = SMALL.get(name, {}), sections.get(name, {})
        merged[name] = {**small, **given} if isinstance(small, dict) and isinstance(given, dict) else given or small
    return QualityConfig.model_validate(merged)


def pictures(count: int, seed: int = 0, groups: int = CLUSTERS) -> dict[str, Tensor]:
    """Noise of `groups` levels of brightness, in turn, so that features fall into as many groups."""
    generator = torch.Generator().manual_seed(seed)
    group = torch.arange(count) % groups
    base = 30 + 190 * group / max(groups - 1, 1)
    noise = torch.randint(-30, 31, (count, 3, SIZE, SIZE), generator=generator)
    return {
        "images": (base[:, None, None, None] + noise).clamp(0, 255).to(torch.uint8),
        "score": torch.rand(count, generator=generator),
        "type": torch.randint(0, 26, (count,), generator=generator),
        "level": torch.randint(1, 6, (count,), generator=generator),
    }


def splits_of(count: int = 96) -> Splits:
    """Training and validation pictures."""
    return Splits(Split(pictures(count)), Split(pictures(count // 2, seed=1)))


def built(**sections: Any) -> tuple[QualityTask, QualityNet, Batch]:
    """Task, network with a fitted mixture, and a prepared batch."""
    task = QualityTask(config_with(**sections))
    splits = splits_of()
    torch.manual_seed(0)
    model = task.build_model(splits)
    batch = {name: tensor[:32] for name, tensor in splits.train.tensors.items()}
    return task, model, task.prepare(batch)
