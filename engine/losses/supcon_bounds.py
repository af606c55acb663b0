"""What the supervised contrastive loss of a batch can be at best, and is worth when all embeddings are the same.

Closed forms and one small convex problem; no torch, so that rules and reports can use them. T is the temperature.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MAX_SOLVED = 128
"""With more classes in a batch than this, an unbalanced floor is bounded from below instead of solved for."""


def single_class_floor(batch_size: int) -> float:
    """ln(B−1): the least loss of a batch of one class, reached wherever all cosines are equal. No T is in it.

    L_i = ln Σ_{a≠i} e^{s_ia/T} − mean_{a≠i} s_ia/T, which by Jensen's inequality is at least ln(B−1).
    """
    return math.log(batch_size - 1) if batch_size > 1 else 0.0


def collapse_value(batch_size: int, *, share: float = 1.0, scale: float = 1.0) -> float:
    """ln(B−1): the loss when all embeddings are the same, whatever the labels.

    Args:
        batch_size: B (times the views of each sample).
        share: of the anchors that have a positive, for code that averages over all anchors; ours leaves them out.
        scale: T / T_base, for code that multiplies by it as the paper's reference code does.
    """
    return share * scale * single_class_floor(batch_size)


def floor(counts: Sequence[int], temperature: float) -> float:
    """The infimum of the loss of a batch with `counts` samples in its classes, over all embeddings of length 1.

    One class: ln(n−1). C classes of n each (Graf et al. 2021, theorem 2), reached when each class is one corner of
    a regular simplex, so with cosine −1/(C−1) between classes:

        ln((n−1) + (C−1)·n·e^{−C/(C−1)/T})

    Unequal classes: with A anchors that have a positive and G_cd the cosine between the classes c and d, the least of

        Σ_c n_c/A · ln((n_c−1) + Σ_{d≠c} n_d e^{(G_cd−1)/T})        over all G ⪰ 0 with ones on the diagonal.

    That nothing is lower: the logarithm of a sum of exponentials is convex, so by Jensen's inequality the mean loss of
    a class only falls when its cosines to its own class and to each other class are replaced by their means. Those
    are given by the class means μ_c, the former rising with |μ_c| ≤ 1; lengthening μ_c to 1 in a direction of its own
    leaves the latter as they are. Hence a class is one point, and what is left is a convex problem over G. The
    dimension must be at least the number of classes less one.

    Classes of one sample are no anchors, but push. Without an anchor the loss is 0.
    """
    sizes = tuple(sorted(count for count in counts if count > 0))
    return _floor(sizes, temperature)


def normalised(loss: float, counts: Sequence[int], temperature: float) -> float:
    """(L − floor)/(collapse − floor): 0 is as good as possible, 1 is what equal embeddings give, more is worse still.

    NaN where the two are the same, as with one class: such a batch can teach nothing.
    """
    least, collapsed = floor(counts, temperature), single_class_floor(sum(counts))
    room = collapsed - least
    return (loss - least) / room if room > 1e-9 and max(counts, default=0) > 1 else math.nan


@lru_cache(maxsize=4096)
def _floor(sizes: tuple[int, ...], temperature: float) -> float:
    if not sizes or sizes[-1] < 2:
        return 0.0
    num_classes = len(sizes)
    if num_classes == 1:
        return single_class_floor(sizes[0])
    size_C = np.array(sizes, np.float64)
    if sizes[0] == sizes[-1]:
        cosine = -1 / (num_classes - 1)
        return float(_loss_of(size_C, np.full((num_classes, num_classes), cosine), temperature))
    if num_classes > MAX_SOLVED:
        return float(_loss_of(size_C, np.full((num_classes, num_classes), -1.0), temperature))
    return _solve(size_C, temperature)


def _loss_of(size_C: Floats, cosine_CC: Floats, temperature: float) -> float:
    """The loss when each class is one point; cosines on the diagonal are not looked at."""
    pull_C, anchor_C = _terms(size_C, cosine_CC, temperature)[:2]
    return float(anchor_C @ np.log(pull_C))


def _terms(size_C: Floats, cosine_CC: Floats, temperature: float) -> tuple[Floats, Floats, Floats]:
    """Sum of exponentials of each class, its share of the anchors, and the other classes' parts of that sum."""
    push_CC = size_C * np.exp((cosine_CC - 1) / temperature)
    np.fill_diagonal(push_CC, 0.0)
    anchor_C = np.where(size_C > 1, size_C, 0.0)
    pull_C = np.where(size_C > 1, size_C - 1, 1.0) + push_CC.sum(1)
    return pull_C, anchor_C / anchor_C.sum(), push_CC


def _solve(size_C: Floats, temperature: float) -> float:
    """The least over Gram matrices of unit vectors; full rank, so that no local minimum is in the way."""
    from scipy.optimize import minimize  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

    num = len(size_C)

    def value_and_slope(flat: Floats) -> tuple[float, Floats]:
        raw_CD = flat.reshape(num, num)
        length_C1 = np.linalg.norm(raw_CD, axis=1, keepdims=True)
        unit_CD = raw_CD / length_C1
        pull_C, anchor_C, push_CC = _terms(size_C, unit_CD @ unit_CD.T, temperature)
        slope_CC = (anchor_C / pull_C)[:, None] * push_CC / temperature
        slope_CD = (slope_CC + slope_CC.T) @ unit_CD
        slope_CD -= (slope_CD * unit_CD).sum(1, keepdims=True) * unit_CD
        return float(anchor_C @ np.log(pull_C)), (slope_CD / length_C1).ravel()

    start_CD = np.eye(num) - 1 / num  # the corners of a regular simplex
    options = {"maxiter": 500, "ftol": 1e-14, "gtol": 1e-10}
    found: Any = minimize(value_and_slope, start_CD.ravel(), jac=True, method="L-BFGS-B", options=options)
    return float(found.fun)
