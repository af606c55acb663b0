"""Digits made again from eight numbers: a variational autoencoder (Kingma & Welling 2014)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from benchmarks.trainfault.host import Host
from benchmarks.trainfault.hosts.digits import NUM_EXAM, digit_splits, digits
from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.tasks.task import Monitor

LATENT = 8
Answer = tuple[Tensor, Tensor, Tensor]
"""Pixels, mean and logarithm of the variance."""


class Vae(Host):
    """Dense encoder and decoder."""

    name: ClassVar[str] = "vae"
    says: ClassVar[str] = "variational autoencoder of 8×8 digits, dense layers, Adam at a constant rate"
    is_held_out: ClassVar[bool] = True
    monitor: ClassVar[Monitor] = Monitor("error", "min")
    traits: ClassVar[frozenset[str]] = frozenset(["floats", "relu", "adam", "vector", "generative", "terms", "dense"])
    margin: ClassVar[float] = 0.05
    options: ClassVar[Mapping[str, Any]] = {
        "train.epochs": 20,
        "train.batch_size": 32,
        "optimizer.name": "adam",
        "optimizer.lr": 2e-3,
    }

    def healthy_splits(self) -> Splits:
        """897 digits to train, 400 to validate; nobody is told their classes."""
        x, _ = digits()
        train, val = digit_splits(self.config.seed)
        return Splits(Split({"x": x[train]}), Split({"x": x[val]}))

    def exam(self) -> Split:
        """500 further digits."""
        return Split({"x": digits()[0][:NUM_EXAM]})

    def healthy_network(self, splits: Splits) -> nn.Module:
        """64-96-8-96-64."""
        return Autoencoder(64, 96, LATENT)

    def forward(self, model: nn.Module, batch: Batch) -> Answer:
        """What was made of the digits."""
        return model(batch["x"])

    def terms(self, outputs: Answer, batch: Batch) -> dict[str, Tensor]:
        """Squared error of a digit, and the divergence of its code from the prior."""
        made, mean, log_variance = outputs
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
        return {"recon": 8 * (made - batch["x"]).square().sum(1).mean(), "kl": divergence.mean()}

    def columns(self, outputs: Answer, batch: Batch) -> dict[str, Tensor]:
        """Mean squared error of each digit."""
        return {"error": (outputs[0] - batch["x"]).square().mean(1)}

    def figures(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        """Root of the mean squared error of a pixel, as a share of its deviation."""
        return {"error": columns["error"].mean().sqrt().item() / float(digits()[0].std(0).square().mean().sqrt())}


class Autoencoder(nn.Module):
    """The code is drawn in training, and is its mean in evaluation."""

    def __init__(self, inputs: int, width: int, latent: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(inputs, width), nn.ReLU())
        self.mean, self.spread = nn.Linear(width, latent), nn.Linear(width, latent)
        self.decoder = nn.Sequential(nn.Linear(latent, width), nn.ReLU(), nn.Linear(width, inputs))

    def forward(self, x: Tensor) -> Answer:
        hidden = self.encoder(x)
        mean, log_variance = self.mean(hidden), self.spread(hidden)
        noise = torch.randn_like(mean) if self.training else torch.zeros_like(mean)
        return self.decoder(mean + noise * (0.5 * log_variance).exp()), mean, log_variance
