"""The `eyes` task: binds data, network, loss and metrics of the open/closed eye classifier (OCEC training document).

Knows nothing of the loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from trainctl.engine.data.augment.pipeline import augment_eyes
from trainctl.engine.data.batch import Batch, Split, Splits, with_float_images
from trainctl.engine.data.eyes.load import load_eyes, load_whole_eyes
from trainctl.engine.data.eyes.splits import CLASSES
from trainctl.engine.data.image_files import SUFFIXES
from trainctl.engine.data.images import decode_images, problem_words
from trainctl.engine.errors import UserError
from trainctl.engine.losses.bce import pos_weight_of
from trainctl.engine.models.eyes.net import EyesNet, build_eyes_net, check_shape
from trainctl.engine.tasks.binary_metrics import THRESHOLD, best_constant, binary_metrics
from trainctl.engine.tasks.classification import Answers
from trainctl.engine.tasks.eyes.config import EyesConfig
from trainctl.engine.tasks.eyes.terms import TERMS
from trainctl.engine.tasks.task import Monitor, StepOutput, Task

OPEN = 1
"""Class number of an open eye; 0 is closed."""
MAX_BLOCK_GROUPS = 10
"""With more blocks than this, neighbours share a group of the gradient norms."""


class EyesTask(Task[EyesConfig]):
    """Open or closed eye: one logit per image.

    Batches hold `images` (uint8 as stored, float in [0, 1] once prepared, (B, 3, H, W)) and `labels` (int64, 1 is
    open); Mixup and CutMix add `targets` (float in [0, 1]).

    Raises:
        UserError: the network cannot be built for the image size. Said here, before any data is read.
    """

    monitor: ClassVar[Monitor] = Monitor("f1", "max")
    file_suffixes: ClassVar[frozenset[str]] = SUFFIXES

    def __init__(self, config: EyesConfig, data_path: Path | None = None) -> None:
        super().__init__(config, data_path)
        self._term = TERMS[config.loss.name]
        self.pos_weight: float | None = None
        """Weight of the open class in the loss; none: to be computed by `load`."""
        if config.loss.pos_weight != "auto":
            self.pos_weight = config.loss.pos_weight
        check_shape(config.model, config.data.image_size)

    def load(self) -> Splits:
        """Read or draw the images, and weigh the classes by the training split."""
        splits = load_eyes(self.config.data, self.config.seed, self.data_path)
        if self._term.weighs_classes and self.config.loss.pos_weight == "auto":
            self.pos_weight = auto_pos_weight(splits.train)
        return splits

    def load_whole(self) -> Splits | None:
        """All images of the user's own; the loss weighs the classes as in the training, where that is known."""
        if self.data_path is None:
            return None
        splits = load_whole_eyes(self.config.data, self.data_path)
        if self._term.weighs_classes and self.pos_weight is None:
            num_classes = len(splits.val.labels.unique()) if splits.val.labels is not None else 0
            self.pos_weight = auto_pos_weight(splits.val) if num_classes > 1 else 1.0
        return splits

    def state(self) -> Mapping[str, Any]:
        """The weight of the open class, which `load` takes from the training split."""
        return {} if self.pos_weight is None else {"pos_weight": self.pos_weight}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        if self.config.loss.pos_weight == "auto":
            self.pos_weight = state.get("pos_weight")

    def build_model(self, splits: Splits) -> EyesNet:
        """A fresh network for the configured image size."""
        del splits
        return build_eyes_net(self.config.model, self.config.data.image_size)

    def prepare(self, batch: Batch) -> Batch:
        """Images as floats in [0, 1]."""
        return with_float_images(batch)

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Flips, photometric distortion, CLAHE, crops, Mixup and CutMix, as configured."""
        return augment_eyes(batch, self.config.augment, generator)

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        """Term `bce` or `focal`; columns `prob` (P(open)), `target` (the label, also under Mixup) and `logit`."""
        logits_B = model(batch["images"])
        targets_B = batch.get("targets", batch["labels"])
        return StepOutput(
            terms={self.config.loss.name: self.loss(logits_B, targets_B)},
            columns={
                "prob": self.prob_open(logits_B.detach()),
                "target": batch["labels"],
                "logit": logits_B.detach(),
            },
        )

    def loss(self, logits_B: Tensor, targets_B: Tensor) -> Tensor:
        """The configured loss, a scalar; targets in [0, 1], 1 is open."""
        return self._term.loss(logits_B, targets_B, self.config.loss, self.pos_weight)

    def prob_open(self, logits_B: Tensor) -> Tensor:
        """P(open) as the loss means it: σ(z) for `bce`, σ(2z) for `focal`."""
        return self._term.prob(logits_B)

    def metrics(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        """Accuracy, precision, recall, F1 at 0.5, AUROC and positive rate; undefined ones are NaN."""
        probs_N = columns["prob"].cpu().numpy().astype(np.float64)
        return binary_metrics(probs_N, (columns["target"] == OPEN).cpu().numpy())

    def answers(self, columns: Mapping[str, Tensor]) -> Answers:
        """Closed (0) or open (1), open from a probability of 0.5 on."""
        probs_N = columns["prob"].cpu().numpy().astype(np.float64)
        truth_N = columns["target"].cpu().numpy().astype(np.int64)
        return Answers(truth_N, (probs_N >= THRESHOLD).astype(np.int64), probs_N)

    def constant_metrics(self, split: Split) -> Mapping[str, float]:
        """Of calling every eye open, or every eye closed, whichever is better."""
        assert split.labels is not None
        return best_constant((split.labels == OPEN).numpy())

    def sample_losses(self, columns: Mapping[str, Tensor]) -> Tensor:
        """The configured loss of each eye by itself."""

        def one(logit: Tensor, target: Tensor) -> Tensor:
            return self.loss(logit[None], target[None])

        return torch.vmap(one)(columns["logit"].float(), columns["target"].float())

    def describe_samples(self, columns: Mapping[str, Tensor]) -> Sequence[tuple[str, str]]:
        """`open` and `open 12%`: the label, and the answer with the probability that it is given."""
        probs, targets = columns["prob"].tolist(), columns["target"].tolist()
        return [
            (_word(target == OPEN), f"{_word(prob >= 0.5)} {int(100 * max(prob, 1 - prob))}%")
            for prob, target in zip(probs, targets, strict=True)
        ]

    def read_files(self, paths: Sequence[Path]) -> Batch:
        """Images resized to the configured size: `images`, uint8 (B, 3, H, W).

        Raises:
            UserError: names images that cannot be decoded.
        """
        images_BCHW = torch.empty(len(paths), 3, *self.config.data.image_size, dtype=torch.uint8)
        problems = decode_images(enumerate(paths), images_BCHW)
        if problems:
            count = f"{len(problems)} of {len(paths)} files: " if len(paths) > 1 else ""
            raise UserError(f"cannot read {count}{problem_words(paths, problems)}", "name image files only")
        return {"images": images_BCHW}

    def predict(self, model: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """`prob_open`, shape (B,), in [0, 1]."""
        return {"prob_open": self.prob_open(model(batch["images"]))}

    def export_onnx(self, model: nn.Module, path: Path, *, overwrite: bool = False) -> Mapping[str, Any]:
        """`images -> prob_open`; see `trainctl.engine.tasks.eyes.export.export_onnx`."""
        from trainctl.engine.tasks.eyes.export import export_onnx

        return export_onnx(self.config, model, self.prob_open, path, overwrite=overwrite)

    def module_groups(self, model: nn.Module) -> dict[str, list[nn.Parameter]]:
        """`stem`, `block0` … (neighbours together where there are many), `head`."""
        if not isinstance(model, EyesNet):
            return super().module_groups(model)
        blocks = list(model.blocks)
        share = -(-len(blocks) // MAX_BLOCK_GROUPS)
        groups = {"stem": list(model.stem.parameters())}
        for first in range(0, len(blocks), share):
            last = min(first + share, len(blocks)) - 1
            name = f"block{first}" if first == last else f"block{first}-{last}"
            groups[name] = [p for block in blocks[first : last + 1] for p in block.parameters()]
        groups["head"] = list(model.head.parameters())
        return groups


def _word(is_open: bool) -> str:
    return CLASSES[OPEN] if is_open else CLASSES[1 - OPEN]


def auto_pos_weight(train: Split) -> float:
    """Closed / open eyes of the training split.

    Raises:
        UserError: all of them are of one class.
    """
    assert train.labels is not None
    try:
        return pos_weight_of(train.labels)
    except ValueError:
        only = "open" if bool((train.labels == OPEN).any()) else "closed"
        raise UserError(
            f"all {len(train)} images of the training split are {only}: there is nothing to tell apart",
            "check the labels and the split (or set loss.pos_weight=1 to train regardless)",
        ) from None
