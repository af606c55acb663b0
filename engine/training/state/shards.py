"""A network whose weights lie in parts with several ranks: torch's FSDP2.

Each rank keeps its rows of every parameter. Optimiser, averages and measurements work on these as on any tensors;
whole weights are seen by forward and backward passes, unit by unit, and by checkpoints. What is loaded may be whole:
each rank takes its rows of it. Knows networks, optimisers and the task contract; no loop and no file.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, Shard
from torch.optim import Optimizer

from trainctl.engine.data.batch import Batch
from trainctl.engine.errors import UserError
from trainctl.engine.optim.optimizers import ParamGroup
from trainctl.engine.ranks import present_ranks
from trainctl.engine.tasks.task import StepOutput, Task
from trainctl.engine.training.ranks.units import units_of
from trainctl.engine.training.state.handing import Path

NOT_GATHERED = "DTensor"
"""What torch names where weights are used of which only a part is here."""


class _Whole(nn.Module):
    """Network and loss as one module, the outermost unit: a task may call any part of its network."""

    def __init__(self, task: Task, network: nn.Module) -> None:
        super().__init__()
        self._task, self.network = task, network
        self.output: StepOutput | None = None

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The terms, which torch must see: it follows the gradient from them."""
        self.output = output = self._task.step(self.network, batch)
        if any(isinstance(term, DTensor) for term in output.terms.values()):
            raise RuntimeError(NOT_GATHERED)
        return {name: _unviewed(term) for name, term in output.terms.items()}


class Shards:
    """The parts of a run's networks that this rank has. All ranks make it, and call all that is not said to be local.

    Args:
        task: of the run.
        device: where it trains. Networks may still be on the CPU: they move there unit by unit.
    """

    def __init__(self, task: Task, device: torch.device) -> None:
        group = dist.group.WORLD
        assert group is not None
        # Of the group that there is: making one would be waiting for ranks that may have something to refuse.
        self._mesh = DeviceMesh.from_group(group, device.type)
        self._host_mesh = self._mesh if device.type == "cpu" else DeviceMesh.from_group(group, "cpu")
        self._task, self._ranks = task, present_ranks()
        self._wholes = dict[int, _Whole]()
        self._parts = dict[int, tuple[DTensor, nn.Parameter]]()
        self._blank: nn.Module | None = None

    def part(self, network: nn.Module) -> None:
        """Keep this rank's part of a network. Local; the network is then good for `call` alone."""
        if not self._wholes and type(self._task).histograms is not Task.histograms:
            self._blank = _blank_of(network)
        for p in network.parameters():
            p.data = p.data.contiguous()
        units, whole = units_of(network), _Whole(self._task, network)
        for unit in units:
            unit.register_forward_hook(_unviewed_output)
            fully_shard(unit, mesh=self._mesh)
        fully_shard(whole, mesh=self._mesh)
        if hasattr(whole, "set_reduce_scatter_unused_params"):  # not in older versions of torch
            cast("Any", whole).set_reduce_scatter_unused_params(True)
        for p in cast("Iterable[Any]", network.parameters()):
            self._parts[id(p)] = (p, nn.Parameter(p.detach().to_local(), requires_grad=p.requires_grad))
        network.register_load_state_dict_pre_hook(self._take_rows)
        self._wholes[id(network)] = whole

    def own(self, p: Tensor) -> nn.Parameter:
        """This rank's rows of a parameter, always the same tensor. Local."""
        return self._parts[id(p)][1]

    def own_groups(self, groups: Sequence[ParamGroup]) -> tuple[ParamGroup, ...]:
        """The same groups of this rank's rows. Local."""
        return tuple(replace(group, params=[(name, self.own(p)) for name, p in group.params]) for group in groups)

    def keep_apart(self, optimizer: Optimizer) -> None:
        """Let an optimiser over `own_groups` load whole moments. Local."""
        optimizer.register_load_state_dict_pre_hook(self._take_moments)

    def units(self, network: nn.Module) -> list[nn.Module]:
        """What is gathered as one, the outermost included. Local."""
        return [module for module in self._wholes[id(network)].modules() if isinstance(module, FSDPModule)]

    def call(self, network: nn.Module, batch: Batch) -> StepOutput:
        """What `Task.step` makes of a batch. All ranks call it equally often.

        Raises:
            UserError: the task uses weights without calling the module that has them.
        """
        whole = self._wholes[id(network)]
        try:
            terms = whole(batch)
        except RuntimeError as err:
            if NOT_GATHERED not in str(err):
                raise
            raise UserError(
                f"ranks.shard: {type(self._task).__name__}.step, or its network, uses weights of a module without "
                "calling it, and only what is called is gathered",
                "call the module, or train with ranks.shard=false",
            ) from err
        output, whole.output = whole.output, None
        assert output is not None
        if not torch.is_grad_enabled():  # else the backward pass does it
            cast("FSDPModule", whole).reshard()
        return replace(output, terms=terms)

    def take_gradients(self, network: nn.Module) -> None:
        """Give this rank's rows the gradients of a backward pass. Local."""
        for p in network.parameters():
            part = self.own(p)
            part.grad = None if p.grad is None else cast("DTensor", p.grad).to_local()
            p.grad = None

    def gathered(self, state: dict[str, Any], optimizer: Optimizer) -> dict[str, Any]:
        """A state whole, on the CPU, as one process has it, on the rank that leads; elsewhere it is good for nothing.

        Args:
            state: of the run, as `TrainState.state_dict` gave it here.
            optimizer: of the run.
        """
        self.parted(state, optimizer)
        averaged = (state["ema"] or {}).get("module", {})
        for tensors in (state["model"], averaged, *state["optimizer"]["state"].values()):
            self._gather(tensors)
        return state

    def parted(self, state: dict[str, Any], optimizer: Optimizer) -> dict[str, Any]:
        """A state as it lies here, each rank's rows said to be part of a whole; for checkpoints in parts. Local.

        Args:
            state, optimizer: as for `gathered`.
        """
        moments, wholes = state["optimizer"]["state"], self._numbered(optimizer)
        for number, held in moments.items():
            whole, part = wholes[number]
            moments[number] = {
                key: self._spread(value, whole) if _is_like(value, part) else value for key, value in held.items()
            }
        return state

    def blank(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """In host memory, what this rank's rows of a saved tensor are loaded into. Local."""
        rows = len(self._rows(torch.empty(shape[0], 0)))
        part = torch.empty((rows, *shape[1:]), dtype=dtype)
        whole = torch.empty(tuple(shape), dtype=dtype, device="meta")
        places = (Shard(0),)
        return DTensor.from_local(
            part, self._host_mesh, places, run_check=False, shape=whole.shape, stride=whole.stride()
        )

    def kept(self, networks: Mapping[Path, nn.Module], optimizer: Optimizer) -> Callable[[Path, Tensor], Any]:
        """What a rank keeps of a whole tensor at a place in a state: its rows of a parameter, or of a moment. Local.

        Args:
            networks: by the place of their states.
            optimizer: its state stands under `optimizer`.
        """
        weights = {(*path, name): p for path, network in networks.items() for name, p in network.named_parameters()}
        moments = {("optimizer", "state", number): whole for number, (whole, _) in self._numbered(optimizer).items()}

        def keep(path: Path, value: Tensor) -> Any:
            weight, moment = weights.get(path), moments.get(path[:-1])
            if weight is not None and _is_like(value, weight):
                return self._spread(self._rows(value).clone(), weight)
            return self._rows(value).clone() if moment is not None and _is_like(value, moment) else value

        return keep

    def plain(self, network: nn.Module) -> nn.Module:
        """A network as one process has it, on the CPU, on the rank that leads: for whoever looks at its weights."""
        if self._blank is None:
            return network
        state = network.state_dict()
        self._gather(state)
        if not self._ranks.leads:
            return network
        self._blank.load_state_dict(state, assign=True)
        return self._blank

    def _gather(self, tensors: dict[str, Any]) -> None:
        for name, value in tensors.items():
            if isinstance(value, DTensor):
                tensors[name] = self._full(value, value.to_local())

    def _full(self, whole: Tensor, part: Tensor) -> Tensor:
        """Of parts that lie as those of `whole` do."""
        full: Tensor = self._spread(part.detach(), whole).full_tensor()
        return full.cpu() if self._ranks.leads else torch.empty(0)

    def _spread(self, rows: Tensor, whole: Tensor) -> DTensor:
        """This rank's rows as a part of something that lies as `whole` does."""
        places = cast("DTensor", whole).placements
        return DTensor.from_local(
            rows.to(whole.device), self._mesh, places, run_check=False, shape=whole.shape, stride=whole.stride()
        )

    def _rows(self, value: Tensor) -> Tensor:
        """This rank's, as `fully_shard` divides them; of a tensor that is in parts already those that are here."""
        if isinstance(value, DTensor):
            return value.to_local()
        each = -(-len(value) // self._ranks.size)
        begin = min(self._ranks.rank * each, len(value))
        return value[begin : begin + each]

    def _kept_rows(self, value: Tensor) -> Tensor:
        """The same, without the rest in memory."""
        return self._rows(value) if isinstance(value, DTensor) else self._rows(value).clone()

    def _take_rows(self, network: nn.Module, state: dict[str, Any], *_: object) -> None:
        """Before a network loads a state: put its rows in place of what is whole in it, or in host memory."""
        for name, p in network.named_parameters(remove_duplicate=False):
            value = state.get(name)
            if isinstance(value, Tensor) and _is_like(value, p):
                state[name] = self._spread(self._rows(value).contiguous(), p)

    def _take_moments(self, optimizer: Optimizer, state: dict[str, Any]) -> dict[str, Any]:
        """Before an optimiser loads a state: the same of its moments."""
        wholes, moments = self._numbered(optimizer), dict[Any, Any]()
        for number, held in state["state"].items():
            whole = wholes[number][0] if number in wholes else None
            moments[number] = {
                key: value if whole is None or not _is_like(value, whole) else self._kept_rows(value)
                for key, value in held.items()
            }
        return {**state, "state": moments}

    def _numbered(self, optimizer: Optimizer) -> Mapping[int, tuple[DTensor, nn.Parameter]]:
        """The parameters, by the numbers that an optimiser's state gives them."""
        pairs = {id(part): (whole, part) for whole, part in self._parts.values()}
        params = [p for group in optimizer.param_groups for p in group["params"]]
        return {number: pairs[id(p)] for number, p in enumerate(params)}


def _is_like(value: Any, p: Tensor) -> bool:
    """Whether it lies as a parameter does; what an optimiser counts does not."""
    return isinstance(value, Tensor) and value.ndim > 0 and value.shape == p.shape


def _unviewed(value: Any) -> Any:
    """Views of other tensors as copies: changed in place, a view would lose what torch has hung up on it."""
    if isinstance(value, Tensor):
        is_view = value.requires_grad and value._base is not None  # pyright: ignore[reportPrivateUsage]
        return value.clone() if is_view else value
    if type(value) in (list, tuple):
        return type(value)(map(_unviewed, value))
    if type(value) is dict:
        return {key: _unviewed(one) for key, one in value.items()}
    return value


def _unviewed_output(module: nn.Module, given: object, output: Any) -> Any:
    del module, given
    return _unviewed(output)


def _blank_of(network: nn.Module) -> nn.Module:
    """A copy without weights."""
    blanks = {
        id(p): nn.Parameter(torch.empty_like(p, device="meta"), requires_grad=p.requires_grad)
        for p in network.parameters()
    }
    return copy.deepcopy(network, cast("dict[int, Any]", blanks))
