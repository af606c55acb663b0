"""Small networks whose weights can lie in parts with several ranks, and some that cannot be trained so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed.fsdp  # once here, not in every process
import torch.distributed.tensor
from rank_runs import PlainToy
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from toy import NUM_CLASSES

from trainctl.engine.data.batch import Batch, Splits
from trainctl.engine.ranks import present_ranks
from trainctl.engine.tasks.task import StepOutput, Turn

assert torch.distributed.fsdp and torch.distributed.tensor
WIDTH = 8


class Blocks(nn.Module):
    """A transformer over eight numbers: embedding, a parameter of its own, two blocks, norm, head."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(1, WIDTH)
        self.place = nn.Parameter(torch.zeros(8, WIDTH))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(WIDTH, 2, 2 * WIDTH, dropout=0.0, batch_first=True) for _ in range(2)
        )
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, NUM_CLASSES)

    def forward(self, x_BL: Tensor) -> Tensor:
        h_BLD = self.embed(x_BL[..., None]) + self.place
        for block in self.blocks:
            h_BLD = block(h_BLD)
        return self.head(self.norm(h_BLD).mean(1))


class BlocksToy(PlainToy):
    """The toy task with a transformer."""

    def build_model(self, splits: Splits) -> nn.Module:
        return Blocks()


class Odd(nn.Module):
    """Recurrent cells called often, weights made of others, a block that is used twice, one that is checkpointed."""

    def __init__(self) -> None:
        super().__init__()
        weight_norm, twice = nn.utils.parametrizations.weight_norm, nn.Linear(WIDTH, WIDTH)
        self.recurrent = nn.ModuleList([nn.GRU(1, WIDTH, batch_first=True), nn.LSTMCell(WIDTH, WIDTH)])
        self.blocks = nn.ModuleList([twice, weight_norm(nn.Linear(WIDTH, WIDTH)), twice, nn.Linear(WIDTH, WIDTH)])
        self.head = nn.Sequential(nn.Conv1d(1, 2, 3), nn.GroupNorm(1, 2), nn.Flatten(), nn.Linear(12, NUM_CLASSES))

    def forward(self, x_BL: Tensor) -> Tensor:
        y_BLD, _ = self.recurrent[0](x_BL[..., None])
        state = None
        for k in range(y_BLD.shape[1]):
            state = self.recurrent[1](y_BLD[:, k], state)
        assert state is not None
        h_BD: Tensor = state[0]
        for block in self.blocks[:3]:
            h_BD = block(h_BD).tanh()
        return self.head(checkpoint(self.blocks[3], h_BD, use_reentrant=False)[:, None])


class OddToy(PlainToy):
    """Trains it."""

    def build_model(self, splits: Splits) -> nn.Module:
        return Odd()


class OverflowingToy(PlainToy):
    """In fp16 the last row of its gradient overflows, which rank 1 has, and no other."""

    def build_model(self, splits: Splits) -> nn.Module:
        return nn.Linear(8, NUM_CLASSES)

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        output = super().step(model, batch)
        return StepOutput({**output.terms, "last": 1000 * model(batch["x"])[:, -1].mean()}, output.columns)


class CountedToy(PlainToy):
    """Records how many rows of the first weight this rank has, and the distribution of all its values."""

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        output = super().step(model, batch)
        weight: Any = model.get_parameter("0.weight")
        rows = len(weight.to_local() if hasattr(weight, "to_local") else weight)
        return StepOutput(output.terms, output.columns, {"rows": torch.tensor(float(rows))})

    def sample_losses(self, columns: Mapping[str, Tensor]) -> Tensor:
        return 1 - columns["hit"]

    def histograms(self, model: nn.Module, columns: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {"weight": model.get_parameter("0.weight"), "hit": columns["hit"]}


class Sometimes(nn.Module):
    """Has a part that rank 0 does not go through."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.extra = nn.Linear(8, NUM_CLASSES), nn.Linear(NUM_CLASSES, NUM_CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.first(x) if present_ranks().leads else self.extra(self.first(x))


class SometimesToy(PlainToy):
    """Trains it."""

    def build_model(self, splits: Splits) -> nn.Module:
        return Sometimes()


class UncalledToy(PlainToy):
    """Uses the weights of a module without calling it."""

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        output = super().step(model, batch)
        return StepOutput({**output.terms, "decay": model.get_parameter("0.weight").square().sum()}, output.columns)


class PenaltyToy(PlainToy):
    """Minimises the gradient of a gradient."""

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        output = super().step(model, batch)
        if not torch.is_grad_enabled():
            return output
        x = batch["x"].detach().requires_grad_()
        (gradient,) = torch.autograd.grad(model(x).square().sum(), x, create_graph=True)
        return StepOutput({**output.terms, "slope": gradient.square().mean()}, output.columns)


class SingleToy(PlainToy):
    """Has a parameter that is a single number."""

    def build_model(self, splits: Splits) -> nn.Module:
        model = super().build_model(splits)
        model.register_parameter("scale", nn.Parameter(torch.tensor(1.0)))
        return model


class MixedToy(PlainToy):
    """Has parameters of two types."""

    def build_model(self, splits: Splits) -> nn.Module:
        model = super().build_model(splits)
        model.get_submodule("2").double()
        return model


class TurningToy(PlainToy):
    """Changes the network between two epochs."""

    def end_epoch(self, turn: Turn) -> Mapping[str, Any] | None:
        return None
