"""Handwritten digits by a small convolutional network, in two functions and a schedule, as the first example of many.

`--fault`: lr, labels, no_zero_grad, frozen, left_out, sorted, softmax, evaluation.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    """Two convolutions and two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 32, 3, padding=1)
        self.dropout = nn.Dropout(0.25)
        self.fc1, self.fc2 = nn.Linear(512, 64), nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Logarithms of the classes' probabilities."""
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        x = self.dropout(F.max_pool2d(x, 2)).flatten(1)
        return F.log_softmax(self.fc2(self.dropout(F.relu(self.fc1(x)))), dim=1)


def data(fault: str) -> tuple[TensorDataset, TensorDataset]:
    """For training and for the test."""
    x, y = load_digits(return_X_y=True)
    images, labels = torch.tensor(x, dtype=torch.float32).view(-1, 1, 8, 8) / 16, torch.tensor(y)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    train, test = order[:1437], order[1437:]
    if fault == "labels":
        labels[train] = labels[train][torch.randperm(len(train))]
    if fault == "sorted":
        train = train[labels[train].argsort()]
    return TensorDataset(images[train], labels[train]), TensorDataset(images[test], labels[test])


def train(args: Any, model: nn.Module, loader: DataLoader[Any], optimizer: Any, epoch: int) -> None:
    """One epoch."""
    if args.fault != "evaluation" or epoch == 1:
        model.train()
    for number, (x, y) in enumerate(loader):
        if args.fault != "no_zero_grad":
            optimizer.zero_grad()
        answers = model(x)
        loss = F.cross_entropy(answers.softmax(1), y) if args.fault == "softmax" else F.nll_loss(answers, y)
        loss.backward()
        optimizer.step()
        if number % 20 == 0:
            print(f"Train Epoch: {epoch} [{number}/{len(loader)}]\tLoss: {loss.item():.6f}", flush=True)  # noqa: T201


def test(model: nn.Module, loader: DataLoader[Any]) -> dict[str, float]:
    """Loss and accuracy."""
    model.eval()
    loss, correct, count = 0.0, 0, 0
    with torch.no_grad():
        for x, y in loader:
            answers = model(x)
            loss += F.nll_loss(answers, y, reduction="sum").item()
            correct += int((answers.argmax(1) == y).sum())
            count += len(y)
    print(f"\nTest set: Average loss: {loss / count:.4f}, Accuracy: {correct}/{count}\n", flush=True)  # noqa: T201
    return {"accuracy": correct / count, "loss": loss / count}


def main() -> None:
    """Train and test."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--watch", action="store_true")
    parser.add_argument("--fault", default="")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--lr", type=float, default=1.0)
    args = parser.parse_args()
    torch.manual_seed(1)
    training, held_out = data(args.fault)
    loader = DataLoader(training, batch_size=32, shuffle=args.fault != "sorted")
    model = Net()
    if args.fault == "frozen":
        for p in (*model.conv1.parameters(), *model.conv2.parameters(), *model.fc1.parameters()):
            p.requires_grad = False
    trained = model.fc2.parameters() if args.fault == "left_out" else model.parameters()
    optimizer = torch.optim.Adadelta(trained, lr=args.lr * (100 if args.fault == "lr" else 1))
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.8)
    watch = None
    if args.watch:
        import trainctl

        watch = trainctl.watch(optimizer, epochs=args.epochs, config=vars(args))
    for epoch in range(1, args.epochs + 1):
        train(args, model, loader, optimizer, epoch)
        metrics = test(model, DataLoader(held_out, batch_size=360))
        if watch is not None:
            watch.validation(metrics, epoch)
        schedule.step()


if __name__ == "__main__":
    main()
