"""Metrics of one network on one split. Draws no random numbers, so that a run with more validations is the same run."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from itertools import islice, zip_longest
from typing import Any

import torch
from torch import Tensor, nn

from trainctl.engine.data.batch import Batch
from trainctl.engine.data.feed import Feed
from trainctl.engine.tasks.task import StepOutput, Task
from trainctl.engine.training.capture.replayer import Replayer
from trainctl.engine.training.loop.precision import Precision
from trainctl.engine.training.ranks.team import ALONE_TEAM, Team


class Validation:
    """Measures networks on a split.

    Args:
        task: gives loss terms and metrics.
        precision: autocast.
        feed: of the split.
        batch_size: samples per forward pass.
        replayer: launches each batch as one recorded graph; none: kernel by kernel.
        team: the ranks that share the batches.
        look_up: called by all ranks after each batch; what it raises breaks the validation off.
        step: in place of the task's, one that all ranks must call equally often.
    """

    def __init__(
        self,
        task: Task,
        precision: Precision,
        feed: Feed,
        batch_size: int,
        replayer: Replayer | None = None,
        team: Team = ALONE_TEAM,
        look_up: Callable[[], object] | None = None,
        step: Callable[[nn.Module, Batch], StepOutput] | None = None,
    ) -> None:
        self._step, self._is_joint = step or task.step, step is not None
        self._task, self._precision, self._feed, self._batch_size = task, precision, feed, batch_size
        self._replayer, self._team, self._look_up = replayer, team, look_up

    @torch.no_grad()  # not inference_mode, in which a task could not take the gradient that its loss is made of
    def measure(
        self,
        model: nn.Module,
        weights: Mapping[str, float],
        on_columns: Callable[[Mapping[str, Tensor]], object] | None = None,
    ) -> dict[str, float]:
        """`loss` (weighted), every term where there are several, and the task's metrics, over the whole split.

        The loss terms are averaged over samples, or over what the task counts (`StepOutput.units`), not over batches.
        `on_columns` is shown the per-sample results of the whole split, in its order. The network is back in its mode
        afterwards. Of several ranks each takes its part of the batches, and the leading one measures: all have the
        metrics that a single process has, bit for bit.
        """
        if self._team.is_alone:
            return self._measured(self._outputs(model), weights, on_columns)
        parts = self._team.collected(self._own_part(model))
        # Batch k was measured by rank k % size.
        in_order = (pair for turn in zip_longest(*parts) for pair in turn if pair is not None)
        outputs = ((_received(output, self._feed.device), num_samples) for output, num_samples in in_order)
        return self._team.lead(self._measured(outputs, weights, on_columns) if self._team.leads else {})

    def _own_part(self, model: nn.Module) -> list[tuple[dict[str, Any], int]]:
        """What this rank makes of its batches; all ranks look up equally often."""
        own: list[tuple[dict[str, Any], int]] = []
        num_batches = -(-self._feed.num_samples // self._batch_size)
        with closing(self._outputs(model)) as outputs:
            for _ in range(-(-num_batches // self._team.size)):
                for output, num_samples in islice(outputs, 1):
                    if num_samples:
                        own.append((_portable(output), num_samples))
                if self._look_up is not None:
                    self._look_up()
        return own

    def _measured(
        self,
        found: Generator[tuple[StepOutput, int]],
        weights: Mapping[str, float],
        on_columns: Callable[[Mapping[str, Tensor]], object] | None,
    ) -> dict[str, float]:
        sums: dict[str, Tensor] = {}
        columns: defaultdict[str, list[Tensor]] = defaultdict(list)
        count: int | Tensor = 0
        with closing(found) as outputs:
            for output, num_samples in outputs:
                size = num_samples if output.units is None else output.units
                _add_terms(sums, output, size)
                for name, column in output.columns.items():
                    columns[name].append(column)
                count = count + size
        means = {name: float(total / count) for name, total in sums.items()}
        metrics = {"loss": sum(weights.get(name, 1.0) * mean for name, mean in means.items())}
        if len(means) > 1:
            metrics |= means
        results = {name: torch.cat(parts) for name, parts in columns.items()}
        if on_columns is not None:
            on_columns(results)
        return metrics | figures_of(self._task.metrics(results))

    def _outputs(self, model: nn.Module) -> Generator[tuple[StepOutput, int]]:
        """What the task makes of each batch, and how many samples it has."""
        if self._replayer is not None:
            self._replayer.refresh()
        was_training = model.training
        model.eval()

        def forward(batches: Sequence[Mapping[str, Tensor]]) -> StepOutput:
            with self._team.calling(), self._precision.autocast():
                return self._step(model, self._task.prepare(dict(batches[0])))

        try:
            for stored, num_samples in self._slices():
                if self._replayer is None:
                    yield forward([stored]), num_samples
                    continue
                output, is_lent = self._replayer.run(id(model), [stored], forward)
                yield (_kept(output) if is_lent else output), num_samples
        finally:
            model.train(was_training)

    def _slices(self) -> Generator[tuple[Batch, int]]:
        """This rank's batches with the samples they have; where all must go along, one that counts for none."""
        count = 0
        for stored in self._feed.slices(self._batch_size, self._team.ranks):
            count += 1
            yield stored, len(next(iter(stored.values())))
        if self._is_joint and count * self._team.size * self._batch_size < self._feed.num_samples:
            for stored in self._feed.batches([torch.arange(min(self._batch_size, self._feed.num_samples))]):
                yield stored, 0


def _kept(output: StepOutput) -> StepOutput:
    """A copy of what the next launch writes over."""
    units = None if output.units is None else output.units.clone()
    return StepOutput(
        {name: term.clone() for name, term in output.terms.items()},
        {name: column.clone() for name, column in output.columns.items()},
        units=units,
    )


def _portable(output: StepOutput) -> dict[str, Any]:
    """What another rank needs of it, on the CPU; copies, for a part would take the whole along."""

    def copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}

    units = None if output.units is None else output.units.to("cpu", copy=True)
    return {"terms": copies(output.terms), "columns": copies(output.columns), "units": units}


def _received(said: Mapping[str, Any], device: torch.device) -> StepOutput:
    terms, columns = ({key: tensor.to(device) for key, tensor in said[name].items()} for name in ("terms", "columns"))
    return StepOutput(terms, columns, units=None if said["units"] is None else said["units"].to(device))


def figures_of(metrics: Mapping[str, Any]) -> dict[str, float]:
    """A task's metrics as plain numbers: what NumPy, torch and others take for one, no checkpoint could hold.

    Raises:
        TypeError: one is none, which is a mistake of the task.
    """
    figures: dict[str, float] = {}
    for name, value in metrics.items():
        try:
            figures[str(name)] = math.nan if value is None else float(value)
        except (TypeError, ValueError, OverflowError, RuntimeError) as err:
            raise TypeError(f"metrics: {name!r} is a {type(value).__name__}, not a number") from err
    return figures


def _add_terms(sums: dict[str, Tensor], output: StepOutput, size: int | Tensor) -> None:
    for name, term in output.terms.items():
        weighted = term.detach().double() * size if term.device.type != "mps" else term.detach() * size
        sums[name] = sums[name] + weighted if name in sums else weighted
