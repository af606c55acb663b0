"""A healthy training that faults are planted into: a user's own task whose every part a case may change.

Knows no particular fault, and nothing of the diagnosis.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from benchmarks.trainfault.cases import change_of
from trainctl.engine.config.schema import RunConfig
from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.data.samplers.sampler import Sampler
from trainctl.engine.tasks.task import StepOutput, Task


class HostConfig(RunConfig):
    """What is planted."""

    case: str = ""
    """Name of a case; empty: nothing is planted."""
    dose: float = 0.0
    """How strong it is, in the unit of the case."""


class Host(Task[HostConfig]):
    """A task with places for faults. Subclasses say what is trained; `traits` says what can be planted."""

    name: ClassVar[str]
    says: ClassVar[str]
    """What it is, in a line."""
    is_held_out: ClassVar[bool]
    """Whether it is reported rather than used to calibrate rules."""
    traits: ClassVar[frozenset[str]]
    margin: ClassVar[float]
    """Smallest difference of the monitored metric that matters."""
    options: ClassVar[Mapping[str, Any]]
    """Healthy configuration by dotted path."""

    def __init__(self, config: HostConfig, data_path: Path | None = None) -> None:
        super().__init__(config, data_path)
        self.change = change_of(config.case, config.dose)

    @abstractmethod
    def healthy_splits(self) -> Splits:
        """Data as they should be."""

    @abstractmethod
    def healthy_network(self, splits: Splits) -> nn.Module:
        """The network as it should be."""

    @abstractmethod
    def exam(self) -> Split:
        """Samples that neither train nor validate, never touched by a fault; for the honest result."""

    @abstractmethod
    def forward(self, model: nn.Module, batch: Batch) -> Any:
        """What the network makes of a batch."""

    @abstractmethod
    def terms(self, outputs: Any, batch: Batch) -> dict[str, Tensor]:
        """Loss terms as they should be."""

    @abstractmethod
    def columns(self, outputs: Any, batch: Batch) -> dict[str, Tensor]:
        """Results of each sample, for the metrics."""

    @abstractmethod
    def figures(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        """Metrics as they should be."""

    def load(self) -> Splits:
        """The data, with what is planted."""
        return self.change.splits(self, self.healthy_splits())

    def build_model(self, splits: Splits) -> nn.Module:
        """The network, with what is planted."""
        return self.change.network(self, self.healthy_network(splits))

    def sampler(self, split: Split) -> Sampler:
        """The sampler of the case, else a random order."""
        return self.change.sampler(self, split) or super().sampler(split)

    def prepare(self, batch: Batch) -> Batch:
        """The input as the network gets it."""
        return self.change.inputs(self, batch)

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """What the case does to training batches."""
        return self.change.augment(self, batch, generator)

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        """Forward pass, loss and results."""
        outputs = self.change.outputs(self, model, batch)
        columns = {name: column.detach() for name, column in self.columns(outputs, batch).items()}
        return StepOutput(self.change.terms(self, outputs, batch), columns)

    def metrics(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        """Metrics as the case reports them."""
        return self.change.figures(self, self.figures(self.change.judged(self, columns)))

    @torch.no_grad()
    def honest(self, model: nn.Module) -> float:
        """The monitored metric on samples that no fault has touched; the input goes the way that the case gives it."""
        model.eval()
        exam = self.exam()
        batch = self.change.inputs(self, exam.at(torch.arange(len(exam))))
        outputs = self.change.answer(self, self.forward(model, batch))
        return self.figures(self.columns(outputs, batch))[self.monitor.metric]


def class_split(x: Tensor, y: Tensor) -> Split:
    """Samples with a class each."""
    return Split({"x": x, "y": y}, labels=y)
