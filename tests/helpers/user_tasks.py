"""Healthy trainings of many kinds, as users write them: tiny, each with something that a hasty rule would accuse.

A recipe gives a task; what it holds is random but learnable. Knows no rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainctl.engine.config.schema import OptimizerConfig, RunConfig, TrainConfig
from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.optim.groups import OptimizerGroup
from trainctl.engine.tasks.task import StepOutput, Task

NUM_TRAIN, NUM_VAL, FEATURES, NUM_CLASSES = 256, 64, 12, 4
Tensors = dict[str, Tensor]
Step = Callable[[nn.Module, Batch], Any]


class UserTask(Task):
    """A task that is put together.

    Args:
        tensors: of all samples; the first train.
        model: makes the network.
        step: terms of a batch, or a whole output.
        classes: whether `y` are the labels of the samples.
        options: of the configuration, by section.
        kinds: of the terms.
        groups: of the optimiser.
    """

    def __init__(
        self,
        tensors: Tensors,
        model: Callable[[], nn.Module],
        step: Step,
        *,
        classes: bool = False,
        options: Mapping[str, Any] | None = None,
        kinds: Mapping[str, Any] | None = None,
        groups: Mapping[str, OptimizerGroup] | None = None,
    ) -> None:
        sections: dict[str, Any] = {
            "train": TrainConfig(epochs=30, batch_size=32),
            "optimizer": OptimizerConfig(lr=1e-3),
            **(options or {}),
        }
        super().__init__(RunConfig(task="user", **sections))
        self.tensors, self._model, self._step, self._classes = tensors, model, step, classes
        self._groups = groups or {}
        self.kinds = kinds or {}  # type: ignore[misc]

    def load(self) -> Splits:
        count = len(next(iter(self.tensors.values()))) - NUM_VAL
        parts = ({name: t[rows] for name, t in self.tensors.items()} for rows in (slice(count), slice(count, None)))
        train, val = (Split(part, labels=part["y"] if self._classes else None) for part in parts)
        return Splits(train, val, tuple("abcdefghij"[:NUM_CLASSES]) if self._classes else ())

    def build_model(self, splits: Splits) -> nn.Module:
        return self._model()

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        output = self._step(model, batch)
        return output if isinstance(output, StepOutput) else StepOutput(output)

    def optimizers(self, model: nn.Module) -> Mapping[str, OptimizerGroup]:
        return self._groups


def draw(*shape: int, seed: int = 1) -> Tensor:
    """Normal numbers for all samples."""
    return torch.randn(NUM_TRAIN + NUM_VAL, *shape, generator=torch.Generator().manual_seed(seed))


def labels_of(x: Tensor) -> Tensor:
    """Classes that can be learnt from the first features."""
    flat = x.flatten(1).float()
    apart = (flat - flat.mean(0)) @ torch.randn(flat.shape[1], NUM_CLASSES, generator=torch.Generator().manual_seed(7))
    return (apart - apart.mean(0)).argmax(1)


def ids(length: int, most: int = 50) -> Tensor:
    """Tokens, int64."""
    generator = torch.Generator().manual_seed(3)
    return torch.randint(1, most, (NUM_TRAIN + NUM_VAL, length), generator=generator)


def mlp(inputs: int = FEATURES, outputs: int = NUM_CLASSES, act: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """Three layers."""
    return nn.Sequential(nn.Linear(inputs, 32), act(), nn.Linear(32, 32), act(), nn.Linear(32, outputs))


def classify(name: str = "ce") -> Step:
    """Cross-entropy and hits."""

    def step(model: nn.Module, batch: Batch) -> StepOutput:
        logits = model(batch["x"])
        hits = (logits.detach().argmax(1) == batch["y"]).float()
        return StepOutput({name: F.cross_entropy(logits, batch["y"])}, {"hit": hits})

    return step


def labelled(x: Tensor) -> Tensors:
    """Samples with their classes."""
    return {"x": x, "y": labels_of(x)}


def regression(x: Tensor) -> Tensors:
    """Samples with a standardised target."""
    target = x.flatten(1).float()[:, :4].sum(1) + 0.1 * draw(seed=9)
    return {"x": x, "y": (target - target.mean()) / target.std()}


def squared(model: nn.Module, batch: Batch) -> StepOutput:
    """Mean squared error."""
    answer = model(batch["x"])[:, 0]
    return StepOutput({"mse": F.mse_loss(answer, batch["y"])}, {"answer": answer.detach()})
