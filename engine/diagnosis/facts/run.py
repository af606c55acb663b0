"""Facts about a run as a whole, as its records tell them. Plain data; knows no file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trainctl.engine.runs.states import RunState


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
    raw: tuple[float, ...] = ()
    """Of the weights that are trained, beside `averaged`, at the newest validations that have both; NaN: undefined."""
    averaged: tuple[float, ...] = ()
    """Of the averaged weights; empty: none were validated."""
    is_rising: bool = True
    """Whether more of it is better."""


@dataclass(frozen=True)
class WaitFacts:
    """How long the newest steps of a run waited for their batches. The first step of an epoch is counted apart."""

    num_steps: int
    """That are looked at."""
    wait_s: float
    """Of a step, in the mean."""
    step_s: float
    """What a step takes, the wait included, in the mean."""
    shares: tuple[float, float]
    """Of the time of the steps, in their older and in their newer half."""
    start_share: float
    """Of all the time, what the first steps of the epochs waited; 0: too few epochs began."""
    num_starts: int
    """Epochs that began within these steps."""
    total_s: float
    """What all steps of the run have taken, if they went as these."""
    is_card: bool
    """Whether the device works on while the program waits."""
    card_percent: float = float("nan")
    """Use of the cards meanwhile, in the mean; NaN: not recorded."""
    machine_percent: float = float("nan")
    """The same of all cores of the machine."""
    core_share: float = float("nan")
    """Of the cores that it may use, what the training with its workers took."""

    @property
    def share(self) -> float:
        """Of the time of the steps."""
        return self.wait_s / self.step_s


@dataclass(frozen=True)
class PaceFacts:
    """What each of several processes took for its part of the newest steps, before it first waited for the others."""

    num_steps: int
    """That are looked at."""
    taken_s: Mapping[int, float]
    """By rank, the median of a step: fetching its samples, and working on them."""
    fetched_s: Mapping[int, float]
    """Of that, fetching."""
    slowest: tuple[int, int]
    """The rank that took longest in the older, and in the newer half."""
    is_card: bool
    """Whether the program only hands the work over, and is done before the device."""
