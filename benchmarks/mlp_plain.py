"""The MLP as most people would write it: DataLoader, AdamW with its defaults. Optionally measures what the recorder
keeps and hands it, as numbers, to whatever records it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.gate import Gate
from benchmarks.mlp import BATCH_SIZE, LEARNING_RATE, NUM_CLASSES, blobs, network
from trainctl.engine.config.schema import RecordConfig

Values = dict[str, float]
Record = Callable[[int, Values], None]
RECORD = RecordConfig()


def loader() -> DataLoader[tuple[Tensor, ...]]:
    """Shuffled batches."""
    return DataLoader(TensorDataset(*blobs()), batch_size=BATCH_SIZE, shuffle=True, drop_last=True)


def plain(gate: Gate, device: str) -> None:
    """Nothing measured or recorded."""
    model, batches = network().to(device), loader()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    for _ in count():
        for x, y in batches:
            gate.pass_through()
            loss = nn.functional.cross_entropy(model(x.to(device)), y.to(device))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()


def computed(gate: Gate, device: str) -> None:
    """Every step measured, nothing recorded."""
    recording(gate, device, _drop)


def recording(gate: Gate, device: str, record: Record) -> None:
    """Every step measured, and `record(step, values)` called."""
    model, batches = network().to(device), loader()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    step = 0
    for _ in count():
        for x, y in batches:
            gate.pass_through()
            started = time.perf_counter()
            loss = nn.functional.cross_entropy(model(x.to(device)), y.to(device))
            loss.backward()
            step += 1
            values = measured(loss, model, y)
            before = weights_before(model, step)
            optimizer.step()
            values |= update_ratio(model, before)
            optimizer.zero_grad()
            record(step, values | {"lr": LEARNING_RATE, "step_s": time.perf_counter() - started})


def measured(loss: Tensor, model: nn.Module, y: Tensor) -> Values:
    """Loss, gradient norm in all and by layer, class counts; one transfer from the device."""
    layers = [
        torch.stack([p.grad.norm() for p in layer.parameters() if p.grad is not None]).norm()
        for layer in model.modules()
        if isinstance(layer, nn.Linear)
    ]
    numbers = torch.stack([loss.detach(), torch.stack(layers).norm(), *layers]).tolist()
    names = ("loss", "grad_norm", *(f"grad_norm.{index}" for index in range(len(layers))))
    counts = torch.bincount(y.cpu(), minlength=NUM_CLASSES).tolist()
    return dict(zip(names, numbers, strict=True)) | {f"class.{k}": float(n) for k, n in enumerate(counts)}


def weights_before(model: nn.Module, step: int) -> list[Tensor]:
    """Copies of the weights, at the steps at which the engine measures the update ratio too."""
    if step > RECORD.dense_steps and step % RECORD.update_ratio_every:
        return []
    return [p.detach().clone() for p in model.parameters()]


def update_ratio(model: nn.Module, before: list[Tensor]) -> Values:
    """|change| / |weights|, or nothing where no copies were made."""
    if not before:
        return {}
    change = [(p.detach() - old).norm() for p, old in zip(model.parameters(), before, strict=True)]
    size = torch.stack([old.norm() for old in before]).norm()
    return {"update_ratio": (torch.stack(change).norm() / size).item()}


def _drop(step: int, values: Values) -> None:
    del step, values
