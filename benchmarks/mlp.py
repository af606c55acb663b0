"""The smallest realistic training: ten Gaussian blobs and a network of two layers, under a millisecond a step.

Data, network and task; each loop of the benchmark trains this.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from trainctl.engine.config.schema import RunConfig
from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.tasks.task import Monitor, StepOutput, Task

FEATURES, HIDDEN, NUM_CLASSES = 64, 128, 10
BATCH_SIZE = 64
NUM_SAMPLES = 1024 * BATCH_SIZE
LEARNING_RATE = 1e-3


def blobs(count: int = NUM_SAMPLES, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features, float32 (N, 64), and classes, int64 (N,)."""
    generator = torch.Generator().manual_seed(seed)
    y_N = torch.randint(NUM_CLASSES, (count,), generator=generator)
    centres = torch.randn(NUM_CLASSES, FEATURES, generator=generator)
    return centres[y_N] + 2 * torch.randn(count, FEATURES, generator=generator), y_N


def network() -> nn.Sequential:
    """The network, 9,610 parameters in four tensors."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(FEATURES, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, NUM_CLASSES))


class MlpTask(Task):
    """The same as a task of the engine."""

    monitor: ClassVar[Monitor] = Monitor("loss", "min")

    def load(self) -> Splits:
        """The blobs; a small validation split, which is never used."""
        x, y = blobs()
        val_x, val_y = blobs(256, seed=1)
        classes = tuple(f"class{k}" for k in range(NUM_CLASSES))
        return Splits(Split({"x": x, "y": y}, labels=y), Split({"x": val_x, "y": val_y}, labels=val_y), classes)

    def build_model(self, splits: Splits) -> nn.Module:
        """The network."""
        del splits
        return network()

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        """One term, `ce`."""
        return StepOutput({"ce": nn.functional.cross_entropy(model(batch["x"]), batch["y"])})


def config(device: str, threads: int | None) -> RunConfig:
    """The engine's own defaults, with AdamW's of torch."""
    sections: dict[str, Any] = {
        "task": "mlp",
        "train": {"batch_size": BATCH_SIZE},
        "optimizer": {"lr": LEARNING_RATE, "weight_decay": 0.01},
        "runtime": {"device": device, "threads": threads},
    }
    return RunConfig.model_validate(sections)
