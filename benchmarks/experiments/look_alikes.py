"""Three faults planted into the weld task, whose loss curves look alike: flat, at or near ln(B−1).

For `trainctl diagnose --task benchmarks/experiments/look_alikes.py:CLASS`; what is found stands in the tables.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainctl.engine.data.batch import Split, Splits
from trainctl.engine.data.samplers.sampler import Sampler
from trainctl.engine.models.weld.net import WeldNet
from trainctl.engine.tasks.weld.task import WeldTask


class OneClassBatches:
    """Twelve classes in the data, one in each batch: what the documents took their sampler for."""

    def __init__(self, labels_N: Tensor, batch_size: int, seed: int) -> None:
        self.labels_N, self.batch_size, self.seed = labels_N, batch_size, seed

    def __len__(self) -> int:
        return sum(count // self.batch_size for count in torch.bincount(self.labels_N).tolist())

    def batches(self, epoch: int) -> list[Tensor]:
        """Batches of one class each, the classes in random order."""
        generator = torch.Generator().manual_seed(self.seed + epoch)
        parts = [rows for label in self.labels_N.unique() for rows in self._of(int(label), generator)]
        return [parts[index] for index in torch.randperm(len(parts), generator=generator).tolist()]

    def _of(self, label: int, generator: torch.Generator) -> list[Tensor]:
        rows = (self.labels_N == label).nonzero().squeeze(1)
        rows = rows[torch.randperm(len(rows), generator=generator)]
        return [rows[i : i + self.batch_size] for i in range(0, len(rows) - self.batch_size + 1, self.batch_size)]


class SingleClassSampler(WeldTask):
    """The data is healthy, the sampler is not."""

    def sampler(self, split: Split) -> Sampler:
        """Batches of one class."""
        assert split.labels is not None
        return OneClassBatches(split.labels, self.config.train.batch_size, self.config.seed)


class CollapsedEmbedding(WeldTask):
    """Data and sampler are healthy; the projection gives every sample its bias."""

    def build_model(self, splits: Splits) -> WeldNet:
        """The network, its last linear layer without weights."""
        model = super().build_model(splits)
        linear = next(part for part in model.project.modules() if isinstance(part, nn.Linear))
        with torch.no_grad():
            linear.weight.zero_()
            linear.bias.fill_(1.0)
        return model
