"""The step of `shared_step`, of a network whose weights lie in parts with the ranks.

torch's FSDP2 gathers each unit where it is called and gives each rank its rows of the gradients, averaged.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.utils.hooks import RemovableHandle

from trainctl.engine.data.batch import Batch
from trainctl.engine.errors import UserError
from trainctl.engine.tasks.task import StepOutput
from trainctl.engine.training.loop.shared_step import SharedStepper, unused_refusal
from trainctl.engine.training.ranks.team import Team
from trainctl.engine.training.state.shards import Shards

FREED = re.compile(r"storage of size 0\b")
"""What torch says of weights that lie in parts again."""


class ShardedStepper(SharedStepper):
    """Takes optimiser steps together with the other ranks, each of its own rows.

    Args:
        team: the ranks.
        shards: what is here of the network.
        options: those of `Stepper`.
    """

    def __init__(self, *options: Any, team: Team, shards: Shards) -> None:
        self._shards = shards
        super().__init__(*options, team=team)
        self._watch: _Watch | None = None

    def _join(self) -> None:
        self._team.follow_lead(self.state.buffers())

    @contextmanager
    def _exchanging(self, *, is_last: bool) -> Generator[None]:
        del is_last  # after each backward pass: whole gradients of all of them are what does not fit
        try:
            yield
        except RuntimeError as err:
            if not FREED.search(str(err)):
                raise
            raise UserError(
                "ranks.shard: a backward pass needs weights that were let go of, as the gradient of a gradient does",
                "train with ranks.shard=false",
            ) from err

    def _unscale(self, scaler: torch.amp.GradScaler) -> None:
        """What overflows in the rows of one rank is skipped by all."""
        super()._unscale(scaler)
        found = scaler._found_inf_per_device(self.state.optimizer)  # pyright: ignore[reportPrivateUsage]
        for overflows in found.values():
            self._team.sum_(overflows).clamp_(max=1)  # fused kernels skip where it is 1

    def _forward(self, batch: Batch) -> StepOutput:
        self._note_wait()
        if self.recorder is None and self._watch is None:
            self._watch = _Watch(self.state.model, self._shards.units(self.state.model))
        return self._shards.call(self.state.model, batch)

    def _refuse_unused(self) -> None:
        """At the first step each rank looks which of its gradients came, and all hear of it: where torch exchanges
        zeros for the others, nobody could tell later.

        Raises:
            UserError: names the parameters that have none.
        """
        model, watch, self._watch = self.state.model, self._watch, None
        trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        names = [name for name, p in trained.items() if p.grad is None]
        if watch is not None:
            missed = self._team.everyone(watch.missed(trained))
            names += [name for part in missed for name in part]
        if names:
            raise unused_refusal(list(dict.fromkeys(names)))
        self._shards.take_gradients(model)


class _Watch:
    """Which parameters get a gradient on this rank, of the passes until it is asked.

    Args:
        network: whose parameters.
        units: what is gathered as one: within it parameters are whole while it is called.
    """

    def __init__(self, network: nn.Module, units: list[nn.Module]) -> None:
        self._seen = set[tuple[int, str]]()
        """Module and name in it."""
        self._holders = {
            (id(module), name): f"{path}.{name}" if path else name
            for path, module in network.named_modules()
            for name, _ in module.named_parameters(recurse=False)
        }
        self._hooks: list[RemovableHandle] = [unit.register_forward_pre_hook(self._look) for unit in units]
        self._hooked = set[tuple[int, str]]()

    def missed(self, trained: Mapping[str, nn.Parameter]) -> list[str]:
        """Names of those that got none; ends the watch."""
        for hook in self._hooks:
            hook.remove()
        seen = {self._holders[place] for place in self._seen}
        return [name for name in trained if name not in seen]

    def _look(self, unit: nn.Module, given: object) -> None:
        """As a unit is called: its own parameters are whole, those of units in it are not."""
        del given
        for module in unit.modules():
            for name, p in module.named_parameters(recurse=False):
                place = (id(module), name)
                is_whole = p.requires_grad and not isinstance(p, DTensor)
                if is_whole and place in self._holders and place not in self._hooked:
                    self._hooked.add(place)
                    self._hooks.append(p.register_post_accumulate_grad_hook(partial(self._note, place)))

    def _note(self, place: tuple[int, str], p: Tensor) -> None:
        del p
        self._seen.add(place)
