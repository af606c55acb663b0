"""Other tools recording the same quantities of the MLP at every step. Each is optional: what is not installed is
named, not required (`pip install -c constraints.txt -e .[bench]`).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.contender import Entry
from benchmarks.gate import Gate
from benchmarks.mlp_plain import Values, recording
from benchmarks.rival_accelerate import accelerate
from benchmarks.rival_lightning import lightning_csv, lightning_tensorboard

FEW = ("loss", "lr", "grad_norm")
Run = Callable[[Gate, str, Path], None]


def tensorboard(gate: Gate, device: str, root: Path) -> None:
    """`SummaryWriter.add_scalar` for each value."""
    _tensorboard(gate, device, root, few=False)


def tensorboard_few(gate: Gate, device: str, root: Path) -> None:
    """Loss, learning rate and gradient norm only: what people content themselves with."""
    _tensorboard(gate, device, root, few=True)


def _tensorboard(gate: Gate, device: str, root: Path, *, few: bool) -> None:
    from torch.utils.tensorboard.writer import SummaryWriter

    writer: Any = SummaryWriter(str(root))

    def record(step: int, values: Values) -> None:
        for name in FEW if few else values:
            writer.add_scalar(name, values[name], step)

    gate.settle = writer.flush
    recording(gate, device, record)


def wandb(gate: Gate, device: str, root: Path) -> None:
    """`run.log` in offline mode."""
    import wandb as library  # pyright: ignore[reportMissingImports]

    module: Any = library
    root.mkdir(parents=True)
    settings = module.Settings(silent=True, console="off", mode="offline")
    run = module.init(project="benchmark", dir=str(root), settings=settings)

    def record(step: int, values: Values) -> None:
        run.log(values, step=step)

    recording(gate, device, record)


RIVALS: tuple[tuple[str, str, Run, tuple[str, ...]], ...] = (
    ("tensorboard_few", "plain + TensorBoard, 3 of 17 values", tensorboard_few, ("tensorboard",)),
    ("tensorboard", "plain + TensorBoard, all values", tensorboard, ("tensorboard",)),
    ("wandb", "plain + W&B, offline", wandb, ("wandb",)),
    ("accelerate", "Accelerate + TensorBoard tracker", accelerate, ("accelerate", "tensorboard")),
    ("lightning_csv", "Lightning + CSV logger", lightning_csv, ("lightning",)),
    ("lightning_tensorboard", "Lightning + TensorBoard logger", lightning_tensorboard, ("lightning", "tensorboard")),
)
"""Key, label, loop, and the modules it needs."""

QUIET = (("WANDB_MODE", "offline"), ("WANDB_SILENT", "true"), ("WANDB_CONSOLE", "off"), ("TF_CPP_MIN_LOG_LEVEL", "3"))


def rivals(device: str, root: Path, threads: int | None) -> tuple[list[Entry], list[str]]:
    """Those that are installed, and a line for each that is not."""
    ready: list[Entry] = []
    missing: list[str] = []
    for key, label, run, modules in RIVALS:
        absent = [name for name in modules if importlib.util.find_spec(name) is None]
        if absent:
            missing.append(f"{label}: not installed ({', '.join(absent)})")
        else:
            ready.append(Entry(key, label, run, (device, root / key), threads, QUIET))
    return ready, missing
