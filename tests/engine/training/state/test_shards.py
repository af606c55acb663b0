"""Which parts of a network are gathered as one, and what the others get of a state that one rank has."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from trainctl.engine.ranks import Ranks
from trainctl.engine.training.ranks.team import Team
from trainctl.engine.training.ranks.units import units_of
from trainctl.engine.training.state.handing import handed_over


class Network(nn.Module):
    """Every way in which a module can stand in another."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(4, 8)
        self.blocks = nn.ModuleList(Block() for _ in range(2))
        self.tail = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Sequential(nn.Linear(8, 8), nn.Dropout()))
        self.tied = nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 8)])
        self.tied[1].weight = self.tied[0].weight
        self.holder = nn.ModuleList([nn.ModuleDict({"inner": nn.Linear(8, 8)})])


class Block(nn.Module):
    """Has weights of its own, and parts that have theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.mixing = nn.Linear(8, 8)
        self.widening = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))

    def forward(self, x: Tensor) -> Tensor:
        return self.widening(self.mixing(x))


def test_what_stands_in_a_list_and_has_weights_of_its_own_is_a_unit_inner_ones_first() -> None:
    network = Network()
    names = {module: name for name, module in network.named_modules()}
    found = [names[unit] for unit in units_of(network)]
    blocks = [f"blocks.{k}{part}" for k in (1, 0) for part in (".widening.2", ".widening.0", "")]
    assert found == ["tail.2.0", "tail.0", *blocks]


def test_what_is_very_small_is_left_to_what_surrounds_it() -> None:
    network = nn.Sequential(nn.Linear(200, 200), nn.LayerNorm(3), nn.Linear(200, 200))
    assert units_of(network) == [network[2], network[0]]


class Told(Team):
    """A rank that hears what another has said before it."""

    def __init__(self, ranks: Ranks, said: list[Any]) -> None:
        super().__init__(ranks)
        self._said = said

    def lead(self, said: Any) -> Any:
        if self.leads:
            self._said.append(copy.deepcopy(said))
        return self._said.pop(0) if not self.leads else said

    def follow_lead(self, tensors: Sequence[Tensor]) -> None:
        for tensor in tensors:
            if self.leads:
                self._said.append(tensor.clone())
            else:
                tensor.copy_(self._said.pop(0))


def test_a_state_is_handed_over_tensor_by_tensor_and_kept_as_said() -> None:
    state: dict[str, Any] = {
        "model": {"weight": torch.arange(6.0).view(3, 2), "count": torch.tensor(4)},
        "ranks": [{"rng": torch.arange(5, dtype=torch.uint8)}, {"rng": torch.zeros(0)}],
        "step": 7,
    }
    said: list[Any] = []
    assert handed_over(Told(Ranks(0, 2), said), state, lambda path, value: None) is state
    assert len(said) == 4, "an outline, and each tensor that is more than a number"

    def keep(path: tuple[Any, ...], value: Tensor) -> Tensor:
        return value[:1] if path == ("model", "weight") else value

    got = handed_over(Told(Ranks(1, 2), said), None, keep)
    assert got is not None and got["step"] == 7 and got["model"]["count"] == 4
    torch.testing.assert_close(got["model"]["weight"], torch.tensor([[0.0, 1.0]]))
    torch.testing.assert_close([one["rng"] for one in got["ranks"]], [one["rng"] for one in state["ranks"]])


def test_nothing_is_handed_over_where_nothing_was_loaded() -> None:
    said: list[Any] = []
    for rank in range(2):
        assert handed_over(Told(Ranks(rank, 2), said), None, lambda path, value: value) is None
