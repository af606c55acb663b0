"""A small task that uses everything a resume must restore: dropout, BatchNorm, augmentation, two terms, scalars."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from trainctl.engine.config.presets import About
from trainctl.engine.config.resolve import Resolved
from trainctl.engine.config.schema import RunConfig
from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.reader import RunReader
from trainctl.engine.tasks.task import Monitor, StepOutput, Task
from trainctl.engine.training.desk.run_writer import Ending
from trainctl.engine.training.session import Order, train

NUM_TRAIN, NUM_VAL, NUM_CLASSES = 90, 30, 3


class ToyTask(Task):
    """Three Gaussian blobs."""

    monitor: ClassVar[Monitor] = Monitor("accuracy", "max")

    def load(self) -> Splits:
        generator = torch.Generator().manual_seed(self.config.seed)

        def split(count: int) -> Split:
            y = torch.arange(count) % NUM_CLASSES
            x = torch.randn(count, 8, generator=generator) + y[:, None]
            return Split({"x": x, "y": y}, labels=y)

        return Splits(split(NUM_TRAIN), split(NUM_VAL), classes=("a", "b", "c"))

    def build_model(self, splits: Splits) -> nn.Module:
        return nn.Sequential(
            nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, NUM_CLASSES)
        )

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        noise = torch.randn(batch["x"].shape, generator=generator, device=batch["x"].device)
        return {**batch, "x": batch["x"] + 0.1 * noise}

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        logits = model(batch["x"])
        return StepOutput(
            terms={"ce": nn.functional.cross_entropy(logits, batch["y"]), "size": logits.square().mean()},
            columns={"hit": (logits.argmax(1) == batch["y"]).float()},
            scalars={"margin": logits.detach().amax(1).mean()},
        )

    def metrics(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        return {"accuracy": columns["hit"].mean().item()}


def resolved(**sections: Any) -> Resolved:
    """A configuration of the toy task; sections as plain mappings."""
    sections.setdefault("train", {"epochs": 4, "batch_size": 16})
    sections.setdefault("runtime", {"device": "cpu"})
    sections.setdefault("checkpoint", {"epoch_every_s": 0.0})
    config = RunConfig.model_validate({"task": "toy", **sections})
    return Resolved(config=config, sources={}, preset="toy", about=About(), scale="small")


def run_toy(
    root: Path,
    config: Resolved,
    *,
    resume: bool = False,
    task_type: type[Task] = ToyTask,
    commands: Sequence[tuple[str, dict[str, Any]]] = (),
    signal_at: int | None = None,
) -> Ending:
    """Train the toy task into `root` in this process."""
    from trainctl.engine.runs.commands import send_command

    root.mkdir(exist_ok=True)
    paths = RunPaths(root)

    def on_open(paths: RunPaths) -> None:
        for verb, args in commands:
            send_command(paths, verb, args)

    sent: list[int] = []

    def interrupt(step: int, *_: object) -> None:
        if step == signal_at and not sent:  # a second signal would end the process at once
            sent.append(step)
            os.kill(os.getpid(), signal.SIGTERM)

    order = Order(
        config,
        task_type,
        None,
        lambda: paths,
        is_resumed=resume,
        argv=["toy"],
        on_open=on_open,
        make_observer=None if signal_at is None else lambda splits: interrupt,
    )
    return train(order)


def reader_of(root: Path) -> RunReader:
    """A reader that has read everything."""
    reader = RunReader(RunPaths(root))
    reader.poll()
    return reader


class Poisoned(ToyTask):
    """The loss becomes NaN with the eighth batch."""

    def load(self) -> Any:
        self.count = 0
        return super().load()

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        output = super().step(model, batch)
        self.count += model.training
        if self.count < 8:
            return output
        return StepOutput({**output.terms, "ce": output.terms["ce"] * float("nan")}, output.columns, output.scalars)
