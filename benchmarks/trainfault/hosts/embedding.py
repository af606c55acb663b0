"""An embedding of digits in which those of a class lie together, trained by comparing all pairs of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.trainfault.host import Host, class_split
from benchmarks.trainfault.hosts.digits import CLASSES, NUM_EXAM, Mlp, digit_splits, digits
from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.losses.supcon import supcon
from trainctl.engine.tasks.embedding_metrics import knn_classes
from trainctl.engine.tasks.task import Monitor


class Embedding(Host):
    """Supervised contrastive learning (Khosla et al. 2020)."""

    name: ClassVar[str] = "embedding"
    says: ClassVar[str] = "embedding of 8×8 digits by SupCon, dense layers, AdamW with a warmup"
    is_held_out: ClassVar[bool] = False
    monitor: ClassVar[Monitor] = Monitor("knn_accuracy", "max")
    traits: ClassVar[frozenset[str]] = frozenset(
        ["labels", "floats", "relu", "adam", "vector", "contrastive", "dense", "scheduled"]
    )
    margin: ClassVar[float] = 0.02
    options: ClassVar[Mapping[str, Any]] = {
        "train.epochs": 16,
        "train.batch_size": 64,
        "optimizer.lr": 2e-3,
        "optimizer.weight_decay": 1e-4,
        "schedule.name": "cosine_warmup",
        "schedule.warmup_epochs": 1,
        "schedule.interval": "step",
        "schedule.eta_min": 1e-5,
    }
    temperature: ClassVar[float] = 0.2

    def healthy_splits(self) -> Splits:
        """897 digits to train, 400 to validate."""
        x, y = digits()
        train, val = digit_splits(self.config.seed)
        return Splits(class_split(x[train], y[train]), class_split(x[val], y[val]), CLASSES)

    def exam(self) -> Split:
        """500 further digits."""
        x, y = digits()
        return class_split(x[:NUM_EXAM], y[:NUM_EXAM])

    def healthy_network(self, splits: Splits) -> nn.Module:
        """64-64-64-16."""
        return Mlp(64, 64, 16)

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        """Embeddings of length 1, (B, E)."""
        return F.normalize(model(batch["x"]), dim=1)

    def terms(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """The contrastive loss."""
        return {"supcon": supcon(outputs, batch["y"], self.temperature).loss}

    def columns(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Embeddings and classes."""
        return {"z": outputs, "truth": batch["y"]}

    def figures(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        """Share of samples whose neighbours are of their class."""
        truth = columns["truth"]
        return {"knn_accuracy": (knn_classes(columns["z"], truth) == truth).float().mean().item()}
