"""The `weld` task: binds data, network, loss and metrics of the four-modality contrastive embedding.

From the training optimisation summary and its update summary; knows nothing of the loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.data.samplers.classes import StratifiedSampler, make_sampler
from trainctl.engine.data.samplers.sampler import Sampler
from trainctl.engine.data.weld.load import load_weld, load_weld_labels
from trainctl.engine.data.weld.options import MODALITIES
from trainctl.engine.losses import supcon_bounds
from trainctl.engine.losses.gather import joined
from trainctl.engine.losses.supcon import anchor_losses, supcon
from trainctl.engine.models.weld.net import WeldNet
from trainctl.engine.runs.term_kinds import TermKind
from trainctl.engine.tasks import embedding_metrics
from trainctl.engine.tasks.classification import Answers
from trainctl.engine.tasks.task import Monitor, StepOutput, Task
from trainctl.engine.tasks.weld.config import WeldConfig

OF_PAIRS = frozenset({"supcon", "positives", "no_positive", "mean_cosine"})
"""Term and scalars that are of a batch as a whole."""
MAX_COMPARED = 8192
"""With more validation samples than this the worst are not looked for: every pair would have to be compared."""


class WeldTask(Task[WeldConfig]):
    """An embedding in which welds of one class lie together.

    Batches hold `video`, `image`, `audio`, `sensor` (float32, (B, rows, features), zeros where missing), `present`
    (bool, (B, 4)) and `labels` (int64, (B,)).
    """

    monitor: ClassVar[Monitor] = Monitor("knn_accuracy", "max")
    kinds: ClassVar[Mapping[str, TermKind]] = {"supcon": "supcon"}

    def __init__(self, config: WeldConfig, data_path: Path | None = None) -> None:
        super().__init__(config, data_path)
        self._classes: tuple[str, ...] = ()
        # Of the split whose sample losses were asked for last. Not a tensor of the task's own: no step reads it.
        self._centroids: Callable[[], Tensor] | None = None

    def load(self) -> Splits:
        """Read or draw the welds; validation batches are stratified."""
        config = self.config
        batch_size = config.train.validation_batch_size
        splits = load_weld(config.data, config.seed, self.data_path, val_batch_size=batch_size)
        self._classes = splits.classes
        return splits

    def load_labels(self) -> Splits | None:
        """What the manifest says, where features are missing."""
        if self.data_path is None:
            return None
        return load_weld_labels(self.config.data, self.config.seed, self.data_path)

    def build_model(self, splits: Splits) -> WeldNet:
        """A fresh network; its input scales are those of the training split, where that holds samples."""
        model = WeldNet(self.config.model, self.config.data, len(splits.classes) if self.config.loss.ce else None)
        if splits.train.tensors:
            model.fit_scales(splits.train.tensors)
        return model

    def sampler(self, split: Split) -> Sampler:
        """As `data.sampler` says."""
        assert split.labels is not None
        data, train = self.config.data, self.config.train
        return make_sampler(
            data.sampler,
            split.labels,
            train.batch_size,
            self.config.seed,
            per_class=data.per_class,
            drop_last=train.drop_last,
        )

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Noise on every array, and modalities hidden, as configured."""
        options = self.config.augment
        batch = dict(batch)
        if options.noise:
            for name in MODALITIES:
                noise = torch.empty_like(batch[name]).normal_(generator=generator)
                batch[name] = batch[name] + options.noise * noise
        if options.drop_modality:
            batch["present"] = _hidden(batch["present"], options.drop_modality, generator)
        return batch

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        """Terms `supcon` and, if configured, `ce`; columns `embedding` and `label`.

        Scalars: `positives` (mean positives of an anchor), `no_positive` (anchors without one), `mean_cosine`.
        """
        labels_B, embeddings_BE = batch["labels"], model(batch)
        result = supcon(joined(embeddings_BE), joined(labels_B), self.config.loss.temperature)
        terms = {"supcon": result.loss}
        if self.config.loss.ce:
            terms["ce"] = F.cross_entropy(_classifier(model)(embeddings_BE).float(), labels_B)
        return StepOutput(
            terms=terms,
            columns={"embedding": embeddings_BE.detach().float(), "label": labels_B},
            scalars={
                "positives": result.positives,
                "no_positive": result.no_positive,
                "mean_cosine": result.mean_cosine,
            },
            whole=OF_PAIRS,
        )

    def metrics(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        """Of a whole split, each sample judged by the others of the split (leave one out).

        `knn_accuracy` (k = 5, cosine), its `macro_f1`, `centroid_accuracy`, and over stratified batches of the
        training's size `supcon` and `supcon_normalised`: 0 is the least there can be, 1 what equal embeddings give.
        """
        embeddings_NE, labels_N = columns["embedding"], columns["label"]
        names = ("knn_accuracy", "macro_f1", "centroid_accuracy", "supcon", "supcon_normalised")
        if len(labels_N) < 2 or not bool(embeddings_NE.isfinite().all()):
            return dict.fromkeys(names, math.nan)
        knn = embedding_metrics.knn_classes(embeddings_NE, labels_N)
        accuracy, macro_f1 = embedding_metrics.accuracy_and_f1(knn, labels_N)
        centroid = embedding_metrics.centroid_classes(embeddings_NE, labels_N)
        loss, normalised = embedding_metrics.supcon_metrics(
            embeddings_NE, labels_N, self._batches(labels_N), self.config.loss.temperature
        )
        values = (accuracy, macro_f1, embedding_metrics.accuracy_and_f1(centroid, labels_N)[0], loss, normalised)
        return dict(zip(names, values, strict=True))

    def answers(self, columns: Mapping[str, Tensor]) -> Answers | None:
        """The class of most of each sample's five nearest others, as `knn_accuracy` counts; none: it has no others."""
        embeddings_NE, labels_N = columns["embedding"], columns["label"]
        if len(labels_N) < 2 or not bool(embeddings_NE.isfinite().all()):
            return None
        knn_N = embedding_metrics.knn_classes(embeddings_NE, labels_N)
        return Answers(labels_N.cpu().numpy(), knn_N.cpu().numpy())

    def constant_metrics(self, split: Split) -> Mapping[str, float]:
        """Of embeddings that are all the same: the share of the largest class, and ln(B−1) for the loss."""
        assert split.labels is not None
        share = float(torch.bincount(split.labels).max()) / len(split)
        num_classes = len(split.labels.unique())
        found = {
            "knn_accuracy": share,
            "centroid_accuracy": share,
            "macro_f1": 2 * share / (1 + share) / num_classes,
            "supcon": supcon_bounds.collapse_value(min(self.config.train.batch_size, len(split))),
            "supcon_normalised": 1.0,
        }
        if not self.config.loss.ce:
            sizes = [len(part) for part in split.labels.split(self.config.train.validation_batch_size)]
            value = sum(size * supcon_bounds.collapse_value(size) for size in sizes) / len(split)
            found["loss"] = self.config.loss_weights.get("supcon", 1.0) * value
        return found

    def sample_losses(self, columns: Mapping[str, Tensor]) -> Tensor | None:
        """Contrastive loss of each sample as an anchor among all of the split; 0 where it has no positive."""
        embeddings_NE, labels_N = columns["embedding"], columns["label"]
        if len(labels_N) > MAX_COMPARED:
            return None
        self._centroids = partial(embedding_metrics.centroids, embeddings_NE, labels_N)
        return anchor_losses(embeddings_NE, labels_N, self.config.loss.temperature)

    def describe_samples(self, columns: Mapping[str, Tensor]) -> Sequence[tuple[str, str]]:
        """The class, and the class whose mean direction in the split is nearest."""
        if self._centroids is None:
            return super().describe_samples(columns)
        units_NE = F.normalize(columns["embedding"], dim=1)
        nearest = (units_NE @ self._centroids().T.to(units_NE.device)).argmax(1).tolist()
        return [
            (self._word(truth), self._word(answer))
            for truth, answer in zip(columns["label"].tolist(), nearest, strict=True)
        ]

    def thumbnails(self, batch: Batch) -> Tensor | None:
        """There is nothing to see."""
        return None

    def _word(self, number: int) -> str:
        return self._classes[number] if number < len(self._classes) else f"class {number}"

    def _batches(self, labels_N: Tensor) -> list[Tensor]:
        """Stratified batches of a split, always the same; the whole split where it is smaller than one."""
        size = min(self.config.train.batch_size, len(labels_N))
        batches = StratifiedSampler(labels_N, size, self.config.seed).batches(0)
        return [rows.to(labels_N.device) for rows in batches]


def _classifier(model: nn.Module) -> nn.Module:
    return model.get_submodule("classifier")


def _hidden(present_B4: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """`present` with some modalities hidden; a sample that would lose all of them loses none."""
    drawn_B4 = torch.empty(present_B4.shape, device=present_B4.device).uniform_(generator=generator)
    left_B4 = present_B4 & (drawn_B4 >= probability)
    return torch.where(left_B4.any(1, keepdim=True), left_B4, present_B4)
