"""A learner that has no settings and is fitted in closed form: kernel ridge regression, left-one-out answers included.

Of a few hundred samples it says in a fraction of a second whether their inputs tell anything of their targets. Knows no
task. Saunders et al. 1998; the left-one-out residuals are those of a linear smoother.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.diagnosis.logs.table import Floats

RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Penalties that are tried, in terms of the mean eigenvalue; the one with the least left-one-out error is kept."""
LEAST_EIGENVALUE = 1e-12


@dataclass(frozen=True)
class Fitted:
    """A learner after the samples that it was fitted to."""

    x: Floats
    """Inputs, shape (n, columns)."""
    dual: Floats
    """Weight of each sample for each output, shape (n, outputs)."""
    mean: Floats
    """Mean target, shape (outputs,)."""
    left_out: Floats
    """What is answered for each sample by a fit to all others, shape (n, outputs)."""
    penalty: float
    """The ridge that was chosen, added to every eigenvalue."""

    def answers(self, x: Floats) -> Floats:
        """Answers for other inputs (m, columns), shape (m, outputs)."""
        return kernel(x, self.x) @ self.dual + self.mean


def kernel(a: Floats, b: Floats) -> Floats:
    """Likeness of inputs with standardised columns, (n, columns) and (m, columns) to (n, m): linear and local parts."""
    width = max(a.shape[1], 1)
    products = a @ b.T / width
    squares = (a**2).sum(1)[:, None] / width + (b**2).sum(1)[None] / width - 2 * products
    return 0.5 * products + np.exp(-np.maximum(squares, 0.0))


def fit(x: Floats, targets: Floats) -> Fitted:
    """Fit targets (n, outputs) to inputs (n, columns), columns standardised."""
    mean = targets.mean(0)
    values, vectors = np.linalg.eigh(kernel(x, x))
    values = np.maximum(values, LEAST_EIGENVALUE)
    turned = vectors.T @ (targets - mean)
    best: tuple[float, float, Floats] | None = None
    for ridge in RIDGES:
        penalty = ridge * float(values.mean())
        kept = values / (values + penalty)
        leverage = (vectors**2 * kept).sum(1)
        residuals = (targets - mean - vectors @ (kept[:, None] * turned)) / (1 - leverage)[:, None]
        error = float((residuals**2).sum())
        if best is None or error < best[0]:
            best = error, penalty, residuals
    assert best is not None
    dual = vectors @ (turned / (values + best[1])[:, None])
    return Fitted(x, dual, mean, targets - best[2], best[1])


def answers_for_others(fitted: Fitted, targets: Floats, part: NDArray[np.int64]) -> Floats:
    """What is answered for each sample by a fit to those of all other parts, shape (n, outputs).

    Args:
        fitted: to all samples; gives the penalty.
        targets: shape (n, outputs).
        part: that each sample belongs to, shape (n,).
    """
    answers = np.empty_like(targets)
    for one in np.unique(part):
        learns, asked = part != one, part == one
        matrix = kernel(fitted.x[learns], fitted.x[learns]) + fitted.penalty * np.eye(int(learns.sum()))
        mean = targets[learns].mean(0)
        dual = np.linalg.solve(matrix, targets[learns] - mean)
        answers[asked] = kernel(fitted.x[asked], fitted.x[learns]) @ dual + mean
    return answers


def standardised(columns: Floats, by: Floats) -> Floats:
    """Columns (n, k) with mean 0 and deviation 1 over the samples `by` (m, k); those that do not vary there become 0,
    or at most a few deviations of the others."""
    mean, deviation = by.mean(0), by.std(0)
    usual = float(np.median(deviation[deviation > 0])) if (deviation > 0).any() else 1.0
    return (columns - mean) / np.maximum(deviation, 0.1 * usual)
