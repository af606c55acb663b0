"""Takes a trained network out of a run directory, to measure it or to use it. Writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainctl.engine.config.resolve import Resolved
from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.errors import UserError
from trainctl.engine.tasks.task import Row, Task
from trainctl.engine.training.device import choose_device, prepare_process, seed_everything
from trainctl.engine.training.loop.precision import place
from trainctl.engine.training.state.checkpoint import load_checkpoint, load_rest
from trainctl.engine.training.state.weighting import saved_weighting


@dataclass(frozen=True)
class Trained:
    """A network with its weights, ready for use."""

    task: Task
    model: nn.Module
    device: torch.device
    about: dict[str, Any]
    """What the checkpoint says of itself: step, epoch, metrics, classes, weights."""
    weights: str
    """raw or ema."""
    loss_weights: dict[str, float]
    """As configured, or set live: what validation weighs by."""


def restore(
    checkpoint: Path,
    resolved: Resolved,
    task_type: type[Task],
    data_path: Path | None,
    *,
    weights: str = "",
    splits: Splits | None = None,
) -> Trained:
    """The network of a checkpoint.

    Args:
        checkpoint: `best_model.pth` or `latest_model.pth` of a run.
        resolved: the run's configuration.
        task_type: its task.
        data_path: data for `task.load`, if the caller wants it.
        weights: raw or ema; empty: the ones the checkpoint was kept for.
        splits: data already loaded; none: the network is built knowing only the classes.

    Raises:
        UserError: no such checkpoint, not ours, or of another network.
    """
    content = load_checkpoint(checkpoint, only=("model", "ema"))
    about, state = content["about"], content["state"]
    device = choose_device(resolved.config.runtime.device)
    prepare_process(resolved.config.runtime, device)
    seed_everything(resolved.config.seed)
    task = task_type(resolved.config, data_path)
    empty = Split({})
    task.load_state(about.get("task_state") or {})
    model = _built(task, splits or Splits(empty, empty, tuple(about["classes"])), has_data=splits is not None)
    weights = weights or about["weights"]
    source = state["model"] if weights == "raw" else (state["ema"] or {}).get("module")
    if source is None:
        raise UserError(f"{checkpoint} holds no averaged weights", "use --weights raw")
    try:
        model.load_state_dict(source)
    except RuntimeError as err:
        first = str(err).strip().splitlines()[-1].strip()
        raise UserError(f"{checkpoint} is of another network: {first}", "use the configuration of its run") from err
    model = place(model, resolved.config.precision, device).eval()
    return Trained(task, model, device, about, weights, dict(saved_weighting(state)["configured"]))


def saved_task_state(task_type: type[Task], checkpoint: Path) -> Mapping[str, Any]:
    """What a task kept in a checkpoint; where it keeps nothing the file is left alone, which may be large.

    Raises:
        UserError: no such checkpoint, or not ours.
    """
    if task_type.state is Task.state:
        return {}
    return load_rest(checkpoint)["about"].get("task_state") or {}


def _built(task: Task, splits: Splits, *, has_data: bool) -> nn.Module:
    """The network, built from a checkpoint's task state and classes, or with data beside them."""
    try:
        return task.build_model(splits)
    except (LookupError, AttributeError, TypeError, ValueError, RuntimeError, StopIteration) as err:
        if has_data:
            raise
        raise UserError(
            f"the network of {type(task).__name__} cannot be built without its data: {type(err).__name__}: {err}",
            "keep what build_model needs of them in Task.state (docs/tasks.md)",
        ) from err


def predict(
    trained: Trained, files: list[Path], batch_size: int, on_bad: Callable[[Path, UserError], object] | None = None
) -> list[tuple[Path, Row]]:
    """Results per file, by name, in the order of the files; several of a file that holds several samples.

    Args:
        trained: the network.
        files: to apply it to.
        batch_size: samples at a time.
        on_bad: told of a file that cannot be read, which is then left out; none: such a file ends it.

    Raises:
        UserError: a file cannot be read and none may be left out, or the task cannot predict.
    """
    if type(trained.task).read_file is not Task.read_file:  # a file holds several samples
        return _of_samples(trained, files, batch_size, on_bad)
    rows: list[tuple[Path, Row]] = []
    for start in range(0, len(files), batch_size):
        part, batch = _readable(trained.task, files[start : start + batch_size], on_bad)
        if batch is None:
            continue
        columns = {name: column.tolist() for name, column in _results(trained, batch).items()}
        found = (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
        rows += zip(part, found, strict=True)
    return rows


def _of_samples(
    trained: Trained, files: Sequence[Path], batch_size: int, on_bad: Callable[[Path, UserError], object] | None
) -> list[tuple[Path, Row]]:
    """Results of files that each hold several samples."""
    rows: list[tuple[Path, Row]] = []
    for file in files:
        try:
            samples = trained.task.read_file(file)
        except UserError as err:
            if on_bad is None:
                raise
            on_bad(file, err)
            continue
        for at in torch.arange(len(samples)).split(batch_size):
            found = trained.task.rows(samples, at, _results(trained, samples.at(at)))
            rows += [(file, row) for row in found]
    return rows


def _results(trained: Trained, batch: Batch) -> dict[str, Tensor]:
    """What the network answers, on the CPU; whole numbers stay whole."""
    on_device = {name: tensor.to(trained.device) for name, tensor in batch.items()}
    with torch.no_grad():
        results = trained.task.predict(trained.model, trained.task.prepare(on_device))
    return {name: (one.float() if one.is_floating_point() else one).cpu() for name, one in results.items()}


def _readable(
    task: Task, files: list[Path], on_bad: Callable[[Path, UserError], object] | None
) -> tuple[list[Path], Batch | None]:
    """The files that can be read, and what is in them; None for none."""
    try:
        return files, task.read_files(files)
    except UserError:
        if on_bad is None:
            raise
    kept: list[Path] = []
    for file in files:
        try:
            task.read_files([file])
            kept.append(file)
        except UserError as err:
            on_bad(file, err)
    return kept, task.read_files(kept) if kept else None
