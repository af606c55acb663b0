"""One line for the trainer of transformers: `python docs/examples/watch_transformers.py`, then `trainctl ui latest`."""

# pyright: reportMissingImports=false
from tempfile import mkdtemp
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import Trainer, TrainingArguments

from trainctl.adapters.transformers import TrainctlCallback


class Digits(nn.Module):
    """A network of two layers, as the trainer wants one: it gives its loss and its logits."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))

    def forward(self, pixels: Tensor, labels: Tensor) -> dict[str, Tensor]:
        logits = self.net(pixels)
        return {"loss": cross_entropy(logits, labels), "logits": logits}


def accuracy(answers: Any) -> dict[str, float]:
    """Share of right answers."""
    return {"accuracy": float((answers.predictions.argmax(-1) == answers.label_ids).mean())}


found: Any = load_digits()
pixels = torch.tensor(found.data, dtype=torch.float32) / 16
rows = [{"pixels": row, "labels": int(digit)} for row, digit in zip(pixels, found.target, strict=True)]
options: dict[str, Any] = {"num_train_epochs": 10, "learning_rate": 3e-3, "eval_strategy": "epoch", "report_to": []}
arguments = TrainingArguments(mkdtemp(), per_device_train_batch_size=64, save_strategy="no", **options)
callbacks = [TrainctlCallback()]
Trainer(Digits(), arguments, None, rows[:1400], rows[1400:], compute_metrics=accuracy, callbacks=callbacks).train()
