"""Fits the mixture to features by expectation maximisation, and puts a new fit in the place of an old one.

A fit numbers its components as it likes. What reads the posteriors afterwards reads them by number, so a new fit is
useless to it until its components are matched to the old ones. Knows features and mixtures; no network, no training.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from trainctl.engine.errors import UserError
from trainctl.engine.models.quality.gmm import VARIANCE_FLOOR, DiagonalGmm

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOMENTS = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer", "step")
"""What the optimisers of torch remember of a parameter's gradients, and for how many steps."""


@dataclass(frozen=True)
class MixtureParameters:
    """The parameters of a `DiagonalGmm` apart from one, float64 on the CPU."""

    means: Tensor
    """(K, D)."""
    log_variances: Tensor
    """(K, D)."""
    log_weights: Tensor
    """(K,), normalised."""

    def renumbered(self, permutation_K: Tensor) -> MixtureParameters:
        """The same mixture; its component k is what was component permutation[k]."""
        return MixtureParameters(
            self.means[permutation_K], self.log_variances[permutation_K], self.log_weights[permutation_K]
        )


class Agreement(NamedTuple):
    """How alike two assignments of the same samples are; NaN without samples."""

    raw: float
    """Share of samples whose component number stayed."""
    matched: float
    """The same after the renumbering that makes it largest."""
    rand: float
    """Adjusted Rand index (Hubert & Arabie 1985): 1 for the same partition under any numbers, 0 for chance."""


def fit_mixture(features_ND: Tensor, clusters: int, seed: int) -> MixtureParameters:
    """A diagonal mixture by scikit-learn's EM, started from k-means, in float64.

    Raises:
        UserError: features that are not finite, fewer different ones than components, or groups so far apart that
            variances inside them are lost.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    features = _checked(features_ND, clusters)
    # scikit-learn takes variances as E[x²] − E[x]², which loses their digits far from the origin.
    centre_D = features.mean(0)
    mixture = GaussianMixture(
        clusters, covariance_type="diag", reg_covar=VARIANCE_FLOOR, n_init=1, random_state=seed % 2**32
    )
    try:
        # A fit that stopped at the iteration limit is a start as good as another: gradient descent goes on from it.
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture.fit(features - centre_D)
        means, variances, weights = (
            np.asarray(part, np.float64) for part in (mixture.means_, mixture.covariances_, mixture.weights_)
        )
        if not np.isfinite(variances).all():
            raise ValueError("variances overflow")
    except ValueError as error:
        raise UserError(
            f"the mixture of {clusters} components cannot be fitted to {len(features)} samples: a component has a "
            "variance that cannot be told from rounding",
            "lower model.clusters, set model.projection, or model.initialisation=random",
        ) from error
    return MixtureParameters(
        torch.from_numpy(means + centre_D), torch.from_numpy(np.log(variances)), torch.from_numpy(np.log(weights))
    )


def _checked(features_ND: Tensor, clusters: int) -> NDArray[np.float64]:
    """Features as NumPy wants them, if a mixture can be fitted to them at all."""
    features = features_ND.detach().cpu().double().numpy()
    broken = int((~np.isfinite(features).all(1)).sum())
    if broken:
        raise UserError(
            f"the mixture cannot be fitted: {broken} of {len(features)} samples have features that are not finite",
            "the network has diverged; lower optimizer.lr",
        )
    different = len(np.unique(features, axis=0))
    if different < clusters:
        raise UserError(
            f"the mixture of {clusters} components cannot be fitted: {len(features)} samples have {different} "
            "different features",
            "lower model.clusters or give more samples",
        )
    return features


@torch.no_grad()
def parameters_of(gmm: DiagonalGmm) -> MixtureParameters:
    """A copy of a layer's parameters, weights normalised, variances not below the floor in force."""
    # To the CPU first: not every device has float64.
    means_KD, log_variances_KD, log_weights_K = (
        part.detach().cpu().to(torch.float64, copy=True) for part in (gmm.means, gmm.log_variances, gmm.log_weights)
    )
    return MixtureParameters(
        means_KD, log_variances_KD.clamp(min=math.log(VARIANCE_FLOOR)), log_weights_K.log_softmax(0)
    )


@torch.no_grad()
def set_parameters(gmm: DiagonalGmm, parameters: MixtureParameters) -> None:
    """Write a mixture into a layer, in place, so that optimisers keep their hold of it."""
    gmm.means.copy_(parameters.means)
    gmm.log_variances.copy_(parameters.log_variances)
    gmm.log_weights.copy_(parameters.log_weights)


def match_components(old_posteriors_NK: Tensor, new_posteriors_NK: Tensor) -> Tensor:
    """For each old component the new one that takes its number, (K,): the assignment with most posterior in common.

    In common is mean_n p_old(j|n)·p_new(k|n), the share of samples that would fall to both; the sum over pairs is
    maximised (Hungarian method, Kuhn 1955).
    """
    shared_KK = old_posteriors_NK.cpu().double().T @ new_posteriors_NK.cpu().double() / max(len(old_posteriors_NK), 1)
    return _assign(shared_KK)


def _assign(gain_KK: Tensor) -> Tensor:
    from scipy.optimize import linear_sum_assignment

    return torch.from_numpy(linear_sum_assignment(gain_KK.detach().cpu().numpy(), maximize=True)[1])


def blend(old: MixtureParameters, new_matched: MixtureParameters, share: float) -> MixtureParameters:
    """`share` of the new mixture and the rest of the old, component by component.

    First and second moments are mixed, as stepwise EM mixes its statistics (Cappé & Moulines 2009): a component
    becomes the Gaussian with the moments of drawing from the new one with probability s, else from the old:

        μ = (1−s)μ₀ + sμ₁,    σ² = (1−s)σ₀² + sσ₁² + s(1−s)(μ₁−μ₀)²

    The last part keeps the samples between two means inside; blending log-variances would leave them out. Weights
    are mixed linearly. 0 gives the old mixture, 1 the new one.
    """
    between_KD = share * (1 - share) * (new_matched.means - old.means).square()
    variances_KD = torch.lerp(old.log_variances.exp(), new_matched.log_variances.exp(), share) + between_KD
    weights_K = torch.lerp(old.log_weights.softmax(0), new_matched.log_weights.softmax(0), share)
    return MixtureParameters(torch.lerp(old.means, new_matched.means, share), variances_KD.log(), weights_K.log())


def agreement(old_labels_N: Tensor, new_labels_N: Tensor) -> Agreement:
    """Compare two assignments of the same samples to components, each (N,) int."""
    from sklearn.metrics import adjusted_rand_score

    if not len(old_labels_N):
        return Agreement(math.nan, math.nan, math.nan)
    old, new = old_labels_N.cpu().numpy(), new_labels_N.cpu().numpy()
    size = int(max(old.max(), new.max())) + 1
    counts = np.bincount(old * size + new, minlength=size * size).reshape(size, size)
    counts_KK = torch.from_numpy(counts)
    matched = counts_KK.gather(1, _assign(counts_KK)[:, None]).sum()
    return Agreement(float((old == new).mean()), float(matched / len(old)), float(adjusted_rand_score(old, new)))


@torch.no_grad()
def refit(gmm: DiagonalGmm, features_ND: Tensor, seed: int, share: float | None = None) -> Agreement:
    """Fit the mixture anew to features and write it into the layer; how the samples' components changed.

    Args:
        share: match the components of the fit to those of the layer and blend as much of it in; None: replace the
            layer's parameters by the fit as it comes, numbers included.

    Raises:
        UserError: as `fit_mixture`; the layer is then as it was.
    """
    fitted = fit_mixture(features_ND, len(gmm.means), seed)
    features_ND = features_ND.to(gmm.means.device)
    old, old_posteriors_NK = parameters_of(gmm), gmm(features_ND).exp()
    set_parameters(gmm, fitted)
    if share is not None:
        permutation_K = match_components(old_posteriors_NK, gmm(features_ND).exp())
        set_parameters(gmm, blend(old, fitted.renumbered(permutation_K), share))
    return agreement(old_posteriors_NK.argmax(1), gmm(features_ND).argmax(1))


@torch.no_grad()
def reset_moments(optimizer: torch.optim.Optimizer, parameters: Iterable[Tensor]) -> int:
    """Forget what an optimiser remembers of these parameters' gradients; how many had a memory.

    After a fit the moments point where the old mixture was going. Tensors are zeroed in place, the step count of
    fused and capturable optimisers among them.
    """
    num_reset = 0
    for parameter in parameters:
        state = optimizer.state.get(parameter)
        if not state:
            continue
        num_reset += 1
        for name in MOMENTS:
            kept = state.get(name)
            if isinstance(kept, Tensor):
                kept.zero_()
            elif kept is not None:
                state[name] = 0
    return num_reset
