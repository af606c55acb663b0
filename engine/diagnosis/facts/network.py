"""Facts about a network: what one batch through it showed, forward and backward. Plain data, no torch, no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from trainctl.engine.diagnosis.facts.data import TensorFacts
from trainctl.engine.diagnosis.facts.gates import GateFacts
from trainctl.engine.diagnosis.facts.mixture import ClusterFacts
from trainctl.engine.diagnosis.facts.terms import GradientsFacts
from trainctl.engine.diagnosis.facts.watched.layers import LayersFacts
from trainctl.engine.diagnosis.facts.watched.loss_calls import BatchSoftmax, LossCall
from trainctl.engine.diagnosis.facts.watched.mixing import MixingFacts
from trainctl.engine.diagnosis.facts.watched.notices import Notice

NO_CONTRAST = "no term of the loss is contrastive"
"""Why there are no `ContrastFacts` of most tasks."""


@dataclass(frozen=True)
class ParameterFacts:
    """One parameter tensor after the backward pass of a batch."""

    name: str
    shape: tuple[int, ...]
    trainable: bool
    grad_norm: float | None
    """None: the backward pass never reached it."""
    is_loaded: bool | None
    """Whether two freshly built networks agree on it, so that it was not drawn at random; None: cannot tell."""

    @property
    def numel(self) -> int:
        """Scalars in it."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class ExpectedLoss:
    """What a loss term is worth while the network knows nothing."""

    value: float
    formula: str


@dataclass(frozen=True)
class ContrastFacts:
    """A contrastive loss over the pairs of a batch: of one batch, or of the newest steps of a run."""

    term: str
    source: str
    """`batch` (through an untrained network) or `records`."""
    num_steps: int
    batch_size: int
    """Samples whose pairs are compared."""
    loss: float
    """Median of the raw term."""
    gap: float
    """Median of the term less ln(B−1), which it is worth when all embeddings are the same."""
    gap_std: float
    """Standard deviation of that over the steps; NaN: one step."""
    mean_cosine: float
    """Median over the steps of the mean cosine of different samples; NaN: unknown."""
    across_cosine: float
    """Mean cosine of samples of different classes, or the least that it can be; NaN: unknown, or one class."""
    same_share: float
    """Share of the pairs that are of one class; NaN: unknown."""
    num_zero: int = 0
    """Embeddings of length 0."""
    early: str = ""
    """Why it is too early in the run to judge; empty: it is not."""


@dataclass(frozen=True)
class ReductionFacts:
    """What order and number of the samples of a batch do to each loss term, of an untrained network."""

    num_samples: int
    order_change: Mapping[str, float]
    """Largest relative change of a term when its samples stand in another order."""
    doubled: Mapping[str, float]
    """A term of the batch beside itself, in terms of itself: 1 for a mean, 2 for a sum; NaN where it is 0."""


@dataclass(frozen=True)
class BatchFacts:
    """One batch through a copy of the network, forward and backward."""

    batch_size: int
    terms: Mapping[str, float]
    """Raw loss terms."""
    term_depends: Mapping[str, bool]
    """Whether each term depends on a parameter."""
    weights: Mapping[str, float]
    loss: float
    expected: Mapping[str, ExpectedLoss]
    parameters: tuple[ParameterFacts, ...]
    group_norms: Mapping[str, float]
    """Gradient norm of each module group that is trained."""
    frozen: tuple[str, ...]
    """Module groups without a trainable parameter."""
    inputs: tuple[TensorFacts, ...]
    """Tensors of the batch as the network gets them."""
    outputs: tuple[TensorFacts, ...]
    """Per-sample results of the step."""
    first_nonfinite: str | None
    """First module whose output was not finite."""
    not_scalar: tuple[str, ...] = ()
    """Loss terms that are not scalars; their mean stands in `terms`."""
    fails_on_one: str | None = None
    """What the network says to a batch of one sample; None: nothing, or not tried."""
    contrast: ContrastFacts | None = None
    """None: no term of the loss is contrastive."""
    clusters: ClusterFacts | None = None
    """None: the network has no mixture."""
    reduction: ReductionFacts | None = None
    """None: the step draws random numbers, or does not work on other batches."""
    gates: tuple[GateFacts, ...] | None = None
    """None: the network has none that are known."""
    gradients: GradientsFacts | None = None
    """None: there is one term only, or no main one."""
    layers: LayersFacts | None = None
    """None: nobody looked on."""
    kinds: Mapping[str, str] = field(default_factory=dict[str, str])
    """What each term is (`TermKind`), of those of which it is known."""
    loss_calls: tuple[LossCall, ...] = ()
    """Loss functions of torch that the step called."""
    softmaxes: tuple[BatchSoftmax, ...] = ()
    """Where it takes a softmax over the samples of the batch."""
    mixing: MixingFacts | None = None
    """None: not tried."""
    notices: tuple[Notice, ...] = ()
    """What was warned of while network and step were made."""

    @property
    def trainable(self) -> tuple[ParameterFacts, ...]:
        """Parameters that ask for a gradient."""
        return tuple(p for p in self.parameters if p.trainable)

    @property
    def num_with_gradient(self) -> int:
        """Trainable parameter tensors whose gradient is there and not zero."""
        return sum(1 for p in self.trainable if p.grad_norm is not None and p.grad_norm != 0)

    @property
    def grad_norm(self) -> float:
        """Total gradient norm."""
        return float(np.sqrt(sum(p.grad_norm**2 for p in self.trainable if p.grad_norm is not None)))
