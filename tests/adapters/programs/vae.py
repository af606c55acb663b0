"""A variational autoencoder of handwritten digits: reconstruction and divergence, summed over the batch.

`--fault`: lr, no_zero_grad, frozen, sorted.
"""

from __future__ import annotations

import argparse

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset


class VAE(nn.Module):
    """64 pixels, 8 latent numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 16))
        self.decoder = nn.Sequential(nn.Linear(8, 128), nn.ReLU(), nn.Linear(128, 64))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the pixels, mean and logarithm of the variance."""
        mean, log_variance = self.encoder(x).chunk(2, 1)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return self.decoder(z), mean, log_variance


def losses(x: Tensor, answer: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Reconstruction and divergence, sums over the batch."""
    logits, mean, log_variance = answer
    reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    return reconstruction, -0.5 * (1 + log_variance - mean.pow(2) - log_variance.exp()).sum()


def main() -> None:
    """Train and test."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--watch", action="store_true")
    parser.add_argument("--fault", default="")
    parser.add_argument("--epochs", type=int, default=15)
    args = parser.parse_args()
    torch.manual_seed(1)
    pixels, digit = load_digits(return_X_y=True)
    x, y = torch.tensor(pixels, dtype=torch.float32) / 16, torch.tensor(digit)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    train, test = order[:1437], order[1437:]
    if args.fault == "sorted":
        train = train[y[train].argsort()]
    loader = DataLoader(TensorDataset(x[train]), batch_size=32, shuffle=args.fault != "sorted")
    model = VAE()
    if args.fault == "frozen":
        for p in model.decoder.parameters():
            p.requires_grad = False
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3 * (100 if args.fault == "lr" else 1))
    watch = None
    if args.watch:
        import trainctl

        watch = trainctl.watch(optimizer, epochs=args.epochs)
    for epoch in range(1, args.epochs + 1):
        model.train()
        total = 0.0
        for (batch,) in loader:
            if args.fault != "no_zero_grad":
                optimizer.zero_grad()
            reconstruction, divergence = losses(batch, model(batch))
            loss = reconstruction + divergence
            loss.backward()
            total += loss.item()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            held_out = sum(losses(x[test], model(x[test]))).item() / len(test)  # pyright: ignore[reportAttributeAccessIssue]
        print(f"====> Epoch: {epoch} Average loss: {total / len(train):.4f}, test {held_out:.4f}", flush=True)  # noqa: T201
        if watch is not None:
            watch.validation({"loss": held_out}, epoch)


if __name__ == "__main__":
    main()
