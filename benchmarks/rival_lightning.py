"""The MLP under Lightning, logging the same quantities at every step."""

# pyright: reportMissingImports=false
from __future__ import annotations

import logging
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.gate import Gate
from benchmarks.mlp import LEARNING_RATE, network
from benchmarks.mlp_plain import loader, measured, update_ratio, weights_before


def lightning_csv(gate: Gate, device: str, root: Path) -> None:
    """With the CSV logger."""
    from lightning.pytorch.loggers import CSVLogger

    _fit(gate, device, root, CSVLogger(str(root)))


def lightning_tensorboard(gate: Gate, device: str, root: Path) -> None:
    """With the TensorBoard logger."""
    from lightning.pytorch.loggers import TensorBoardLogger

    _fit(gate, device, root, TensorBoardLogger(str(root)))


def _fit(gate: Gate, device: str, root: Path, logger: Any) -> None:
    """`Trainer.fit`; progress bar, checkpoints and model summary are off."""
    import lightning

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    library: Any = lightning
    trainer = library.Trainer(
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=1,
        max_epochs=-1,
        logger=logger,
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=str(root),
    )
    trainer.fit(_module(library.LightningModule)(gate), loader())


def _module(base: Any) -> Any:
    """The class; its base is only there once Lightning is imported."""

    class Mlp(base):
        def __init__(self, gate: Gate) -> None:
            super().__init__()
            self.network, self.gate = network(), gate
            self.before: list[Tensor] = []

        def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
            del batch_idx
            self.gate.pass_through()
            self.started = time.perf_counter()
            x, self.y = batch
            self.loss = nn.functional.cross_entropy(self.network(x), self.y)
            return self.loss

        def on_before_optimizer_step(self, optimizer: Any) -> None:
            del optimizer
            self.log_dict(measured(self.loss, self.network, self.y))
            self.before = weights_before(self.network, self.global_step + 1)

        def on_train_batch_end(self, *arguments: Any) -> None:
            del arguments
            values = {"lr": LEARNING_RATE, "step_s": time.perf_counter() - self.started}
            self.log_dict(values | update_ratio(self.network, self.before))

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.AdamW(self.parameters(), lr=LEARNING_RATE)

    return Mlp
