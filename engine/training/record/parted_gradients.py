"""What `GradientMeter` measures, of gradients that lie in parts with several ranks. All ranks ask equally often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from trainctl.engine.optim import foreach
from trainctl.engine.training.ranks.team import Team
from trainctl.engine.training.record.gradients import GradientMeter

if TYPE_CHECKING:
    from trainctl.engine.training.state.shards import Shards


class PartedMeter(GradientMeter):
    """Norms of whole gradients; clips and copies what is here of them.

    Args:
        groups: as `GradientMeter` takes them.
        model: gives the parameters that no group names.
        shards: this rank's parts of them.
        team: the ranks.
    """

    def __init__(
        self, groups: Mapping[str, Sequence[nn.Parameter]], model: nn.Module, shards: Shards, team: Team
    ) -> None:
        super().__init__(groups, model)
        self.params = [shards.own(p) for p in self.params]
        self._team = team

    def norms(self) -> list[Tensor]:
        """Norm of the whole gradient of each parameter tensor, scalars."""
        # Squares in double precision: what is finite stays so.
        squares = torch.stack(super().norms()).double().square()
        return list(self._team.sum_(squares).sqrt().float().unbind())

    def update_ratio(self, before: list[Tensor]) -> Tensor:
        """|change of the weights| / |weights before|, of the whole ones."""
        change = foreach.differences([p.detach() for p in self.params], before)
        squares = [torch.stack(foreach.norms(tensors)).double().square().sum() for tensors in (before, change)]
        weight, changed = self._team.sum_(torch.stack(squares)).sqrt().unbind()
        return (changed / weight).float()
