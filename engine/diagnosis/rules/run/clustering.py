"""Q501 to Q504: what goes wrong with a mixture inside a network. Pure functions of evidence.

The order of the questions: can the posteriors be moved at all (Q501), does a refit renumber them (Q503); only then
does it say anything that they are uneven (Q502) or that a component has nothing to hold on to (Q504).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from trainctl.engine.diagnosis import remedies
from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.mixture import ClusterFacts, RefitProbe, RefitSeen
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.losses.clustering_bounds import best_max_posterior, ideal_batch_balance

ONE_HOT = 0.99
"""Mean largest posterior above which nothing can be said to a posterior any more."""
MEANT = 0.9
"""A largest posterior that terms can still move."""
FEW_DIMENSIONS = 16
"""A mixture in as many has posteriors between uniform and one-hot."""
UNEVEN, COLLAPSED, EMPTY_SHARE, RATIO, NOTABLE_RATIO = 0.9, 0.7, 0.1, 10.0, 4.0
"""Entropy of the sizes as a share of ln K below which it is a warning, and an error; share of 1/K below which a
component counts as empty; largest to smallest above which it is a warning, and worth knowing."""
BY_CHANCE = 4.0
"""Deviations √(n/K) of a size below its share that chance alone gives hardly ever."""
LEAST_EXPECTED = 20
"""Samples per component from which on sizes are judged: fewer differ by chance."""
NOISE_TIMES, LOST_SHARE = 6.0, 0.2
"""A drop at a refit counts beyond so many times the usual change, and beyond this share of the best."""
CORRELATIONS, LEAST_CORRELATION = ("srcc", "plcc"), 0.05
"""Metrics of which this much is within the error of a few hundred samples, 1/√N."""
SCRAMBLED, SAME_GROUPS = 0.5, 0.7
"""Agreement below which components count as renumbered, and matched agreement from which on the groups are the same."""
LEAST_RESPONSE = 0.01
"""Change of the output, in its deviations, from which on it depends on the components' numbers."""
FLOORED_SHARE = 0.1
"""Share of its dimensions at the least variance from which on a component is singular."""


@rule(
    "Q501",
    "one-hot posteriors",
    section="model",
    severity=Severity.WARNING,
    precedence=Precedence.MECHANICS,
    cost=Cost.BATCH,
)
def one_hot_posteriors(clusters: ClusterFacts) -> Answer:
    """Mean largest posterior above .99: of an untrained network, or over the newest epoch of a run.

    p(1−p) is what a posterior passes on to its log-density; at p = .9998 that is nothing, so that terms on the
    posteriors cannot change them. Where it is so before the first update, no loss weight is the cause.

    Costs: the terms on the posteriors have no gradient: the clusters stay what the first fit made of them.
    Do: a projection to few dimensions before the mixture, or log-densities times 1/D.
    Follows from: N901.
    """
    if not clusters.max_posterior > ONE_HOT:
        return None
    is_from_start = clusters.source == "batch" or clusters.first_max_posterior > ONE_HOT
    terms = clusters.posterior_weights
    return Hit(
        severity=Severity.WARNING if terms else Severity.INFO,
        confidence=Confidence.PROVEN if is_from_start else Confidence.LIKELY,
        summary=f"mean largest posterior {clusters.max_posterior:.4f}",
        where=_where_one_hot(clusters),
        why=_why_one_hot(clusters, is_from_start),
        fix=_fix_one_hot(clusters),
        figures={
            "max_posterior": clusters.max_posterior,
            "first_max_posterior": clusters.first_max_posterior,
            "entropy": clusters.entropy,
            "dimensions": clusters.dim or "unknown",
            "log_posterior_gap": clusters.gap,
            "max_posterior_over_dimensions": clusters.tempered,
            "optimum_of_the_weights": _optimum(clusters),
        },
        ruled_out=_not_the_weights(clusters, is_from_start),
        because=("N901",),
    )


def _where_one_hot(clusters: ClusterFacts) -> str:
    dims = f" in {clusters.dim} dimensions" if clusters.dim else ""
    mixture = f"mixture of {clusters.clusters}{dims}"
    if clusters.source == "batch":
        return f"{mixture}: first batch of {clusters.batch_size} through the untrained network"
    return f"{mixture}: newest {clusters.num_steps} steps; at the first step {clusters.first_max_posterior:.4f}"


def _why_one_hot(clusters: ClusterFacts, is_from_start: bool) -> str:
    terms = ", ".join(clusters.posterior_weights) or "cluster, balance and entropy"
    left = 1 - clusters.max_posterior
    share = f"p(1−p) ≤ {left:.1g} is" if left > 1e-6 else "nothing is"
    mute = f"of most samples' gradient of {terms} {share} left, the few between two components have a large one"
    if not is_from_start:
        return f"training made them so; {mute}"
    gap = "" if math.isnan(clusters.gap) else f": the two best components are {clusters.gap:.0f} nats apart"
    same = (
        f", the same densities times 1/{clusters.dim} give p = {clusters.tempered:.2f}"
        if clusters.tempered < ONE_HOT
        else ""
    )
    return f"log-densities add up over {clusters.dim or 'all'} dimensions{gap}{same}; {mute}"


def _optimum(clusters: ClusterFacts) -> float:
    """The largest posterior that the weights of cluster and entropy ask for; NaN: none."""
    weights = [clusters.weights.get(name, 0.0) for name in ("cluster", "entropy")]
    return best_max_posterior(weights[0], weights[1], clusters.clusters) if min(weights) >= 0 else math.nan


def _not_the_weights(clusters: ClusterFacts, is_from_start: bool) -> tuple[str, ...]:
    weight, found = clusters.weights.get("cluster", 0.0), []
    if is_from_start:
        found.append(f"weight of the cluster term ({weight:g}; it was so before the first update)")
    optimum = _optimum(clusters)
    if optimum <= ONE_HOT:
        formula = f"1/(1+{clusters.clusters - 1}·e^(−w_c/w_e))"
        found.append(f"what the weights ask for (largest posterior {formula} = {optimum:.2f})")
    return tuple(found)


def _fix_one_hot(clusters: ClusterFacts) -> Fix:
    """Fewer dimensions first, then the temper; weights only where those are as they should be."""
    more = (
        f"; cluster {clusters.weights['cluster']:g} without an entropy term asks for one-hot posteriors as well"
        if _optimum(clusters) > ONE_HOT
        else ""
    )
    if clusters.temper in ("dimension", "learned"):
        return Fix(f"a smaller weight of the cluster term beside the entropy term's{more}", _calmer_weight(clusters))
    if clusters.dim is not None and clusters.dim <= FEW_DIMENSIONS:
        return Fix(f"multiply the log-densities by 1/{clusters.dim} (temper){more}", {"model.temper": "dimension"})
    return Fix(
        f"a projection to {FEW_DIMENSIONS} dimensions, or log-densities times 1/D (model.temper: dimension); where the "
        f"quality loss stands still, no gradient from posteriors to the backbone (model.mixture_gradient: false){more}",
        {"model.projection": FEW_DIMENSIONS},
    )


def _calmer_weight(clusters: ClusterFacts) -> remedies.Settings | None:
    """The weight of the cluster term that asks for a largest posterior of .9 beside the entropy term as it is."""
    entropy, count = clusters.weights.get("entropy", 0.0), clusters.clusters
    meant = entropy * (math.log(count - 1) + math.log(MEANT / (1 - MEANT))) if count > 1 else 0.0
    is_smaller = 0 < meant < clusters.weights.get("cluster", 0.0)
    return {"loss_weights.cluster": remedies.rounded(meant)} if is_smaller else None


@rule(
    "Q502",
    "uneven or empty clusters",
    section="loss",
    severity=Severity.ERROR,
    precedence=Precedence.LOSS,
    cost=Cost.RECORDS,
)
def uneven_clusters(clusters: ClusterFacts) -> Answer:
    """Entropy of the sizes over an epoch below .9 ln K (error: .7), a component below .1/K (error), ratio above 10;
    above 4, and beyond chance, an information: clusters need not be equal, unless a term is to make them so.

    The entropy of n draws is (K−1)/2n too low in the mean (Miller 1955): it is put back.

    Costs: a few clusters take every sample, the others stand for nothing.
    Do: a larger weight of the balance term, over a moving average instead of the batch.
    Follows from: Q501, Q503.
    """
    if clusters.partial:
        return Unchecked(clusters.partial)
    total, count = clusters.num_samples, clusters.clusters
    if total < LEAST_EXPECTED * count:
        return Unchecked(f"needs {LEAST_EXPECTED} samples per component, there are {total / count:.0f}")
    entropy = corrected_entropy(clusters.counts)
    evenness = entropy / math.log(count)
    empty = [k for k, size in enumerate(clusters.counts) if size < EMPTY_SHARE * total / count]
    smallest, largest = min(clusters.counts), max(clusters.counts)
    ratio = largest / smallest if smallest > 0 else math.inf
    is_grave = bool(empty) or evenness < UNEVEN or ratio > RATIO
    is_chance = total / count - smallest <= BY_CHANCE * math.sqrt(total / count)
    if not is_grave and (ratio <= NOTABLE_RATIO or is_chance):
        return None
    severity = Severity.WARNING if is_grave else Severity.INFO
    return Hit(
        severity=Severity.ERROR if empty or evenness < COLLAPSED else severity,
        confidence=Confidence.LIKELY,
        summary=_uneven_words(empty, count, evenness, ratio),
        where=f"newest epoch, {clusters.num_steps} steps: sizes {smallest:,.0f} to {largest:,.0f}, "
        f"equal ones would be {total / count:,.0f}",
        why=f"the KL of the sizes from equal ones is {math.log(count) - entropy:.3f} beyond what chance gives; of a "
        f"single batch of {clusters.batch_size} chance alone makes it (K−1)/2B = "
        f"{ideal_batch_balance(count, clusters.batch_size):.3f}",
        fix=_fix_uneven(clusters),
        figures={
            "evenness": evenness,
            "divergence": math.log(count) - entropy,
            "smallest": smallest,
            "largest": largest,
            "empty": len(empty),
            "balance_weight": clusters.weights.get("balance", 0.0),
        },
        because=("Q501", "Q503"),
    )


def corrected_entropy(counts: Sequence[float]) -> float:
    """Entropy of the shares in nats, with the mean bias (K−1)/2n of n draws put back; at most ln K."""
    total = math.fsum(counts)
    shares = [count / total for count in counts if count > 0]
    plain = -math.fsum(share * math.log(share) for share in shares)
    return min(plain + (len(counts) - 1) / (2 * total), math.log(len(counts)))


def _uneven_words(empty: Sequence[int], count: int, evenness: float, ratio: float) -> str:
    if empty:
        shown = ", ".join(map(str, empty[:8]))
        return f"{len(empty)} of {count} clusters hold less than a tenth of their share: {shown}"
    return f"entropy of the sizes is {evenness:.2f} ln {count}, largest to smallest {ratio:.1f}"


def _fix_uneven(clusters: ClusterFacts) -> Fix:
    weight = clusters.weights.get("balance", 0.0)
    if weight <= 0:
        return Fix("a term for balance", {"loss_weights.balance": 1.0} if "balance" in clusters.weights else None)
    return Fix(
        f"a larger weight of the balance term (now {weight:g}), over a moving average instead of the batch",
        {"loss_weights.balance": 2 * weight},
    )


@rule(
    "Q503",
    "refit renumbers the clusters",
    section="model",
    severity=Severity.ERROR,
    precedence=Precedence.MECHANICS,
    cost=Cost.BATCH,
)
def refit_destroys_mapping(clusters: ClusterFacts, plan: PlanFacts | None = None) -> Answer:
    """A metric that falls at a refit, or, before training, two fits that number the same groups differently.

    From records: a drop of more than six times the usual change and a fifth of the best. Agreement below .5 that
    renumbering lifts to .7 or more proves a permutation: the groups stayed, what reads them by number was misled.
    Where the dimension alone makes posteriors one-hot, every sample changes its number as a whole: a consequence.

    Costs: what reads posteriors by number starts anew, and the metric falls to chance.
    Do: match the new components to the old ones (refit.mode: matched), or no refit at all.
    Follows from: Q501.
    """
    if clusters.source == "records":
        return _judge_refits(clusters)
    probe, every = clusters.probe, clusters.refit_every
    if clusters.refit_mode != "sklearn" or (plan is not None and plan.epochs <= every):
        return None  # a refit needs an epoch after it
    if probe is None:
        return Unchecked("the mixture could not be fitted to the features of the untrained network")
    if probe.agreement >= SCRAMBLED or probe.response < LEAST_RESPONSE:
        return None
    return _hit_before(probe, every, is_by_dimension=_is_by_dimension(clusters))


def _is_by_dimension(clusters: ClusterFacts) -> bool:
    """Whether posteriors are one-hot only because log-densities add up over so many dimensions."""
    return clusters.temper not in ("dimension", "learned") and clusters.tempered < ONE_HOT


def _hit_before(probe: RefitProbe, every: int, *, is_by_dimension: bool) -> Hit:
    is_same = probe.matched >= SAME_GROUPS
    groups = (
        f"{probe.matched:.0%} after the best renumbering: the groups are the same, their numbers are not"
        if is_same
        else f"{probe.matched:.0%} even after the best renumbering: numbers and groups both change"
    )
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN if is_same else Confidence.LIKELY,
        summary=f"two fits agree on {probe.agreement:.0%} of the samples",
        where=f"refit.mode=sklearn every {every} epochs; {probe.num_samples:,} training samples, fitted with the seeds "
        f"of the first two refits",
        why=f"{groups}; renumbering moves the output by {probe.response:.2f} of its deviation, because it reads the "
        f"posteriors by number",
        fix=_no_refit(),
        figures={
            "agreement": probe.agreement,
            "matched_agreement": probe.matched,
            "response": probe.response,
            "samples": probe.num_samples,
        },
        because=("Q501",) if is_by_dimension else (),
    )


def _judge_refits(clusters: ClusterFacts) -> Answer:
    if not clusters.refits:
        return Unchecked("no refit has been validated yet") if clusters.refit_mode != "none" else None
    harmful = [refit for refit in clusters.refits if _is_harmful(refit)]
    if not harmful:
        return None
    worst = max(harmful, key=lambda refit: refit.drop)
    is_permutation = worst.agreement < SCRAMBLED and worst.matched >= SAME_GROUPS
    after = f"{worst.after:.3f}" if math.isfinite(worst.after) else "undefined"
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN if is_permutation else Confidence.LIKELY,
        summary=f"{worst.metric} {worst.before:.3f} → {after} at a refit",
        where=f"{worst.mode} refit after epoch {worst.epoch} (step {worst.step}); {len(harmful)} of "
        f"{len(clusters.refits)} refits did harm",
        why=_why_harmful(worst, is_permutation),
        fix=_no_refit(),
        figures={
            "before": worst.before,
            "after": worst.after,
            "noise": worst.noise,
            "agreement": worst.agreement,
            "matched_agreement": worst.matched,
            "step": worst.step,
        },
        ruled_out=_not_noise(worst),
    )


def _is_harmful(refit: RefitSeen) -> bool:
    noise = 0.0 if math.isnan(refit.noise) else refit.noise
    least = LEAST_CORRELATION if refit.metric in CORRELATIONS else 0.0
    return refit.drop > max(NOISE_TIMES * noise, LOST_SHARE * abs(refit.best), least)


def _why_harmful(refit: RefitSeen, is_permutation: bool) -> str:
    if math.isnan(refit.agreement):
        return "no update lies between the two validations, only the refit"
    kept = f"{refit.agreement:.0%} of the samples kept the number of their component, "
    kept += f"{refit.matched:.0%} after the best renumbering"
    if is_permutation:
        return f"{kept}: a permutation, which misleads what reads the posteriors by number"
    return f"{kept}; no update lies between the two validations"


def _not_noise(refit: RefitSeen) -> tuple[str, ...]:
    if math.isnan(refit.noise):
        return ()
    return (f"evaluation noise (validations usually differ by {refit.noise:.3f})",)


def _no_refit() -> Fix:
    return Fix(
        "match the new components to the old ones (refit.mode: matched), or no refit at all (none)",
        {"refit.mode": "matched"},
    )


@rule(
    "Q504",
    "singular component",
    section="model",
    severity=Severity.WARNING,
    precedence=Precedence.LOSS,
    cost=Cost.BATCH,
)
def singular_component(clusters: ClusterFacts) -> Answer:
    """A component whose weight is less than two samples, or that has its least variance in a tenth of its dimensions.

    Dimensions in which every component has its least variance are features that do not vary, and do not count.

    Costs: the density is a spike on one sample, and the entropy of the posteriors says nothing.
    Do: fewer clusters, fewer dimensions, or more samples for the fit.
    """
    found = clusters.components
    if found is None:
        return Unchecked("needs the network, not only the records of the run")
    if not found.num_samples:
        return None
    lonely = [k for k, weight in enumerate(found.weights) if weight < 2 / found.num_samples]
    narrow = [k for k, share in enumerate(found.floored) if share > FLOORED_SHARE]
    if not lonely and not narrow:
        return None
    singular = sorted({*lonely, *narrow})
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{len(singular)} of {clusters.clusters} components hold on to next to nothing",
        where=f"first fit to {found.num_samples:,} samples: components {', '.join(map(str, singular[:8]))}",
        why=f"least weight {min(found.weights):.2g} ({min(found.weights) * found.num_samples:.1f} samples), variance "
        f"at its floor in up to {max(found.floored):.0%} of the dimensions: the density is a spike",
        fix=_fix_singular(clusters),
        figures={
            "least_weight": min(found.weights),
            "samples": found.num_samples,
            "floored_share": max(found.floored),
            "singular": len(singular),
        },
    )


def _fix_singular(clusters: ClusterFacts) -> Fix:
    if clusters.dim is not None and clusters.dim > FEW_DIMENSIONS:
        return Fix(
            f"a projection to {FEW_DIMENSIONS} dimensions before the mixture, or fewer clusters",
            {"model.projection": FEW_DIMENSIONS},
        )
    return Fix("fewer clusters, or more samples for the fit", {"model.clusters": max(clusters.clusters // 2, 2)})
