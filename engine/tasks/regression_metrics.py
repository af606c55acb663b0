"""How well predicted scores follow the true ones: Spearman's and Pearson's correlation, and the error itself.

Knows two rows of numbers; no task and no network. What is undefined is NaN, never 0: a constant prediction has no
correlation with anything, and neither has one that is not finite.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from trainctl.engine.tasks.mean_ranks import mean_ranks

Floats = NDArray[np.float64]


def srcc(prediction_N: Tensor, target_N: Tensor) -> float:
    """Spearman's rank correlation: Pearson's of the ranks, equal values sharing the mean of theirs."""
    prediction, target = _floats(prediction_N), _floats(target_N)
    if not _varies(prediction) or not _varies(target):
        return math.nan
    return _correlation(mean_ranks(prediction), mean_ranks(target))


def plcc(prediction_N: Tensor, target_N: Tensor) -> float:
    """Pearson's linear correlation of the numbers as they are, without the logistic fit that some papers put first."""
    prediction, target = _floats(prediction_N), _floats(target_N)
    if not _varies(prediction) or not _varies(target):
        return math.nan
    return _correlation(prediction, target)


def rmse(prediction_N: Tensor, target_N: Tensor) -> float:
    """Root of the mean squared error, in units of the score; NaN without samples or where one is not finite."""
    error = _floats(prediction_N) - _floats(target_N)
    return float(np.sqrt(np.square(error).mean())) if error.size and np.isfinite(error).all() else math.nan


def _floats(values_N: Tensor) -> Floats:
    return values_N.detach().cpu().double().numpy()


def _varies(values: Floats) -> bool:
    """Finite, and not all the same; the deviation would not do, the mean of equal numbers being rounded."""
    return bool(values.size > 1 and np.isfinite(values).all() and values.min() < values.max())


def _correlation(left: Floats, right: Floats) -> float:
    """Cosine of the deviations from the mean, scaled first so that no square overflows or vanishes."""
    left, right = _unit_deviations(left), _unit_deviations(right)
    return float(np.clip(left @ right, -1.0, 1.0))


def _unit_deviations(values: Floats) -> Floats:
    scaled = values / np.abs(values).max()
    centred = scaled - scaled.mean()
    centred = centred / np.abs(centred).max()
    return centred / np.linalg.norm(centred)
