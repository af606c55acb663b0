"""Facts about a mixture inside a network and about predicted scores, for the rules. Plain data, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NO_MIXTURE = "the network has no mixture of components"
"""Why there are no `ClusterFacts` of most tasks."""
NO_SCORES = "the run has no validation of predicted scores"
"""Why there are no `ScoreFacts`."""


@dataclass(frozen=True)
class RefitSeen:
    """A refit of a run, with the monitored metric before and after it, the larger the better (negated where not)."""

    step: int
    epoch: int
    mode: str
    metric: str
    before: float
    after: float
    """NaN: it is not defined, as a correlation with constant predictions is not."""
    best: float
    """Before the refit."""
    noise: float
    """Median absolute change from one ordinary validation to the next; NaN: there were not two."""
    agreement: float
    """Share of samples whose component kept its number; NaN: unknown."""
    matched: float
    """The same after the best renumbering."""

    @property
    def drop(self) -> float:
        """What was lost; all of it where the metric is no longer defined."""
        return self.before - self.after if self.after == self.after else abs(self.before)


@dataclass(frozen=True)
class RefitProbe:
    """Two fits of one network's features from different seeds."""

    num_samples: int
    agreement: float
    """Share of samples whose component has the same number in both."""
    matched: float
    """The same after the best renumbering."""
    response: float
    """Mean change of the output when the components are renumbered, as a share of its standard deviation; 0: the
    output does not depend on the numbers."""


@dataclass(frozen=True)
class Components:
    """Parameters of a mixture."""

    num_samples: int
    """It was fitted to; 0: drawn."""
    weights: tuple[float, ...]
    """Of each component; they sum to 1."""
    floored: tuple[float, ...]
    """Share of the dimensions in which each component has its least variance and another has more."""


@dataclass(frozen=True)
class ClusterFacts:
    """A mixture's posteriors: of one batch, or over the newest epoch of a run."""

    source: str
    """`batch` (through an untrained network) or `records`."""
    num_steps: int
    """Steps looked at."""
    clusters: int
    dim: int | None
    """Dimensions the mixture lives in; None: unknown."""
    batch_size: int
    max_posterior: float
    """Mean over the samples of the largest posterior."""
    entropy: float
    """Mean entropy of the posteriors, in nats."""
    counts: tuple[float, ...]
    """Samples whose largest posterior is each component's."""
    weights: Mapping[str, float]
    """Of the terms `cluster`, `balance` and `entropy`."""
    temper: str = ""
    """`none`, `dimension`, `learned`; empty: unknown."""
    first_max_posterior: float = float("nan")
    """Records: at the first step, before an update could have changed it; NaN: unknown."""
    gap: float = float("nan")
    """Batch: mean difference of the two largest log-posteriors."""
    tempered: float = float("nan")
    """Batch: what the mean largest posterior is with the same log-densities divided by the number of dimensions."""
    partial: str = ""
    """Why the counts are not those of an epoch of settled training; empty: they are."""
    refit_mode: str = "none"
    refit_every: int = 0
    refits: tuple[RefitSeen, ...] = ()
    probe: RefitProbe | None = None
    """None: not asked for, or there is no refit."""
    components: Components | None = None
    """None: only the network knows them."""

    @property
    def num_samples(self) -> float:
        """Samples counted."""
        return sum(self.counts)

    @property
    def posterior_weights(self) -> dict[str, float]:
        """Terms on the posteriors that count."""
        return {name: weight for name, weight in self.weights.items() if weight}


@dataclass(frozen=True)
class ScoreFacts:
    """Newest validations of a network that predicts scores."""

    metric: str
    """A rank correlation: not defined where all predictions are equal."""
    values: tuple[float, ...]
    """Of the newest validations, oldest first; NaN: not defined."""
    errors: tuple[float, ...]
    """Root mean squared errors of the same validations; NaN: unknown."""
    epochs: tuple[int, ...]
    constant_error: float = float("nan")
    """The least error that one and the same answer for every sample reaches; NaN: unknown."""
    is_over: bool = False
    """Whether no validation will follow."""
