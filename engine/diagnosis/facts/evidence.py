"""What rules judge: plain facts, gathered by probes from data and model, or read from the records of a run.

No tensor, no model, no torch. A part that could not be gathered is None, and `missing` says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trainctl.engine.diagnosis.facts.mixture import ClusterFacts, ScoreFacts
from trainctl.engine.diagnosis.logs.facts import LogFacts
from trainctl.engine.runs.states import RunState

NO_CONTRAST = "no term of the loss is contrastive"
"""Why there are no `ContrastFacts` of most tasks."""


@dataclass(frozen=True)
class Place:
    """Where in a split something was seen."""

    split: str
    tensor: str
    sample: int
    """Index into the split."""
    name: str
    """Where the sample came from; empty if the data does not say."""
    num_samples: int
    """Samples concerned in this tensor."""

    def __str__(self) -> str:
        origin = f" ({self.name})" if self.name else ""
        more = f" and {self.num_samples - 1:,} more" if self.num_samples > 1 else ""
        return f"{self.tensor} of {self.split} sample {self.sample}{origin}{more}"


@dataclass(frozen=True)
class TensorFacts:
    """Statistics of one tensor, over its finite values."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    mean: float
    std: float
    minimum: float
    maximum: float
    num_nonfinite: int

    @property
    def is_constant(self) -> bool:
        """Whether every finite value is the same."""
        return self.minimum == self.maximum


@dataclass(frozen=True)
class SplitLabels:
    """Class labels of one split."""

    split: str
    counts: tuple[int, ...]
    """Samples of each class; what lies outside 0..C−1 is not counted here."""
    lowest: int
    highest: int
    num_outside: int = 0
    """Labels outside 0..C−1."""
    example: Place | None = None
    """A sample whose label is outside."""

    @property
    def num_samples(self) -> int:
        """All labels, those outside included."""
        return sum(self.counts) + self.num_outside


@dataclass(frozen=True)
class LabelFacts:
    """Class labels of the data set."""

    classes: tuple[str, ...]
    train: SplitLabels
    val: SplitLabels | None = None

    @property
    def splits(self) -> tuple[SplitLabels, ...]:
        """The splits that have labels."""
        return (self.train,) if self.val is None else (self.train, self.val)


@dataclass(frozen=True)
class SplitFacts:
    """One split."""

    name: str
    num_samples: int
    tensors: tuple[TensorFacts, ...]
    nonfinite: tuple[Place, ...]
    """First sample with a value that is not finite, of each tensor that has one."""


@dataclass(frozen=True)
class LeakFacts:
    """Samples that stand in both splits, byte for byte. Blank samples (one value throughout) are left out."""

    num_val: int
    """Validation samples that were compared."""
    num_shared: int
    """Of these, how many also are in the training split."""
    train_repeat_share: float
    """Share of training samples with an equal one in the training split itself: inputs that repeat by nature."""
    example: tuple[str, str] | None
    """A validation sample and its equal in training."""
    num_near: int | None = None
    """Validation samples with one in training that is nearly the same; None: not looked for."""
    near_example: tuple[str, str] | None = None


@dataclass(frozen=True)
class GroupFacts:
    """Persons, photos or recordings that the data names."""

    num_train: int
    num_val: int
    shared: tuple[str, ...]
    """The first few that are in both splits."""
    num_shared: int
    num_val_samples: int
    """Validation samples that belong to a shared group."""
    fix: Mapping[str, str] = field(default_factory=dict[str, str])
    """Options by dotted path with which no group is in both; empty: none are known."""


@dataclass(frozen=True)
class OverlapFacts:
    """What stands on both sides of the split: seen in the data, or recorded by a run at its start."""

    num_val: int
    """Validation samples."""
    leak: LeakFacts | None
    """None: not looked for, see `leak_missing`."""
    groups: GroupFacts | None
    """None: the data names no groups."""
    leak_missing: str = ""


@dataclass(frozen=True)
class DataFacts:
    """The tensors of the data set."""

    train: SplitFacts
    val: SplitFacts
    notes: tuple[str, ...] = ()
    missing: str = ""
    """Why the tensors could not be read; empty where they could."""

    @property
    def splits(self) -> tuple[SplitFacts, SplitFacts]:
        """Both splits."""
        return (self.train, self.val)


@dataclass(frozen=True)
class SamplerFacts:
    """Batches as the sampler forms them, or as the steps of a run recorded them."""

    source: str
    """`sampler` or `records`."""
    sizes: tuple[int, ...]
    """Samples of each batch that was looked at."""
    counts: np.ndarray[Any, np.dtype[np.int64]] | None
    """Samples of each class in each batch, shape (batches, classes); None: no labels."""
    batches_per_epoch: int | None
    """None: unknown."""
    last_size: int | None
    """Samples in the last batch of an epoch; None: unknown."""
    repeats: bool | None
    """Whether two epochs have the same batches in the same order; None: unknown, or one batch an epoch."""
    mean_places: tuple[float, ...] = ()
    """Mean place, 0 … 1, of the samples of each batch among those of their class; empty: unknown."""
    classes: tuple[str, ...] = ()
    """Names of the classes of `counts`."""

    @property
    def batch_size(self) -> int:
        """Usual number of samples in a batch."""
        return int(np.median(self.sizes)) if self.sizes else 0


@dataclass(frozen=True)
class PlanFacts:
    """What the configuration asks for."""

    epochs: int
    max_steps: int | None
    batch_size: int
    accumulation: int
    drop_last: bool
    freeze: tuple[str, ...] = ()
    balancing: tuple[str, ...] = ()
    """Settings that answer class imbalance: class weights, focal loss."""
    optimizer: str = ""
    lr: float = 0.0
    schedule: str = ""
    warmup_epochs: int = 0
    amp: str = "off"
    seed: int = 0
    temperature: float | None = None
    """Of a contrastive loss; None: the configuration names none."""
    mixture_dim: int | None = None
    """Dimensions of a mixture inside the network; None: the configuration names none."""
    temper: str = ""
    """What the log-densities of the mixture are multiplied with: `none`, `dimension`, `learned`."""
    refit_mode: str = "none"
    refit_every: int = 0
    """Epochs between refits of the mixture."""


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


@dataclass(frozen=True)
class NonfiniteStep:
    """The first step of a run at which a loss or gradient was not finite."""

    step: int
    epoch: int
    loss: float
    terms: tuple[str, ...]
    """Loss terms that were not finite."""
    groups: tuple[str, ...]
    """Module groups whose gradient was not finite."""
    num_parameters: int
    lr: float
    norm_before: float
    """Median gradient norm of the 50 steps before; NaN: there were none."""
    norm_last: float
    """Gradient norm of the step before; NaN: there was none."""
    num_before: int
    """Finite steps among those 50."""
    update_ratio: float
    """Largest |update| / |weights| measured in them (infinite where it overflowed); NaN: none was measured."""
    num_steps: int
    """Steps of the run that were not finite."""


@dataclass(frozen=True)
class RecordFacts:
    """What the records of a run say as a whole."""

    num_steps: int
    state: str
    first_nonfinite: NonfiniteStep | None
    groups: tuple[str, ...]
    frozen: tuple[str, ...]
    max_grad_norm: float
    """Largest finite gradient norm of the run; NaN: there was none."""
    first_loss: float
    last_loss: float
    last_step: int = 0
    """Step of the newest record."""
    recent_loss: float = float("nan")
    """Median of the newest few losses that are finite; NaN: there is none."""
    is_crashed: bool = False
    """Whether its process is gone without having said how it ended."""

    @property
    def stands(self) -> str:
        """Where the run stands, in words."""
        return "presumed crashed" if self.is_crashed else self.state

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self.is_crashed or RunState(self.state).is_over


@dataclass(frozen=True)
class MonitorFacts:
    """The metric that chooses the best checkpoint, at the newest validations."""

    metric: str
    values: tuple[float, ...]
    """The better defined of raw and averaged weights, oldest first; NaN: in neither was it a finite number."""
    epochs: tuple[int, ...]
    num_defined: int
    """Validations of the whole run in which it was a finite number."""
    num_validations: int


@dataclass(frozen=True)
class EnvironmentFacts:
    """Where it runs."""

    python: str
    torch: str
    device: str


@dataclass(frozen=True)
class Evidence:
    """All facts of one diagnosis. A rule takes from here what its parameters are called."""

    data: DataFacts | None = None
    overlap: OverlapFacts | None = None
    labels: LabelFacts | None = None
    sampler: SamplerFacts | None = None
    plan: PlanFacts | None = None
    batch: BatchFacts | None = None
    contrast: ContrastFacts | None = None
    clusters: ClusterFacts | None = None
    scores: ScoreFacts | None = None
    monitor: MonitorFacts | None = None
    records: RecordFacts | None = None
    environment: EnvironmentFacts | None = None
    course: LogFacts | None = None
    """How a run went, in the form of a log: for the rules of `COURSE_RULES`, beside those of the run."""
    log: LogFacts | None = None
    """A log of any tool: judged by rules of its own, and then the only part there is."""
    missing: Mapping[str, str] = field(default_factory=dict[str, str])
    """Why a part is None, by its name."""

    def why_missing(self, part: str) -> str:
        """The reason why a part is None."""
        return self.missing.get(part, f"no facts about the {part}")
