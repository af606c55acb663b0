"""What the clustering terms can be at all: bounds and optima in closed form, so that a log can be told impossible.

No torch, so that rules and reports can use them. K is the number of components, p the largest posterior of a sample,
H its entropy in nats.

KL(mean posterior ‖ uniform) needs no function: the entropy of a mean is at least the mean of the entropies (concavity),
so the divergence is at most ln K less the mean H.
"""

from __future__ import annotations

import math


def largest_entropy(max_posterior: float, clusters: int) -> float:
    """The largest H of a sample with largest posterior p, and the largest mean H of samples with mean p.

    One sample: entropy is concave and symmetric, so the rest 1−p is spread evenly over the K−1 others,

        h(p) = −p ln p − (1−p) ln((1−p)/(K−1)).

    Many: h is an entropy of two outcomes, concave, plus the linear (1−p) ln(K−1), hence concave. By Jensen's
    inequality the mean of h(p_i) is at most h(mean p_i), reached when all samples have the same p.

    Raises:
        ValueError: p outside [1/K, 1].
    """
    p = _possible(max_posterior, clusters)
    return _minus_x_ln_x(p) + _minus_x_ln_x(1 - p) + (1 - p) * math.log(max(clusters - 1, 1))


def smallest_mean_entropy(mean_max_posterior: float, clusters: int) -> float:
    """The smallest mean H of samples whose largest posteriors have this mean.

    One sample has the smallest H with as many components as fit at p and one with what is left: moving posterior from
    a smaller component to a larger one lowers a concave symmetric function, until all but one are at p or 0. With
    n = ⌊1/p⌋ and r = 1 − np that is s(p) = −n p ln p − r ln r.

    Samples may differ, so it is the largest convex function below s. That one is concave between the points p = 1/n,
    H = ln n (second derivative −n/p − n²/r), and the points lie on the convex −ln p: the result runs straight between
    neighbouring points. It is reached by samples that are uniform over n or over n+1 components.

    Raises:
        ValueError: p outside [1/K, 1].
    """
    p = _possible(mean_max_posterior, clusters)
    n = min(max(int(1 / p), 1), max(clusters - 1, 1))
    right, left = 1 / n, 1 / (n + 1)
    share = (right - p) / (right - left)
    return max((1 - share) * math.log(n) + share * math.log(n + 1), 0.0) if clusters > 1 else 0.0


def ideal_batch_balance(clusters: int, batch_size: int) -> float:
    """(K−1)/(2B): what the balance term of decided samples, K equally frequent components, is in the mean over batches.

    A batch of B draws is never exactly balanced. 2B·KL is the likelihood-ratio statistic of B draws against the
    uniform distribution, χ² with K−1 degrees of freedom for large B (Wilks 1938), whose mean is K−1.
    """
    return (clusters - 1) / (2 * batch_size)


def expected_batch_balance(clusters: int, batch_size: int) -> float:
    """The same exactly: ln K + K · E[(n/B) ln(n/B)] with n binomial (B, 1/K); for B small beside K."""
    if clusters == 1:
        return 0.0
    log_hit, log_miss = -math.log(clusters), math.log1p(-1 / clusters)
    mean = 0.0
    for n in range(1, batch_size + 1):
        log_ways = math.lgamma(batch_size + 1) - math.lgamma(n + 1) - math.lgamma(batch_size - n + 1)
        chance = math.exp(log_ways + n * log_hit + (batch_size - n) * log_miss)
        mean -= chance * _minus_x_ln_x(n / batch_size)
    return math.log(clusters) + clusters * mean


def best_max_posterior(cluster_weight: float, entropy_weight: float, clusters: int) -> float:
    """The largest posterior at which cluster and entropy term together are least, nothing else pulling.

    A sample contributes −w_c·p − w_e·H, least at the largest H for its p, where h'(p) = ln((1−p)/((K−1)p)). Setting
    w_c + w_e·h'(p) to 0 gives

        p = 1 / (1 + (K−1)·e^{−w_c/w_e}).

    Without an entropy term 1, without either NaN: every p is as good.

    Raises:
        ValueError: a negative weight.
    """
    if cluster_weight < 0 or entropy_weight < 0:
        raise ValueError(f"weights must not be negative: {cluster_weight}, {entropy_weight}")
    if entropy_weight == 0:
        return 1.0 if cluster_weight > 0 else math.nan
    if clusters < 2:
        return 1.0
    return 1 / (1 + (clusters - 1) * math.exp(-cluster_weight / entropy_weight))


def _possible(max_posterior: float, clusters: int) -> float:
    """The value, put onto the end of its range where it is outside by a rounding error."""
    least = 1 / clusters
    if not least - 1e-9 <= max_posterior <= 1 + 1e-9:
        raise ValueError(f"a largest posterior of {clusters} components lies in [{least:.4g}, 1], not {max_posterior}")
    return min(max(max_posterior, least), 1.0)


def _minus_x_ln_x(x: float) -> float:
    return -x * math.log(x) if x > 0 else 0.0
