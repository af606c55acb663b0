"""The `quality` task: binds data, network, loss terms and metrics of image quality on a Gaussian mixture layer.

From the training improvement notes on distortions and a mixture layer; knows nothing of the loop.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainctl.engine.data.augment.crop import random_window
from trainctl.engine.data.batch import Batch, Split, Splits, with_float_images
from trainctl.engine.data.distortions.table import LEVELS
from trainctl.engine.data.image_files import SUFFIXES
from trainctl.engine.data.placement import making_device
from trainctl.engine.data.quality.load import describe_type, load_quality, read_photographs
from trainctl.engine.errors import UserError
from trainctl.engine.losses.clustering import balance_loss, balance_loss_over_average, cluster_loss, entropy_loss
from trainctl.engine.losses.gather import joined
from trainctl.engine.models.quality.net import LEAST_IMAGE_SIZE, QualityNet
from trainctl.engine.tasks import regression_metrics
from trainctl.engine.tasks.quality import refit
from trainctl.engine.tasks.quality.config import QualityConfig
from trainctl.engine.tasks.task import Monitor, StepOutput, Task, Turn

AVERAGE = "balance_average"
"""Buffer of the network: moving average of the mean posterior, where the loss is over that."""
CHUNK = 256
"""Pictures that go through the untrained network at once."""
WEIGHTS = {"quality": 1.0, "cluster": 0.1, "balance": 1.0, "entropy": 0.1}
"""Of the document's recommended configuration."""
KIND_WEIGHT = 0.1
"""Of the term that the document does not have."""


class QualityTask(Task[QualityConfig]):
    """The opinion score of a picture, 0 (bad) to 1 (pristine).

    Batches hold `images` (uint8 as stored, float in [0, 1] once prepared, (B, 3, S, S)), `score` (float32, (B,)),
    `type` and `level` of the distortion (int64, (B,)).
    """

    monitor: ClassVar[Monitor] = Monitor("srcc", "max")
    file_suffixes: ClassVar[frozenset[str]] = SUFFIXES

    def load(self) -> Splits:
        """Distort reference photographs, or read a KADID-10k folder."""
        return load_quality(self.config.data, self.config.seed, self.data_path)

    def build_model(self, splits: Splits) -> QualityNet:
        """A fresh network; its mixture is fitted to the features of training samples, where there are any."""
        options = self.config.model
        crop = self.config.augment.crop
        if crop is not None and crop < LEAST_IMAGE_SIZE:
            raise UserError(f"augment.crop={crop} leaves the network nothing", f"take {LEAST_IMAGE_SIZE} or more")
        model = QualityNet(options, self.config.data.image_size, crop)
        if self.config.loss.balance_over == "average":
            model.register_buffer(AVERAGE, torch.full((options.clusters,), 1 / options.clusters))
        if splits.train.tensors and options.initialisation == "sklearn":
            rows = refit.some_samples(len(splits.train), self.config)
            images, device = splits.train.tensors["images"], making_device()
            model.to(device)  # a wide network takes seconds for them on a CPU
            model.initialise_mixture((images[part].to(device) / 255 for part in rows.split(CHUNK)), self.config.seed)
            model.cpu()
        return model

    def default_weights(self) -> Mapping[str, float]:
        """The document's recommended weights; and of the kinds, where the network tells them."""
        return {**WEIGHTS, "kind": KIND_WEIGHT} if self.config.model.tells_kinds else WEIGHTS

    def prepare(self, batch: Batch) -> Batch:
        """Images as floats in [0, 1]."""
        return with_float_images(batch)

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Pieces and horizontal flips, which leave quality as it is."""
        options = self.config.augment
        if options.crop is not None and options.crop < batch["images"].shape[-1]:
            batch = {**batch, "images": random_window(batch["images"], options.crop, generator)}
        if not options.hflip:
            return batch
        images_BCHW = batch["images"]
        drawn_B = torch.empty(len(images_BCHW), device=images_BCHW.device).uniform_(generator=generator)
        is_flipped = (drawn_B < options.hflip)[:, None, None, None]
        return {**batch, "images": torch.where(is_flipped, images_BCHW.flip(3), images_BCHW)}

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        """Terms `quality`, `cluster`, `balance`, `entropy`, and `kind` where the network tells kinds; columns `score`,
        `target`, `log_posteriors` and so on.

        Scalars: `max_posterior` and `posterior_entropy` (means), and the samples in each `cluster.<k>` of the batch.
        """
        images_BCHW, target_B = batch["images"], batch["score"]
        score_B, log_posteriors_BK, log_kinds_BC = model(images_BCHW)
        whole_BK = joined(log_posteriors_BK)  # balance is that of a batch, whoever has which part of it
        quality = F.mse_loss(score_B.float(), target_B)
        if self.config.loss.fgsm and torch.is_grad_enabled():
            quality = (quality + self._adversarial(model, images_BCHW, target_B)) / 2
        terms = {
            "quality": quality,
            "cluster": cluster_loss(log_posteriors_BK),
            "balance": self._balance(model, whole_BK),
            "entropy": entropy_loss(log_posteriors_BK),
        }
        if log_kinds_BC is not None:
            terms["kind"] = F.nll_loss(log_kinds_BC, kind_index(batch["type"], batch["level"]))
        detached_BK, counts = log_posteriors_BK.detach(), _cluster_counts(whole_BK.detach())
        return StepOutput(
            terms=terms,
            columns={
                "score": score_B.detach().float(),
                "target": target_B,
                "log_posteriors": detached_BK,
                "type": batch["type"],
                "level": batch["level"],
            },
            scalars={
                "max_posterior": -terms["cluster"].detach(),
                "posterior_entropy": -terms["entropy"].detach(),
                **counts,
            },
            whole=frozenset({"balance", *counts}),
        )

    def metrics(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        """`srcc`, `plcc`, `rmse` of a split; means of the posteriors; `cluster_ratio` and `empty_clusters`.

        Correlations of constant answers are NaN, and so is the ratio of the largest to the smallest cluster where one
        is empty.
        """
        score_N, target_N = columns["score"], columns["target"]
        log_posteriors_NK = columns["log_posteriors"]
        counts_K = _hard_counts(log_posteriors_NK)
        num_empty = int((counts_K == 0).sum())
        return {
            "srcc": regression_metrics.srcc(score_N, target_N),
            "plcc": regression_metrics.plcc(score_N, target_N),
            "rmse": regression_metrics.rmse(score_N, target_N),
            "max_posterior": -float(cluster_loss(log_posteriors_NK)),
            "posterior_entropy": -float(entropy_loss(log_posteriors_NK)),
            "cluster_ratio": math.nan if num_empty else float(counts_K.max() / counts_K.min()),
            "empty_clusters": float(num_empty),
        }

    def constant_metrics(self, split: Split) -> Mapping[str, float]:
        """Of the mean score for every picture; its correlation is not defined, and drawn as 0."""
        deviation = float(split.tensors["score"].double().std(correction=0))
        found = {"rmse": deviation, "quality": deviation**2, "srcc": 0.0, "plcc": 0.0}
        weights = {**self.default_weights(), **self.config.loss_weights}
        # What a constant score makes of the terms on the posteriors is open: they do not depend on it.
        if not any(weight for name, weight in weights.items() if name != "quality"):
            found["loss"] = weights["quality"] * found["quality"]
        return found

    def sample_losses(self, columns: Mapping[str, Tensor]) -> Tensor:
        """Squared error of each picture."""
        return (columns["score"] - columns["target"]).square()

    def describe_samples(self, columns: Mapping[str, Tensor]) -> Sequence[tuple[str, str]]:
        """`jpeg 4 .24` and `.61`: distortion, level and score, and the answer."""
        rows = zip(*(columns[name].tolist() for name in ("type", "level", "target", "score")), strict=True)
        return [(f"{describe_type(kind, level)} {truth:.2f}", f"{answer:.2f}") for kind, level, truth, answer in rows]

    def read_files(self, paths: Sequence[Path]) -> Batch:
        """The middle of each picture at its own resolution: `images`, uint8 (B, 3, S, S).

        Raises:
            UserError: names the first file that cannot be decoded or is smaller than the network's pictures.
        """
        return {"images": read_photographs(paths, self.config.data.image_size)}

    def predict(self, model: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """`score` (B,), 0 to 1, and the `cluster` (B,) of each picture."""
        score_B, log_posteriors_BK, _ = model(batch["images"])
        return {"score": score_B, "cluster": log_posteriors_BK.argmax(1)}

    def export_onnx(self, model: nn.Module, path: Path, *, overwrite: bool = False) -> Mapping[str, Any]:
        """`images -> score`; see `trainctl.engine.tasks.quality.export.export_onnx`."""
        from trainctl.engine.tasks.quality.export import export_onnx

        return export_onnx(self.config, model, path, overwrite=overwrite)

    def end_epoch(self, turn: Turn) -> Mapping[str, Any] | None:
        """Fit the mixture anew, as `refit` says."""
        options = self.config.refit
        if options.mode == "none" or turn.epoch % options.every:
            return None
        return refit.refit(turn, self.config)

    def _adversarial(self, model: nn.Module, images_BCHW: Tensor, target_B: Tensor) -> Tensor:
        """Quality loss of the images moved against the network (fast gradient sign)."""
        moved_BCHW = images_BCHW.detach().requires_grad_()
        # Only the sign counts; a mean over the batch would vanish in float16.
        loss = F.mse_loss(model(moved_BCHW)[0].float(), target_B, reduction="sum")
        (gradient_BCHW,) = torch.autograd.grad(loss, moved_BCHW)
        with torch.no_grad():
            moved_BCHW = (images_BCHW + self.config.loss.fgsm * gradient_BCHW.sign()).clamp_(0, 1)
        return F.mse_loss(model(moved_BCHW)[0].float(), target_B)

    def _balance(self, model: nn.Module, log_posteriors_BK: Tensor) -> Tensor:
        """Of the batch, or of a moving average that the network keeps with its weights."""
        if self.config.loss.balance_over == "batch" or not torch.is_grad_enabled():
            return balance_loss(log_posteriors_BK)
        average_K = model.get_buffer(AVERAGE)
        loss, new_K = balance_loss_over_average(log_posteriors_BK, average_K, self.config.loss.balance_momentum)
        average_K.copy_(new_K)
        return loss


def kind_index(type_B: Tensor, level_B: Tensor) -> Tensor:
    """Which of all kinds a picture is, (B,): 0 pristine, then the levels of distortion 1, of 2 and so on."""
    return torch.where(type_B == 0, 0, (type_B - 1) * LEVELS + level_B)


def _hard_counts(log_posteriors_NK: Tensor) -> Tensor:
    """Samples whose largest posterior is each component's, shape (K,), without waiting for the device.

    Not by `one_hot`, which on a CPU reads the numbers first to see whether they are in range.
    """
    components_K = torch.arange(log_posteriors_NK.shape[1], device=log_posteriors_NK.device)
    return (log_posteriors_NK.argmax(1)[:, None] == components_K).sum(0)


def _cluster_counts(log_posteriors_BK: Tensor) -> dict[str, Tensor]:
    counts_K = _hard_counts(log_posteriors_BK).float()
    return {f"cluster.{k}": count for k, count in enumerate(counts_K.unbind())}
