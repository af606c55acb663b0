"""The MLP under Hugging Face Accelerate, recording the same quantities with its TensorBoard tracker."""

# pyright: reportMissingImports=false
from __future__ import annotations

import time
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.gate import Gate
from benchmarks.mlp import LEARNING_RATE, network
from benchmarks.mlp_plain import loader, measured, update_ratio, weights_before


def accelerate(gate: Gate, device: str, root: Path) -> None:
    """The loop."""
    from accelerate import Accelerator

    accelerator: Any = Accelerator(log_with="tensorboard", project_dir=str(root), cpu=device == "cpu")
    accelerator.init_trackers("benchmark")
    model: Any = network()
    optimizer: Any = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    model, optimizer, batches = accelerator.prepare(model, optimizer, loader())
    step = 0
    for _ in count():
        for x, y in batches:
            gate.pass_through()
            started = time.perf_counter()
            loss = nn.functional.cross_entropy(model(x), y)
            accelerator.backward(loss)
            step += 1
            values = measured(loss, model, y)
            before = weights_before(model, step)
            optimizer.step()
            values |= update_ratio(model, before)
            optimizer.zero_grad()
            values |= {"lr": LEARNING_RATE, "step_s": time.perf_counter() - started}
            accelerator.log(values, step=step)
