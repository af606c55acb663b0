"""A plain loop on two networks: as it is, measured with nothing kept, watched, and with other tools recording the same.

The loop is the same in all; what differs is what stands around `optimizer.step()`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import trainctl
from benchmarks.gate import Gate
from benchmarks.mlp import BATCH_SIZE, LEARNING_RATE, NUM_CLASSES, blobs, network
from trainctl.engine.config.schema import RecordConfig
from trainctl.engine.training.record.gradients import GradientMeter

RECORD = RecordConfig()
Values = dict[str, float]
Record = Callable[[int, Values], None]


def conv_network() -> nn.Sequential:
    """Three convolutions with BatchNorm, some twenty milliseconds a step on one busy core."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, 8), (8, 16), (16, 32)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, NUM_CLASSES))


def data(kind: str) -> DataLoader[tuple[Tensor, ...]]:
    """Shuffled batches for a network."""
    if kind == "mlp":
        return DataLoader(TensorDataset(*blobs()), batch_size=BATCH_SIZE, shuffle=True, drop_last=True)
    generator = torch.Generator().manual_seed(0)
    y_N = torch.randint(NUM_CLASSES, (2048,), generator=generator)
    x_NCHW = torch.randn(2048, 3, 32, 32, generator=generator) + y_N[:, None, None, None] / NUM_CLASSES
    return DataLoader(TensorDataset(x_NCHW, y_N), batch_size=BATCH_SIZE, shuffle=True, drop_last=True)


def made(kind: str) -> tuple[nn.Sequential, torch.optim.AdamW]:
    """The network and its optimiser."""
    model = network() if kind == "mlp" else conv_network()
    return model, torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)


def _batches(gate: Gate, kind: str) -> Iterator[tuple[Tensor, Tensor]]:
    loader = data(kind)
    for _ in count():
        for x, y in loader:
            gate.pass_through()
            yield x, y


def plain(gate: Gate, kind: str) -> None:
    """Nothing measured or recorded."""
    model, optimizer = made(kind)
    for x, y in _batches(gate, kind):
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        optimizer.zero_grad()


def watched(gate: Gate, kind: str, root: Path) -> None:
    """`trainctl.watch(optimizer)` before the loop, and not a word within."""
    model, optimizer = made(kind)
    watch = trainctl.watch(optimizer, runs_dir=root)
    gate.settle = watch.flush
    for x, y in _batches(gate, kind):
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        optimizer.zero_grad()


def measured(gate: Gate, kind: str) -> None:
    """What a watch records, computed in the same way, and thrown away."""
    model, optimizer = made(kind)
    meter = GradientMeter({name: list(child.parameters()) for name, child in model.named_children()}, model)
    row = torch.zeros(len(meter.params) + 1)
    for step, (x, y) in enumerate(_batches(gate, kind), 1):
        started = time.perf_counter()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        has_ratio = step <= RECORD.dense_steps or step % RECORD.update_ratio_every == 0
        before = meter.weights_before() if has_ratio else []
        torch.stack([loss.detach(), *meter.norms()], out=row)  # pyright: ignore[reportCallIssue, reportArgumentType]
        np.bincount(y.numpy(), minlength=NUM_CLASSES)
        optimizer.step()
        if has_ratio:
            meter.update_ratio(before)
        optimizer.zero_grad()
        seconds = time.perf_counter() - started
        assert seconds >= 0


def recording(gate: Gate, kind: str, record: Record) -> None:
    """The same quantities as numbers, given to a tool at every step, as its documentation says."""
    model, optimizer = made(kind)
    groups = {name: list(child.parameters()) for name, child in model.named_children()}
    meter = GradientMeter(groups, model)
    for step, (x, y) in enumerate(_batches(gate, kind), 1):
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        has_ratio = step <= RECORD.dense_steps or step % RECORD.update_ratio_every == 0
        before = meter.weights_before() if has_ratio else []
        norms = meter.norms()
        parts = [torch.stack([n for n, of in zip(norms, meter.group_of, strict=True) if of == k]).norm()
                 for k in range(len(meter.groups))]  # fmt: skip
        numbers = torch.stack([loss.detach(), torch.stack(norms).norm(), *parts]).tolist()
        values = dict(zip(("loss", "grad_norm", *meter.groups), numbers, strict=True))
        values |= {f"class.{k}": float(n) for k, n in enumerate(np.bincount(y.numpy(), minlength=NUM_CLASSES))}
        optimizer.step()
        if has_ratio:
            values["update_ratio"] = float(meter.update_ratio(before))
        optimizer.zero_grad()
        record(step, values | {"lr": LEARNING_RATE})


def tensorboard(gate: Gate, kind: str, root: Path) -> None:
    """`SummaryWriter.add_scalar` for each value."""
    from torch.utils.tensorboard.writer import SummaryWriter

    writer: Any = SummaryWriter(str(root))

    def record(step: int, values: Values) -> None:
        for name, value in values.items():
            writer.add_scalar(name, value, step)

    gate.settle = writer.flush
    recording(gate, kind, record)


def wandb(gate: Gate, kind: str, root: Path) -> None:
    """`run.log` in offline mode."""
    import wandb as library  # pyright: ignore[reportMissingImports]

    module: Any = library
    root.mkdir(parents=True)
    settings = module.Settings(silent=True, console="off", mode="offline")
    run = module.init(project="benchmark", dir=str(root), settings=settings)
    recording(gate, kind, lambda step, values: run.log(values, step=step))


def trackio(gate: Gate, kind: str, root: Path) -> None:
    """`trackio.log` into its own SQLite file."""
    os.environ["TRACKIO_DIR"] = str(root)
    import trackio as library  # pyright: ignore[reportMissingImports]

    module: Any = library
    module.init(project="benchmark", embed=False)
    recording(gate, kind, lambda step, values: module.log(values, step=step))
