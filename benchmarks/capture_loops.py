"""Loops to hold a captured step against: a user's own, one as OCEC trains, and the engine's parts without records.

Each trains one system's task on its own data; only how the step is made differs. Knows no table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.gate import Gate
from trainctl.engine.config.schema import RunConfig
from trainctl.engine.data.batch import Batch
from trainctl.engine.data.feed import Feed
from trainctl.engine.optim.dials import Dials, give_rates
from trainctl.engine.tasks.task import Task
from trainctl.engine.training.capture.recording import make_recording
from trainctl.engine.training.capture.replayer import Replayer
from trainctl.engine.training.loop.step import initial_weights, weighted_sum
from trainctl.engine.training.setup import Assembly, assemble_run


def plain(gate: Gate, config: RunConfig, task_type: type[Task]) -> None:
    """As in a tutorial: a DataLoader over tensors, shuffled, torch's own AdamW, the loss read at each step."""
    parts = _assembled(config, task_type, channels_last=False)
    tensors = dict(parts.splits.train.tensors)
    rows: Any = TensorDataset(*(tensor.cpu() for tensor in tensors.values()))
    on_gpu = parts.device.type == "cuda"
    batches: Any = DataLoader(rows, config.train.batch_size, shuffle=True, drop_last=True, pin_memory=on_gpu)

    def endless() -> Iterator[Batch]:
        for _ in count():
            for batch in batches:
                yield {
                    name: part.to(parts.device, non_blocking=True) for name, part in zip(tensors, batch, strict=True)
                }

    _train(gate, parts, endless())


def contiguous(gate: Gate, config: RunConfig, task_type: type[Task]) -> None:
    """As OCEC trains, but with its data on the device: float32, contiguous, torch's own AdamW, the loss read."""
    parts = _assembled(config, task_type, channels_last=False)
    _train(gate, parts, _resident(parts))


def _train(gate: Gate, parts: Assembly, batches: Iterator[Batch]) -> None:
    state, task = parts.state, parts.task
    optimizer = torch.optim.AdamW(state.model.parameters(), lr=state.plan.peak)
    weights: dict[str, float] = {}
    running = 0.0
    for batch in batches:
        gate.pass_through()
        terms = task.step(state.model, task.augment(task.prepare(batch), state.generator)).terms
        weights = weights or initial_weights(task, terms, {})
        loss = weighted_sum(terms, weights)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running += loss.item()


def unrecorded(gate: Gate, config: RunConfig, task_type: type[Task]) -> None:
    """The engine's parts as one graph a step, without norms, guard and records: what recording is held against."""
    parts = _assembled(config, task_type, channels_last=True)
    state, task, optimizer = parts.state, parts.task, parts.state.optimizer
    recording = make_recording(parts.device, [state.generator])
    feed, dials, weights = Feed(parts.splits.train, parts.device), Dials(parts.device), dict[str, float]()
    dials.set("rate", state.plan.peak)
    if recording is not None:
        give_rates(optimizer, [dials["rate"]] * len(optimizer.param_groups))

    def body(handles: Sequence[Mapping[str, Tensor]]) -> None:
        batch = task.augment(task.prepare(feed.open(dict(handles[0]))), state.generator)
        terms = task.step(state.model, batch).terms
        weights.update(weights or initial_weights(task, terms, {}))
        weighted_sum(terms, weights).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if state.ema is not None:
            state.ema.move(dials["average"])

    dials.set("average", 1e-3)
    replayer = None if recording is None else Replayer(recording, [state.model, task], optimizer, print)
    for epoch in count():
        for handle in feed.handles(task.sampler(parts.splits.train).batches(epoch)):
            gate.pass_through()
            if replayer is None:
                body([handle])
            else:
                replayer.run("step", [handle], body)


def _assembled(config: RunConfig, task_type: type[Task], *, channels_last: bool) -> Assembly:
    precision = config.precision.model_copy(update={"channels_last": channels_last})
    parts = assemble_run(config.model_copy(update={"precision": precision}), task_type, None)
    parts.state.model.train()
    return parts


def _resident(parts: Assembly) -> Iterator[Batch]:
    feed, sampler = Feed(parts.splits.train, parts.device), parts.task.sampler(parts.splits.train)
    for epoch in count():
        yield from feed.batches(sampler.batches(epoch))
