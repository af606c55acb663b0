"""Handwritten digits in a Lightning module.

`--fault`: lr, labels, no_zero_grad, frozen, sorted.
"""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false
from __future__ import annotations

import argparse
import logging
import warnings
from typing import Any

import lightning.pytorch as lightning
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset


class Classifier(lightning.LightningModule):
    """Three layers with normalisation."""

    def __init__(self, lr: float, fault: str) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.backbone = nn.Sequential(
            nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU()
        )
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        return self.head(self.backbone(x))

    def training_step(self, batch: Any) -> Tensor:
        """Loss of a batch."""
        loss = cross_entropy(self(batch[0]), batch[1])
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: Any) -> None:
        """Loss and accuracy."""
        logits = self(batch[0])
        self.log("val_loss", cross_entropy(logits, batch[1]))
        self.log("val_acc", (logits.argmax(1) == batch[1]).float().mean())

    def optimizer_zero_grad(self, *args: Any) -> None:
        """Gradients begin anew."""
        if self.hparams["fault"] != "no_zero_grad":
            super().optimizer_zero_grad(*args)

    def configure_optimizers(self) -> Any:
        """With a cosine."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.hparams["lr"])
        return [optimizer], [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, int(self.trainer.max_epochs or 1))]


def main() -> None:
    """Fit."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--watch", action="store_true")
    parser.add_argument("--fault", default="")
    parser.add_argument("--epochs", type=int, default=12)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    lightning.seed_everything(0, verbose=False)
    x, y = load_digits(return_X_y=True)
    images, labels = torch.tensor(x, dtype=torch.float32) / 16, torch.tensor(y)
    order = torch.randperm(len(labels))
    train, test = order[:1437], order[1437:]
    if args.fault == "labels":
        labels[train] = labels[train][torch.randperm(len(train))]
    if args.fault == "sorted":
        train = train[labels[train].argsort()]
    module = Classifier(3e-3 * (100 if args.fault == "lr" else 1), args.fault)
    if args.fault == "frozen":
        module.backbone.requires_grad_(False)
    callbacks: list[Any] = []
    if args.watch:
        from trainctl.adapters.lightning import TrainctlCallback

        callbacks.append(TrainctlCallback())
    trainer = lightning.Trainer(
        max_epochs=args.epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        callbacks=callbacks,
    )
    loader = DataLoader(TensorDataset(images[train], labels[train]), batch_size=32, shuffle=args.fault != "sorted")
    trainer.fit(module, loader, DataLoader(TensorDataset(images[test], labels[test]), batch_size=360))
    print({name: round(float(value), 4) for name, value in trainer.callback_metrics.items()}, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
