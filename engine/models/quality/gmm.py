"""A mixture of Gaussians with diagonal covariance as a layer: features to log-posteriors of its components.

Knows its own parameters only; how they are fitted is in `gmm_fit`, what is trained with them elsewhere.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from trainctl.engine.losses.numerics import at_least_float32

Temper = Literal["none", "dimension", "learned"]
VARIANCE_FLOOR = 1e-6
"""Least variance in force, the `reg_covar` of scikit-learn. Below it a log-variance has no gradient of its own, only
weight decay, which lifts it again."""


class DiagonalGmm(nn.Module):
    """log p(k | x) of K components in D dimensions, every parameter trained by gradient descent.

    A log-density is a sum over dimensions, so differences between components grow with √D or D and the posteriors of
    many dimensions are one-hot whatever the features are. `temper` scales the log-density (not the log-weight) down:

    - `none`: by 1, the mixture as it is;
    - `dimension`: by 1/D, the mean log-density of a dimension;
    - `learned`: by exp of the parameter `log_temper`, which starts at ln(1/D).

    Parameters: `means` (K, D), `log_variances` (K, D), `log_weights` (K,), which need not be normalised. They start
    as unit Gaussians around points drawn from one.
    """

    def __init__(self, clusters: int, dim: int, temper: Temper = "none") -> None:
        super().__init__()
        self.temper: Temper = temper
        self.means = nn.Parameter(torch.randn(clusters, dim))
        self.log_variances = nn.Parameter(torch.zeros(clusters, dim))
        self.log_weights = nn.Parameter(torch.full((clusters,), -math.log(clusters)))
        if temper == "learned":
            self.log_temper = nn.Parameter(torch.tensor(-math.log(dim)))

    def extra_repr(self) -> str:
        """Components, dimensions and temper, for printing."""
        clusters, dim = self.means.shape
        return f"clusters={clusters}, dim={dim}, temper={self.temper}"

    def log_density(self, features_BD: Tensor) -> Tensor:
        """ln N(x; μ_k, diag σ²_k) of each component, (B, K), in the precision of the features.

        The differences x − μ are formed and squared, B·K·D numbers: multiplying the square out is one matrix product,
        but loses the digits that decide where |x|² is large beside the distances.
        """
        dtype = features_BD.dtype
        log_variances_KD = self.log_variances.to(dtype).clamp(min=math.log(VARIANCE_FLOOR))
        scaled_BKD = (features_BD[:, None, :] - self.means.to(dtype)) * (-0.5 * log_variances_KD).exp()
        constant_K = log_variances_KD.sum(1) + features_BD.shape[1] * math.log(2 * math.pi)
        return -0.5 * (scaled_BKD.square().sum(2) + constant_K)

    def forward(self, features_BD: Tensor) -> Tensor:
        """(B, D) to log-posteriors (B, K), in float32 or better under autocast too."""
        with torch.autocast(features_BD.device.type, enabled=False):
            density_BK = self.log_density(at_least_float32(features_BD))
            joint_BK = density_BK * self._factor() + self.log_weights.to(density_BK.dtype)
            return joint_BK.log_softmax(1)

    def _factor(self) -> Tensor | float:
        """What log-densities are multiplied with."""
        if self.temper == "learned":
            return self.log_temper.exp()
        return 1 / self.means.shape[1] if self.temper == "dimension" else 1.0
