"""What a case does to a healthy training: the places where a user's own code can go wrong, each left as it is here.

A fault or a trap overrides some of them. Knows no particular host and no rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.data.samplers.sampler import Sampler

if TYPE_CHECKING:
    from benchmarks.trainfault.host import Host, HostConfig

Terms = dict[str, Tensor]


class Change:
    """Changes nothing.

    Args:
        dose: how strong it is, in the unit of the case.
    """

    is_examined = True
    """Whether the checkpoint alone is what would be used; if not, the last validation is the result."""

    def __init__(self, dose: float) -> None:
        self.dose = dose

    def settings(self, config: HostConfig) -> Mapping[str, Any]:
        """Options by dotted path that differ from the host's."""
        return {}

    def splits(self, host: Host, splits: Splits) -> Splits:
        """The data, as loaded."""
        return splits

    def network(self, host: Host, model: nn.Module) -> nn.Module:
        """The network, freshly initialised."""
        return model

    def sampler(self, host: Host, split: Split) -> Sampler | None:
        """Which samples form a batch; none: as the host does."""
        return None

    def inputs(self, host: Host, batch: Batch) -> Batch:
        """What the network is fed, wherever it is used: in training, validation and examination."""
        return batch

    def augment(self, host: Host, batch: Batch, generator: torch.Generator) -> Batch:
        """Training batches only."""
        return batch

    def outputs(self, host: Host, model: nn.Module, batch: Batch) -> Any:
        """Forward pass within the step, in training and validation; the examination calls the host's own."""
        return host.forward(model, batch)

    def answer(self, host: Host, outputs: Any) -> Any:
        """What the network's output means, for the examination alone."""
        return outputs

    def terms(self, host: Host, outputs: Any, batch: Batch) -> Terms:
        """Loss terms."""
        return host.terms(outputs, batch)

    def figures(self, host: Host, figures: dict[str, float]) -> dict[str, float]:
        """Metrics of the validation, as they are reported."""
        return figures

    def judged(self, host: Host, columns: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """What the metrics are computed from."""
        return columns

    def generator(self, host: Host) -> torch.Generator:
        """For what is drawn at random while data or network are changed."""
        return torch.Generator().manual_seed(host.config.seed + 7)
