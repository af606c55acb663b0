"""ResNet features, a Gaussian mixture over them, and a regressor that reads both.

Knows the options of the network; nothing of scores, distortions, losses or training.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]

from trainctl.engine.errors import UserError
from trainctl.engine.losses.numerics import at_least_float32
from trainctl.engine.models.quality.contrast import LocalContrast
from trainctl.engine.models.quality.gmm import DiagonalGmm
from trainctl.engine.models.quality.gmm_fit import fit_mixture, set_parameters
from trainctl.engine.models.resnet import ResNet18

if TYPE_CHECKING:
    from trainctl.engine.models.quality.options import QualityModel

STRIDE, LEAST_IMAGE_SIZE = 32, 16
"""Pixels of a picture to one position of the last map, and the least side that leaves half a position."""
KINDS = 126
"""Kinds of pictures: 25 distortions at 5 levels, and the pristine one, which is the first."""


class QualityOutput(NamedTuple):
    """What the network says of a batch."""

    score_B: Tensor  # noqa: N815
    """Quality, (B,); trained towards 0 … 1, not limited to it."""
    log_posteriors_BK: Tensor  # noqa: N815
    """ln p(component | picture), (B, K), float32 or better."""
    log_kinds_BC: Tensor | None = None  # noqa: N815
    """ln p(kind of distortion | picture), (B, C), float32 or better; none: the network was not asked to tell them."""


class QualityNet(nn.Module):
    """Pictures to a score and to posteriors of K components.

    The parts are named for `freeze` and for the gradient norms: `backbone`, `projection`, `gmm`, `regressor`, and
    `kinds` where there is one.

    The projection ends in a BatchNorm without scale and shift. The network could else make posteriors one-hot by
    growing its features and uniform by shrinking them; with a deviation of 1 in every dimension neither way is open,
    and only the arrangement of the samples is left. LayerNorm fixes the length of each sample instead, which takes a
    dimension of eight away and leaves all samples free to fall onto one point.

    Args:
        model: options of the network.
        image_size: height and width of the pictures, which must leave something after all strides; None: not looked at.
        piece: height and width of what it is trained on. In evaluation mode larger pictures are cut into as few pieces
            of that size as cover them, and the answer is their mean: a network that knows small pieces has seen a
            border near everything, and the middle of a larger picture, which has none, is strange to it. None: as
            they are.

    Raises:
        UserError: pictures that are too small.
    """

    def __init__(self, model: QualityModel, image_size: int | None = None, piece: int | None = None) -> None:
        super().__init__()
        if image_size is not None and image_size < LEAST_IMAGE_SIZE:
            raise UserError(
                f"data.image_size: {image_size} is too small for a network that reduces it {STRIDE} times",
                f"take {LEAST_IMAGE_SIZE} or more",
            )
        self.piece = piece
        self._corners = corners(image_size, piece) if image_size and piece and image_size > piece else ()
        self.mixture_gradient = model.mixture_gradient
        self.contrast = LocalContrast() if model.mscn else None
        channels = LocalContrast.channels if model.mscn else 3
        self.backbone = ResNet18(model.width, model.stem, model.features, channels=channels)
        dim = model.projection or model.features
        self.projection: nn.Module = nn.Identity()
        if model.projection is not None:
            self.projection = nn.Sequential(nn.Linear(model.features, dim), nn.BatchNorm1d(dim, affine=False))
        self.gmm = DiagonalGmm(model.clusters, dim, model.temper)
        widths = {"features": model.features, "posteriors": model.clusters}
        self._read = tuple(widths) if model.regressor_reads == "both" else (model.regressor_reads,)
        self.regressor = _regressor(sum(widths[name] for name in self._read), model.hidden, model.dropout)
        self.kinds = nn.Linear(model.features, KINDS) if model.tells_kinds else None

    def forward(self, images_NCHW: Tensor) -> QualityOutput:
        """Normalised pictures (B, 3, H, W) to scores (B,), log-posteriors (B, K) and, where asked for, kinds (B, C)."""
        if self.training or not self._corners:
            return self._of_pieces(images_NCHW)
        size = self.piece
        pieces = [images_NCHW[:, :, top:, left:][:, :, :size, :size] for top, left in self._corners]
        score, log_posteriors, log_kinds = self._of_pieces(torch.cat(pieces))
        num = len(pieces)
        told = None if log_kinds is None else _mean(log_kinds, num)
        return QualityOutput(_mean(score, num), _mean(log_posteriors, num), told)

    def _of_pieces(self, images_NCHW: Tensor) -> QualityOutput:
        features_BF = self._features(images_NCHW)
        shown_BF = features_BF if self.mixture_gradient else features_BF.detach()
        log_posteriors_BK = self.gmm(self.projection(shown_BF))
        inputs = {"features": features_BF, "posteriors": log_posteriors_BK.exp().to(features_BF.dtype)}
        read_BI = torch.cat([inputs[name] for name in self._read], 1)
        log_kinds_BC = None if self.kinds is None else at_least_float32(self.kinds(features_BF)).log_softmax(1)
        return QualityOutput(self.regressor(read_BI).squeeze(1), log_posteriors_BK, log_kinds_BC)

    def mixture_features(self, images_NCHW: Tensor) -> Tensor:
        """What the mixture sees of normalised pictures (B, 3, H, W): (B, D), projected where there is a projection."""
        return self.projection(self._features(images_NCHW))

    def _features(self, images_NCHW: Tensor) -> Tensor:
        return self.backbone(images_NCHW if self.contrast is None else self.contrast(images_NCHW))

    @torch.no_grad()
    def collect_features(self, batches: Iterable[Tensor]) -> Tensor:
        """`mixture_features` of many batches, (N, D) float32 on the CPU, in the mode the network is in.

        Of larger pictures than it is trained on, the first piece is looked at.
        """
        piece = self.piece
        collected = [self.mixture_features(images[:, :, :piece, :piece]).float().cpu() for images in batches]
        return torch.cat(collected) if collected else torch.empty(0, self.gmm.means.shape[1])

    def initialise_mixture(self, batches: Iterable[Tensor], seed: int) -> None:
        """Fit the mixture to the features that the network has of normalised pictures, batch by batch (B, 3, H, W).

        With the statistics of each batch, as the first training step sees them: those an untrained BatchNorm keeps
        are of nothing. A batch of one picture has none and is passed over. Nothing but the mixture changes.

        Raises:
            UserError: features that are not finite, or fewer different ones than components.
        """
        with batch_statistics(self):
            features_ND = self.collect_features(images for images in batches if len(images) > 1)
        set_parameters(self.gmm, fit_mixture(features_ND, len(self.gmm.means), seed))


@contextmanager
def batch_statistics(network: nn.Module) -> Generator[None]:
    """Let every BatchNorm use the statistics of the batch and keep none; all else as in evaluation."""
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    modes = {module: module.training for module in network.modules()}
    tracking = [norm.track_running_stats for norm in norms]
    network.eval()
    for norm in norms:
        norm.training, norm.track_running_stats = True, False
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
        for norm, tracks in zip(norms, tracking, strict=True):
            norm.track_running_stats = tracks


def corners(side: int, size: int) -> tuple[tuple[int, int], ...]:
    """Top and left of as few squares of `size` as cover one of `side`, at least as large, evenly spaced."""
    gaps = max(1, -(-side // size) - 1)
    starts = sorted({k * (side - size) // gaps for k in range(gaps + 1)})
    return tuple((top, left) for top in starts for left in starts)


def _mean(parts: Tensor, num: int) -> Tensor:
    """Of `num` answers to the same pictures, one batch after the other: numbers (B,), or log-probabilities (B, K)."""
    answers = parts.unflatten(0, (num, -1))
    return answers.mean(0) if parts.dim() == 1 else answers.logsumexp(0) - math.log(num)


def _regressor(inputs: int, hidden: tuple[int, ...], dropout: float) -> nn.Sequential:
    """Linear, ReLU, dropout for each hidden layer, and a linear layer to one number."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(dropout)]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, 1))
