"""Builds what a run consists of from its configuration: task, data, device, network, optimiser, state.

Writes no file and prints nothing: whatever is wrong with the input shows here, before a run directory exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from trainctl.engine.config.schema import RunConfig
from trainctl.engine.data.batch import Split, Splits
from trainctl.engine.data.placement import made_on
from trainctl.engine.data.samplers.sampler import RandomSampler, Sampler
from trainctl.engine.data.samplers.short_epochs import short_epoch
from trainctl.engine.errors import UserError
from trainctl.engine.launched import Launched
from trainctl.engine.optim.ema import Ema
from trainctl.engine.optim.groups import NamedGroup, name_groups
from trainctl.engine.optim.lean import leave_compiler_out
from trainctl.engine.optim.optimizers import ParamGroup, build_optimizer, freeze, optimizer_type, param_groups
from trainctl.engine.optim.schedules import LearningRatePlan
from trainctl.engine.tasks.task import Task
from trainctl.engine.training.device import choose_device, prepare_process, seed_everything
from trainctl.engine.training.loop.precision import Precision, compile_network, keep_compiled, layout_notes, place
from trainctl.engine.training.loop.trainer import steps_per_epoch
from trainctl.engine.training.ranks.fitting import refuse_unshareable, shared_norms
from trainctl.engine.training.ranks.meeting import local_device
from trainctl.engine.training.ranks.units import refuse_unparted, refuse_unsharded
from trainctl.engine.training.state.checkpoint import refuse_unloadable
from trainctl.engine.training.state.state import TrainState
from trainctl.engine.training.state.weighting import Weighting

if TYPE_CHECKING:
    from trainctl.engine.training.state.shards import Shards


@dataclass(frozen=True)
class Assembly:
    """The parts of a run, ready to train."""

    task: Task
    splits: Splits
    state: TrainState
    precision: Precision
    device: torch.device
    num_parameters: int
    num_trainable: int
    notes: tuple[str, ...] = ()
    """What the user should know of how it was built."""


def assemble_run(
    config: RunConfig,
    task_type: type[Task],
    data_path: Path | None,
    task_state: Mapping[str, Any] | None = None,
    launched: Launched | None = None,
) -> Assembly:
    """Load the data and build everything on the device, freshly initialised and seeded.

    Args:
        config: of the run.
        task_type: its task.
        data_path: its data.
        task_state: what the task kept in the checkpoint that is gone on from.
        launched: which of several processes this is; none: it trains alone.

    Raises:
        UserError: the data, the shape of the network, the device or the options cannot work.
    """
    refuse_unparted(config)
    device = _prepared(config, launched)
    precision = Precision(config.precision, device)
    optimizer_type(config.optimizer.name)  # before the data: they may take a minute to read
    seed_everything(config.seed)
    task = task_type(config, data_path)
    if task_state:
        task.load_state(task_state)
    with made_on(device):
        splits = task.load()
    check_splits(splits)
    model, notes = _network(task, splits, config, device, launched)
    groups = name_groups(model, task.optimizers(model))
    sampler = task.sampler(splits.train)
    refuse_unshareable(model, config, len(splits.train), launched, has_groups=bool(groups))
    shards = _shards(model, task, config, device, launched)
    steps = steps_per_epoch(sampler, config)
    state = _fresh_state(model, groups, config, precision, device, steps, shards)
    if config.precision.compile:
        compile_network(model, device, keeps_graph=len(groups) > 1)
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return Assembly(
        task=task,
        splits=splits,
        state=state,
        precision=precision,
        device=device,
        num_parameters=sum(size for size, _ in sizes),
        num_trainable=sum(size for size, trained in sizes if trained),
        notes=(*notes, *_pace_notes(sampler, splits.train, config)),
    )


def _network(
    task: Task, splits: Splits, config: RunConfig, device: torch.device, launched: Launched | None
) -> tuple[nn.Module, list[str]]:
    """Freshly initialised, on the device; and what the user should know of it."""
    seed_everything(config.seed)  # the network does not depend on how many random numbers the data took
    with made_on(device):
        model = task.build_model(splits)
    _check_saved(task, model)
    freeze(model, config.freeze)
    model, notes = shared_norms(model, config.ranks.sync_batchnorm, device, launched)
    precision = config.precision
    if _is_sharded(config, launched):
        # Rows of channels-last weights do not lie together. What does not fit on the device goes there in parts.
        precision, device = precision.model_copy(update={"channels_last": False}), torch.device("cpu")
    model = place(model, precision, device)
    return model, [*notes, *layout_notes(model, precision, device)]


def _shards(
    model: nn.Module, task: Task, config: RunConfig, device: torch.device, launched: Launched | None
) -> Shards | None:
    """What takes the network apart, where that is wanted, and possible."""
    if not _is_sharded(config, launched):
        return None
    refuse_unsharded(model, task, config)
    from trainctl.engine.training.state.shards import Shards  # what it knows of torch takes a second to import

    return Shards(task, device)


def _is_sharded(config: RunConfig, launched: Launched | None) -> bool:
    return config.ranks.shard and launched is not None


def _pace_notes(sampler: Sampler, train: Split, config: RunConfig) -> list[str]:
    """What to know of an epoch that is very short, or leaves out much."""
    options = config.train
    found = short_epoch(len(train), len(sampler), options.batch_size, options.accumulation, drop_last=options.drop_last)
    if found is None:
        return []
    words = found.words(are_others=isinstance(sampler, RandomSampler))
    return [f"{words}; {found.advice}" if found.advice else words]


def _prepared(config: RunConfig, launched: Launched | None) -> torch.device:
    """The device, with the process made ready for it."""
    device = choose_device(local_device(launched, config.runtime.device))
    if launched is not None and device.type == "cuda":
        torch.cuda.set_device(device)
    prepare_process(config.runtime, device, is_short=_is_sharded(config, launched))
    if config.precision.compile:
        keep_compiled()
    else:
        leave_compiler_out()
    return device


def _fresh_state(
    model: nn.Module,
    groups: tuple[NamedGroup, ...],
    config: RunConfig,
    precision: Precision,
    device: torch.device,
    steps: int,
    shards: Shards | None,
) -> TrainState:
    """Before the first step; `steps`: of an epoch."""
    plan = LearningRatePlan(
        config=config.schedule, peak=config.optimizer.lr, steps_per_epoch=steps, epochs=config.train.epochs
    )
    plan.check()
    ema = Ema(model, config.ema) if config.ema.decay is not None else None
    params = param_groups(model, config.optimizer, groups) if shards is None else _parted(shards, model, ema, config)
    optimizer = build_optimizer(params, config.optimizer, device)
    if shards is not None:
        shards.keep_apart(optimizer)
    return TrainState(
        model=model,
        optimizer=optimizer,
        plan=plan,
        params=params,
        groups=groups,
        scaler=precision.scaler,
        ema=ema,
        generator=torch.Generator(device).manual_seed(config.seed),
        weights={},
        clip=config.clip.grad_norm,
        weighting=Weighting(config.weighting),
        shards=shards,
    )


def _parted(shards: Shards, model: nn.Module, ema: Ema | None, config: RunConfig) -> tuple[ParamGroup, ...]:
    """Take the networks apart; the groups of what is here of the parameters."""
    shards.part(model)
    if ema is not None:
        shards.part(ema.module)
        ema.average(model, shards.own)
    return shards.own_groups(param_groups(model, config.optimizer))


def _check_saved(task: Task, model: nn.Module) -> None:
    """What the task wants kept in each checkpoint must be found there again, also what its modules keep by themselves.

    Raises:
        UserError: it could not be loaded.
    """
    what, kept = f"{type(task).__name__}.state()", cast("object", task.state())
    if not isinstance(kept, Mapping):
        raise UserError(f"{what} is a {type(kept).__name__}, not a dict", "return a dict")
    if kept:
        refuse_unloadable(dict(cast("Mapping[str, Any]", kept)), what)
    extra = {name: value for name, value in model.state_dict().items() if not isinstance(value, Tensor)}
    if extra:
        refuse_unloadable(extra, f"the network's {next(iter(extra))}")


TAKEN = ("train", "val", "test", "all")
"""Names that `evaluate --split` knows already."""


def check_splits(splits: Splits) -> None:
    """What the loop relies on.

    Raises:
        UserError: a split is empty, its tensors differ in length, a label names no class, or a set has no name that
            can stand before its metrics.
    """
    for name, split in (("train", splits.train), ("val", splits.val)):
        _check_split(name, split, len(splits.classes))
    for name, split in splits.more_val.items():
        if not str(name).strip() or "/" in str(name) or name in TAKEN:
            hint = f"any name but {', '.join(TAKEN)}, without a slash: its metrics are called NAME/METRIC"
            raise UserError(f"more_val: {name!r} cannot be the name of a validation set", hint)
        _check_split(str(name), split, len(splits.classes))


def _check_split(name: str, split: Split, num_classes: int) -> None:
    try:
        is_empty = (not split.tensors and split.dataset is None) or len(split) == 0
    except (TypeError, ValueError, NotImplementedError) as err:  # a Dataset's own length
        raise UserError(f"the Dataset of the {name} split has no length: {err}", "define __len__ as a count") from err
    if is_empty:
        raise UserError(f"the {name} split is empty", "give more data or another data.val_fraction")
    if split.dataset is not None:
        split.at(torch.zeros(1, dtype=torch.int64))  # before there is a run: whether its samples can be collated
    lengths = {key: len(tensor) for key, tensor in split.tensors.items()}
    if len(set(lengths.values())) > 1:
        raise UserError(f"the tensors of the {name} split differ in length: {lengths}", "one row per sample each")
    if split.labels is None or not num_classes:
        return
    if len(split.labels) != len(split):
        raise UserError(f"the {name} split has {len(split)} samples and {len(split.labels)} labels", "one label each")
    bad = (split.labels < 0) | (split.labels >= num_classes)
    if bad.any():
        index = int(bad.int().argmax())
        where = split.names[index] if split.names else f"sample {index}"
        raise UserError(
            f"the {name} split has {int(bad.sum())} labels outside 0..{num_classes - 1}, "
            f"first {int(split.labels[index])} at {where}",
            "correct the labels or the list of classes",
        )
