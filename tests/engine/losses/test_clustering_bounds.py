"""The closed forms against drawn posteriors, simulation and numerical minimisation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from trainctl.engine.losses.clustering_bounds import (
    best_max_posterior,
    expected_batch_balance,
    ideal_batch_balance,
    largest_entropy,
    smallest_mean_entropy,
)

Floats = NDArray[np.float64]


def drawn(num: int, clusters: int, concentration: float, seed: int) -> Floats:
    """Posteriors of `num` samples, from nearly one-hot to nearly uniform."""
    rows = np.random.default_rng(seed).gamma(concentration, size=(num, clusters)) + 1e-300
    return rows / rows.sum(1, keepdims=True)


def entropy(rows: Floats) -> Floats:
    return -(rows * np.log(np.where(rows > 0, rows, 1.0))).sum(-1)


def packed_entropy(p: float) -> float:
    """The smallest entropy of one sample with largest posterior p: components at p while they fit, the rest in one."""
    packed, left = [], 1.0
    while left > 1e-12:
        packed.append(min(p, left))
        left -= packed[-1]
    return float(entropy(np.array(packed)))


ROWS = st.builds(drawn, st.integers(1, 6), st.integers(2, 9), st.floats(0.02, 20), st.integers(0, 10_000))


@settings(deadline=None)
@given(ROWS)
def test_no_posteriors_are_outside_the_bounds(rows: Floats) -> None:
    clusters = rows.shape[1]
    for row, own in zip(rows, entropy(rows), strict=True):
        assert own <= largest_entropy(row.max(), clusters) + 1e-9
    mean, mean_max = float(entropy(rows).mean()), float(rows.max(1).mean())
    assert smallest_mean_entropy(mean_max, clusters) - 1e-9 <= mean <= largest_entropy(mean_max, clusters) + 1e-9


@given(st.integers(2, 9), st.floats(0, 1))
def test_the_bound_of_one_sample_is_reached(clusters: int, place: float) -> None:
    p = 1 / clusters + place * (1 - 1 / clusters)
    spread = np.array([p] + [(1 - p) / (clusters - 1)] * (clusters - 1))
    assert largest_entropy(p, clusters) == pytest.approx(float(entropy(spread)), abs=1e-9)


@given(st.integers(2, 8), st.integers(1, 7), st.integers(0, 10))
def test_the_least_mean_entropy_is_reached_by_samples_uniform_over_n_or_one_more(
    clusters: int, n: int, num_wider: int
) -> None:
    assume(n < clusters)
    rows = [[1 / n] * n] * (10 - num_wider) + [[1 / (n + 1)] * (n + 1)] * num_wider
    mean_max = sum(row[0] for row in rows) / 10
    expected = sum(math.log(len(row)) for row in rows) / 10
    assert smallest_mean_entropy(mean_max, clusters) == pytest.approx(expected, abs=1e-9)


@given(st.integers(2, 9), st.floats(0, 1))
def test_samples_together_may_be_less_undecided_than_one_with_their_mean(clusters: int, place: float) -> None:
    p = 1 / clusters + place * (1 - 1 / clusters)
    assert smallest_mean_entropy(p, clusters) <= packed_entropy(p) + 1e-9
    assert packed_entropy(p) <= largest_entropy(p, clusters) + 1e-9


def test_the_document_s_log_has_more_entropy_than_its_largest_posterior_allows() -> None:
    assert largest_entropy(0.85, 8) == pytest.approx(0.7146, abs=5e-5)
    assert largest_entropy(0.85, 8) < 1.85


@pytest.mark.parametrize("value", [0.1, 1.01, math.nan])
def test_a_largest_posterior_that_no_sample_can_have_is_refused(value: float) -> None:
    for bound in (largest_entropy, smallest_mean_entropy):
        with pytest.raises(ValueError, match="largest posterior of 8 components"):
            bound(value, 8)


def test_the_ends_are_the_entropies_of_uniform_and_one_hot() -> None:
    for bound in (largest_entropy, smallest_mean_entropy):
        assert bound(1.0, 8) == pytest.approx(0, abs=1e-12)
        assert bound(1 / 8, 8) == pytest.approx(math.log(8))
        assert bound(1.0, 1) == 0


def test_ideal_clusters_have_the_divergence_of_a_fair_draw() -> None:
    assert ideal_batch_balance(8, 64) == pytest.approx(0.0547, abs=5e-5)
    counts = np.random.default_rng(0).multinomial(64, [1 / 8] * 8, size=20_000)
    simulated = math.log(8) - entropy(counts / 64)
    error = float(simulated.std() / math.sqrt(len(simulated)))
    assert abs(float(simulated.mean()) - expected_batch_balance(8, 64)) < 4 * error
    assert ideal_batch_balance(8, 64) == pytest.approx(float(simulated.mean()), rel=0.05)


@given(st.integers(1, 6), st.integers(300, 600))
def test_with_large_batches_the_divergence_is_half_the_degrees_of_freedom_over_the_batch(
    clusters: int, batch_size: int
) -> None:
    assert expected_batch_balance(clusters, batch_size) == pytest.approx(
        ideal_batch_balance(clusters, batch_size), rel=0.02
    )


@pytest.mark.parametrize("clusters", [2, 8])
def test_a_batch_of_one_decided_sample_is_as_unbalanced_as_can_be(clusters: int) -> None:
    assert expected_batch_balance(clusters, 1) == pytest.approx(math.log(clusters))


@pytest.mark.parametrize(
    ("cluster_weight", "entropy_weight", "p"),
    [(0.1, 0.1, 0.28), (0.5, 0.1, 0.955), (0.1, 0.05, 0.51), (0.2, 0.05, 0.89)],
)
def test_the_recommended_weights_have_their_optimum_outside_the_recommended_band(
    cluster_weight: float, entropy_weight: float, p: float
) -> None:
    assert best_max_posterior(cluster_weight, entropy_weight, 8) == pytest.approx(p, abs=0.005)


@given(st.integers(2, 9), st.floats(0, 2), st.floats(0.05, 2))
def test_the_optimum_is_where_minimisation_ends(clusters: int, cluster_weight: float, entropy_weight: float) -> None:
    def value(p: float) -> float:
        return -cluster_weight * p - entropy_weight * largest_entropy(p, clusters)

    bounds = (1 / clusters, 1.0)
    found: Any = minimize_scalar(value, bounds=bounds, method="bounded", options={"xatol": 1e-9})
    best = best_max_posterior(cluster_weight, entropy_weight, clusters)
    assert value(best) <= found.fun + 1e-12
    assert best == pytest.approx(found.x, abs=1e-4)


@settings(deadline=None)
@given(ROWS, st.floats(0, 2), st.floats(0.05, 2))
def test_no_posteriors_do_better_than_the_optimum(rows: Floats, cluster_weight: float, entropy_weight: float) -> None:
    clusters = rows.shape[1]
    best = best_max_posterior(cluster_weight, entropy_weight, clusters)
    least = -cluster_weight * best - entropy_weight * largest_entropy(best, clusters)
    terms = -cluster_weight * rows.max(1) - entropy_weight * entropy(rows)
    assert least <= float(terms.min()) + 1e-9


def test_weights_of_zero_decide_everything_or_nothing() -> None:
    assert best_max_posterior(0.5, 0, 8) == 1
    assert best_max_posterior(0, 0.1, 8) == pytest.approx(1 / 8)
    assert math.isnan(best_max_posterior(0, 0, 8))
    with pytest.raises(ValueError, match="negative"):
        best_max_posterior(0.1, -0.1, 8)
