"""The contract between the loop and what is trained. Users implement it, the built-in tasks do too.

The loop asks a task for data, a network, the loss terms of a batch and the metrics of a split; it knows
nothing else about it. See `docs/tasks.md` for a complete example. `Batch`, `Split` and `Splits` belong to the data, and
are named here too so that a task needs one import.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, get_args, get_origin

import torch
from torch import Tensor, nn
from typing_extensions import TypeVar, get_original_bases

from trainctl.engine.config.schema import RunConfig
from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.data.samplers.sampler import RandomSampler, Sampler
from trainctl.engine.data.thumbnails import thumbnails
from trainctl.engine.errors import UserError
from trainctl.engine.optim.groups import OptimizerGroup
from trainctl.engine.runs.term_kinds import TermKind
from trainctl.engine.tasks.classification import Answers

__all__ = [
    "Answers",
    "Batch",
    "ConfigT",
    "Monitor",
    "OptimizerGroup",
    "Row",
    "Split",
    "Splits",
    "StepOutput",
    "Task",
    "Turn",
]

ConfigT = TypeVar("ConfigT", bound=RunConfig, default=RunConfig, covariant=True)
"""Class of a task's configuration."""
Row = Mapping[str, str | int | float]
"""One line of what `predict` answers, by name."""


@dataclass(frozen=True)
class StepOutput:
    """What the network and the loss made of one batch. All tensors stay on the device."""

    terms: Mapping[str, Tensor]
    """Raw loss terms by name: scalars with gradient, mean over the batch. The same names at every step."""
    columns: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    """Per-sample results for the metrics (e.g. probability and target), first dimension B, detached."""
    scalars: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    """Scalars to record at every step, detached. The same names at every step."""
    units: Tensor | None = None
    """How many things the terms are means over (utterances, tokens), a scalar on the device; none: the samples. With it
    the means of a whole split do not depend on which samples met in a batch."""
    whole: frozenset[str] = frozenset()
    """Terms and scalars that are of the whole batch, though several ranks have a part of it each: made of what
    `trainctl.engine.losses.gather.joined` gives. All others are means over this rank's part, or over its `units`."""


@dataclass(frozen=True)
class Monitor:
    """The metric that decides which checkpoint is best."""

    metric: str
    mode: Literal["max", "min"]


@dataclass(frozen=True)
class Turn:
    """Where the run stands between two epochs, for a task that changes the network there."""

    epoch: int
    """Whole epochs done."""
    model: nn.Module
    """The network that is trained, in training mode."""
    averaged: nn.Module | None
    """Its moving average, where one is kept."""
    optimizer: torch.optim.Optimizer
    split: Split
    """Training data, as loaded."""
    gather: Callable[[Tensor], Iterator[Batch]]
    """Prepared batches, on the device, of the training samples with these indices (int64, CPU), in their order."""


class Task(ABC, Generic[ConfigT]):
    """Binds data, network, loss and metrics. `class Mine(Task[MyConfig])` has its options in `self.config`.

    Args:
        config: the resolved configuration, an instance of `config_type`.
        data_path: folder or file named with `--data`; none: the built-in data.
    """

    config_type: ClassVar[type[RunConfig]] = RunConfig
    """Schema of the task's configuration; what stands in `Task[...]`, where nothing else is said."""
    monitor: ClassVar[Monitor] = Monitor("loss", "min")
    kinds: ClassVar[Mapping[str, TermKind]] = {}
    """What a loss term is, where its name does not say (`trainctl.engine.runs.term_kinds`): rules then know what it is
    worth."""
    useful_weights: ClassVar[Mapping[str, tuple[float, float]]] = {}
    """Range within which the weight of a loss term is known to be of use; a diagnosis says where it is outside."""
    file_suffixes: ClassVar[frozenset[str]] = frozenset()
    """Endings, in lower case, of the files that `predict` takes out of a folder; empty: all files."""

    def __init__(self, config: ConfigT, data_path: Path | None = None) -> None:
        self.config = config
        self.data_path = data_path

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for base in get_original_bases(cls):
            origin, arguments = get_origin(base), get_args(base)
            is_named = isinstance(origin, type) and issubclass(origin, Task) and isinstance(arguments[0], type)
            if is_named and "config_type" not in cls.__dict__:
                cls.config_type = arguments[0]

    @abstractmethod
    def load(self) -> Splits:
        """Read or generate the data, seeded with `config.seed`.

        Raises:
            UserError: when the data cannot be used; names the file and what to do.
        """

    def load_whole(self) -> Splits | None:
        """All samples as the part `val`, whether or not they could be split, for an evaluation of everything.

        None: the parts of `load` together.

        Raises:
            UserError: when the data cannot be used.
        """
        return None

    def state(self) -> Mapping[str, Any]:
        """What the task learnt from its data and needs without them: a vocabulary, a scaler, a width.

        Plain data and tensors, kept in every checkpoint. Asked after `load`. Empty: nothing.
        """
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave to a checkpoint.

        Called before `load` and `build_model` where there is a checkpoint: on `predict`, `evaluate`, `export`, and on
        a resume or a fork. So `load` finds it there, and should keep to it instead of learning it anew.
        """

    def require_data(self) -> Path:
        """The data named with `--data`, for a task that has none built in.

        Raises:
            UserError: none is named.
        """
        if self.data_path is None:
            raise UserError(f"the task {type(self).__name__} has no built-in data", "name yours with --data PATH")
        return self.data_path

    def load_labels(self) -> Splits | None:
        """Labels, names and groups of data whose media `load` did not find, with no other tensor than `labels`.

        For a diagnosis of what is known; the first note says what is missing. None: nothing is missing, or
        nothing is known without it.

        Raises:
            UserError: when the data cannot be used.
        """
        return None

    @abstractmethod
    def build_model(self, splits: Splits) -> nn.Module:
        """A freshly initialised network, on the CPU.

        Raises:
            UserError: when the configured shape cannot work.
        """

    @abstractmethod
    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        """Forward pass and raw loss terms of one batch, in training and in validation alike."""

    def optimizers(self, model: nn.Module) -> Mapping[str, OptimizerGroup]:
        """Parts of the network that minimise loss terms of their own, by name: a generator against a discriminator.

        `step` is called once and gives the terms of all. Each group takes the gradient of its own terms only, and all
        are updated at once, from the same weights (simultaneous gradient descent, Mescheder et al. 2017). Empty: all
        parameters minimise the sum of all terms.
        """
        return {}

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Change a training batch on the device. Draws only from `generator`, so that a resume is exact."""
        return batch

    def prepare(self, batch: Batch) -> Batch:
        """Turn stored tensors into the network's input (e.g. uint8 to float), in training and validation."""
        return batch

    def metrics(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        """Metrics of a whole split from the columns of its batches, concatenated in order."""
        return {}

    def constant_metrics(self, split: Split) -> Mapping[str, float]:
        """The best value of each metric that one and the same answer for every sample of a split reaches.

        Drawn as a floor: a network that stays at it has learned nothing. A metric left out has no such line.
        """
        return {}

    def thumbnails(self, batch: Batch) -> Tensor | None:
        """Small pictures of samples, stored or prepared: uint8 (B, H, W, 3). None: there is nothing to see.

        For the eye only; default: images of one or three channels, see `trainctl.engine.data.thumbnails`.
        """
        return thumbnails(batch)

    def histograms(self, model: nn.Module, columns: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Values whose distribution each validation records, by name, tensors of any shape; see docs/tasks.md.

        Asked at validations of the raw weights alone, without gradients, with the columns of the whole split `val`.
        """
        return {}

    def sample_losses(self, columns: Mapping[str, Tensor]) -> Tensor | None:
        """Loss of each sample, shape (N,), from the columns of a split. None: the worst samples are not kept."""
        return None

    def describe_samples(self, columns: Mapping[str, Tensor]) -> Sequence[tuple[str, str]]:
        """Truth and prediction in words for each of a few samples; goes with `sample_losses`."""
        count = len(next(iter(columns.values()))) if columns else 0
        return [("", "")] * count

    def answers(self, columns: Mapping[str, Tensor]) -> Answers | None:
        """Truth and answer of each sample as classes, from the columns of a split; none: it answers no classes."""
        return None

    def read_files(self, paths: Sequence[Path]) -> Batch:
        """Unlabelled samples from the user's files, as `predict` takes them, in the order of `paths`.

        Raises:
            UserError: a file cannot be read, or the task has no such files.
        """
        raise UserError(f"{type(self).__name__} cannot read {paths[0]}: it defines no read_files", "define it")

    def read_file(self, path: Path) -> Split:
        """All unlabelled samples of one file of the user's, for a task whose files hold several; in place of
        `read_files`.

        Raises:
            UserError: the file cannot be read, or does not fit the network.
        """
        raise UserError(f"{type(self).__name__} cannot read {path}: it defines no read_file", "define it")

    def rows(self, samples: Split, at: Tensor, results: Mapping[str, Tensor]) -> Sequence[Row]:
        """What `predict` shows of some samples of a file, as many rows as there is to say; goes with `read_file`.

        Args:
            samples: what `read_file` gave.
            at: which of them, int64 (B,).
            results: what `predict` gave for these, on the CPU.
        """
        columns = {name: column.tolist() for name, column in results.items()}
        found: list[Row] = []
        which: list[int] = at.tolist()
        for k, row in enumerate(which):
            answers: Row = {name: column[k] for name, column in columns.items()}
            found.append({"sample": samples.names[row] if samples.names else str(row), **answers})
        return found

    def predict(self, model: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """Results per sample, by name. The network was built from `Splits` that hold classes but no samples.

        Raises:
            UserError: the task has no such thing.
        """
        raise UserError(f"{type(self).__name__} defines no predict", "define it to use `trainctl predict`")

    def export_onnx(self, model: nn.Module, path: Path, *, overwrite: bool = False) -> Mapping[str, Any]:
        """Write the trained network as ONNX, after checking that the file computes the same.

        Args:
            model: on the device of the run; left as it is.
            path: file to write, in one move.
            overwrite: replace an existing file.

        Returns:
            What is in the file: `inputs` and `outputs` (name to shape), and whatever else is worth knowing.

        Raises:
            UserError: the task has no such thing, a package is missing, or the file exists.
        """
        raise UserError(f"{type(self).__name__} defines no export_onnx", "define it to use `trainctl export --to onnx`")

    def sampler(self, split: Split) -> Sampler:
        """Which samples form the batches of an epoch; default: a fresh permutation each epoch."""
        train = self.config.train
        return RandomSampler(len(split), train.batch_size, self.config.seed, drop_last=train.drop_last)

    def end_epoch(self, turn: Turn) -> Mapping[str, Any] | None:
        """Change the network between two epochs; called after the validation, not after the last epoch.

        May draw random numbers only from the seed and `turn.epoch`, so that a resume is exact.

        Returns:
            What to record of the change, plain data with a `text`; the network is then validated once more. None:
            nothing was changed.
        """
        return None

    def default_weights(self) -> Mapping[str, float]:
        """Weight of each loss term; a term that is missing has weight 1."""
        return {}

    def module_groups(self, model: nn.Module) -> dict[str, list[nn.Parameter]]:
        """Parameters by the name under which their gradient norm is shown; default: the top-level modules."""
        return {
            name: list(child.parameters())
            for name, child in model.named_children()
            if any(True for _ in child.parameters())
        }
