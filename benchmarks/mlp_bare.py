"""The MLP on the engine's means (data on the device, fused AdamW), written out without the engine's loop.

Three variants of one loop: nothing measured; all measured that the recorder keeps, and thrown away; recorded.
The second against the third is what recording costs.
"""

from __future__ import annotations

import math
import time
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.gate import Gate
from benchmarks.mlp import BATCH_SIZE, LEARNING_RATE, NUM_CLASSES, NUM_SAMPLES, blobs, network
from trainctl.engine.config.schema import RecordConfig
from trainctl.engine.data.samplers.sampler import RandomSampler
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.training.desk.run_writer import RunWriter
from trainctl.engine.training.desk.scribe import Scribe
from trainctl.engine.training.record.assemble import HostRow, RowPlan
from trainctl.engine.training.record.gradients import GradientMeter
from trainctl.engine.training.record.recorder import Recorder

RECORD = RecordConfig()


def unmeasured(gate: Gate, device: str) -> None:
    """Nothing measured."""
    model = network().to(device)
    _train(gate, model, _meter(model), device, measure=False, recorder=None)


def measured(gate: Gate, device: str) -> None:
    """Measured at every step, and thrown away."""
    model = network().to(device)
    _train(gate, model, _meter(model), device, measure=True, recorder=None)


def recorded(gate: Gate, device: str, root: Path) -> None:
    """Measured and recorded in the new directory `root`."""
    model = network().to(device)
    meter, scribe = _meter(model), Scribe()
    root.mkdir(parents=True)
    scribe.start()
    plan, writer = _plan(meter), RunWriter(RunPaths(root))
    recorder = Recorder(writer.records(plan.layout, None), plan, torch.device(device), scribe)
    writer.begin_posting()

    def settle() -> None:
        recorder.flush()
        writer.deliver(60.0)

    gate.settle = settle
    _train(gate, model, meter, device, measure=True, recorder=recorder)


def _meter(model: nn.Module) -> GradientMeter:
    return GradientMeter({name: list(child.parameters()) for name, child in model.named_children()}, model)


def _plan(meter: GradientMeter) -> RowPlan:
    classes = tuple(f"class{k}" for k in range(NUM_CLASSES))
    layout = RecordLayout(terms=("ce",), groups=tuple(meter.groups), classes=classes)
    return RowPlan(layout, tuple(meter.group_of), has_amp_scale=False, labels=blobs()[1].numpy())


def _train(
    gate: Gate, model: nn.Module, meter: GradientMeter, device: str, *, measure: bool, recorder: Recorder | None
) -> None:
    x, y = blobs()
    labels = y.numpy()
    x, y = x.to(device), y.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, fused=True)
    sampler = RandomSampler(NUM_SAMPLES, BATCH_SIZE, seed=0)
    step = 0
    for epoch in count():
        for indices in sampler.batches(epoch):
            gate.pass_through()
            started = time.perf_counter()
            on_device = indices.to(device, non_blocking=True)
            x_BF, y_B = x.index_select(0, on_device), y.index_select(0, on_device)
            ready = time.perf_counter()
            loss = nn.functional.cross_entropy(model(x_BF), y_B)
            loss.backward()
            step += 1

            has_ratio = measure and (step <= RECORD.dense_steps or step % RECORD.update_ratio_every == 0)
            before = meter.weights_before() if has_ratio else []
            if recorder is not None:
                recorder.write([loss.detach(), *meter.norms()])
            elif measure:
                _measure(meter, labels, indices)
            optimizer.step()
            if has_ratio:
                ratio = meter.update_ratio(before)
                if recorder is not None:
                    recorder.annotate(ratio)
            optimizer.zero_grad(set_to_none=True)

            if recorder is not None:
                recorder.commit(_note(step, epoch, indices, started, ready, has_ratio=has_ratio))


def _measure(meter: GradientMeter, labels: np.ndarray[Any, np.dtype[np.int64]], indices: Tensor) -> None:
    """Total norm (on the device) and class counts (on the host, which is cheapest)."""
    torch.stack(meter.norms()).norm()
    np.bincount(labels[indices.numpy()], minlength=NUM_CLASSES)


def _note(step: int, epoch: int, indices: Tensor, started: float, ready: float, *, has_ratio: bool) -> HostRow:
    return HostRow(
        step=step,
        epoch=epoch + 1,
        time=time.time(),
        data_s=ready - started,
        step_s=time.perf_counter() - started,
        lr=(LEARNING_RATE,),
        weights=(1.0,),
        clip=math.nan,
        batch_size=BATCH_SIZE,
        ratio_measured=has_ratio,
        indices=[indices.numpy()],
    )
