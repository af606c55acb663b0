"""What a run is: the options every task shares, each with its unit and its source.

A task adds its own sections by subclassing `RunConfig`. Knows no task, no file and no torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from trainctl.engine.config.fitting import Fit, IsFree
from trainctl.engine.files import LARGEST

PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
PositiveInt = Annotated[int, Field(ge=1, le=LARGEST)]
NonNegativeInt = Annotated[int, Field(ge=0, le=LARGEST)]

# fmt: off
OptimizerName = Literal[
    "adamw", "adam", "sgd", "adadelta", "adafactor", "adagrad", "adamax", "asgd", "muon", "nadam", "radam", "rmsprop",
    "rprop",
]
ScheduleName = Literal[
    "constant", "cosine", "cosine_warmup", "plateau", "cyclic",
    "constantlr", "cosineannealinglr", "cosineannealingwarmrestarts", "cycliclr", "exponentiallr", "linearlr",
    "multisteplr", "onecyclelr", "polynomiallr", "steplr",
]
# fmt: on


def _lower(name: object) -> object:
    """torch's names in any case of letters."""
    return name.lower() if isinstance(name, str) else name


class Section(BaseModel):
    """A group of options. Unknown keys are errors; the docstring under a field is its documentation."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, protected_namespaces=())


class TrainConfig(Section):
    """How long, and in which portions."""

    epochs: PositiveInt = 10
    """Passes over the training split."""
    max_steps: PositiveInt | None = None
    """Optimiser steps after which the run finishes, whatever `epochs` says."""
    max_minutes: PositiveFloat | None = None
    """Minutes after which the run finishes with its last validation, whatever `epochs` says; validations and earlier
    sittings of a resume count, pauses and the time until the first step do not."""
    batch_size: PositiveInt = 64
    """Samples per forward pass."""
    accumulation: PositiveInt = 1
    """Forward passes per optimiser step; the loss is averaged over them."""
    drop_last: bool = True
    """Leave out the incomplete last batch of an epoch (BatchNorm fails on a batch of one)."""
    eval_batch_size: PositiveInt | None = None
    """Samples per validation batch; none: twice `batch_size`."""
    workers: Annotated[int, Field(ge=0, le=256)] | None = None
    """Processes that read the samples of a Dataset; none: as many as there are cores to spare, at most 4; 0: the loop
    itself. Data that are held in memory need none."""
    eval_every: PositiveInt = 1
    """Epochs between validations."""
    monitor: str = ""
    """Metric that chooses the best checkpoint, e.g. `f1`; empty: the task's choice."""
    monitor_mode: Literal["", "max", "min"] = ""
    """Whether more or less of it is better; empty: the task's choice."""

    @property
    def validation_batch_size(self) -> int:
        """Samples per validation batch, whether it is named or follows from `batch_size`."""
        return self.eval_batch_size or 2 * self.batch_size


class OptimizerConfig(Section):
    """The optimiser and its constants (torch.optim names and meanings)."""

    name: Annotated[OptimizerName, BeforeValidator(_lower)] = "adamw"
    """Optimiser of `torch.optim` by its name: AdamW (Loshchilov & Hutter 2019), Adam (Kingma & Ba 2015), SGD, RAdam …
    Not LBFGS, which evaluates the loss several times a step, nor SparseAdam, which takes sparse gradients only."""
    arguments: dict[str, Any] = {}
    """Further arguments of it by torch's names, e.g. `optimizer.arguments.alpha=0.9`; they come before all others."""
    lr: PositiveFloat = 1e-3
    """Peak learning rate."""
    lrs: dict[str, PositiveFloat] = {}
    """Peak learning rate of a group that the task names (`optimizers` in docs/tasks.md); the others have `lr`."""
    weight_decay: NonNegativeFloat = 0.0
    """Decoupled for AdamW, L2 for the others."""
    decay_all: bool = True
    """Decay biases and normalisation weights too, as torch does; false: only matrices and kernels."""
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    """Averaging constants of gradient and squared gradient, of Adam and its relatives."""
    eps: PositiveFloat = 1e-8
    """Adam's denominator constant."""
    momentum: Fraction = 0.9
    """SGD's momentum."""
    nesterov: bool = False
    """SGD with Nesterov momentum."""
    implementation: Literal["auto", "fused", "foreach", "loop"] = "auto"
    """Kernel; auto: fused where the device has it."""


class ScheduleConfig(Section):
    """The learning rate plan. Linear warmup stands in front of every shape."""

    name: Annotated[ScheduleName, BeforeValidator(_lower)] = "constant"
    """Shape after the warmup: constant, cosine to `eta_min` (Loshchilov & Hutter 2017; `cosine_warmup` is the same,
    as other configurations call it: `warmup_epochs` says how long), plateau (reduce on it), cyclic (triangular, Smith
    2017), or a scheduler of `torch.optim.lr_scheduler` by its name: OneCycleLR, StepLR … Not those that take a
    function or are made of others."""
    arguments: dict[str, Any] = {}
    """Arguments of a scheduler of torch, e.g. `schedule.arguments.step_size=30`. Where they are not given, `T_max` and
    `total_steps` are the length of the run, and `max_lr` is `optimizer.lr`."""
    interval: Literal["epoch", "step"] = "epoch"
    """Whether warmup and shape move once an epoch or at every step (cyclic and OneCycleLR always move every step)."""
    warmup_epochs: NonNegativeInt = 0
    """Epochs of linear warmup: the first runs at `warmup_start_lr`, the last at `optimizer.lr`."""
    warmup_start_lr: PositiveFloat | None = None
    """Learning rate of the first warmup epoch; none: `optimizer.lr / warmup_epochs`."""
    eta_min: NonNegativeFloat = 1e-6
    """Where cosine ends."""
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Plateau: the learning rate is multiplied by this."""
    patience: NonNegativeInt = 2
    """Plateau: bad epochs tolerated; the cut comes with bad epoch `patience + 1` (torch's meaning)."""
    threshold: NonNegativeFloat = 1e-4
    """Plateau: relative improvement that counts."""
    min_lr: NonNegativeFloat = 0.0
    """Plateau: never below."""
    metric: str = "loss"
    """Plateau: validation metric it watches."""
    mode: Literal["min", "max"] = "min"
    """Plateau: direction of improvement."""
    base_lr: PositiveFloat = 1e-5
    """Cyclic: lower bound."""
    max_lr: PositiveFloat = 1e-3
    """Cyclic: upper bound."""
    step_size_up: PositiveInt = 2000
    """Cyclic: steps from the lower to the upper bound; as many back down."""


class EmaConfig(Section):
    """Exponential moving average of the weights, validated beside the raw ones."""

    decay: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Decay per step; none: no average is kept."""
    ramp: bool = True
    """Use min(decay, (1+t)/(10+t)), so that the average forgets the random initialisation."""
    buffers: Literal["average", "copy"] = "average"
    """What to do with floating-point buffers such as BatchNorm statistics."""


class PrecisionConfig(Section):
    """Number formats and memory layout."""

    amp: Literal["auto", "off", "bf16", "fp16"] = "off"
    """Autocast; fp16 comes with a gradient scaler. auto: bf16 on a GPU that computes in it, else off."""
    channels_last: bool = True
    """NHWC memory layout for convolutions."""
    compile: bool = False
    """`torch.compile` the network."""
    capture: Literal["auto", "on", "off"] = "auto"
    """Launch each step, and each batch of a validation, as one CUDA graph: a network of small kernels no longer waits
    for Python. auto: on a GPU, where the step allows it; on: the same, and a device without graphs is named."""


class ClipConfig(Section):
    """Gradient clipping."""

    grad_norm: PositiveFloat | None = None
    """Largest total gradient norm; none: not clipped."""


class EarlyStoppingConfig(Section):
    """End the run when the monitored metric has stopped improving."""

    patience: PositiveInt | None = None
    """Validations without improvement before the run ends; none: never."""
    min_delta: NonNegativeFloat = 0.0
    """Improvement that counts."""


class WeightingConfig(Section):
    """How the weights of the loss terms change from epoch to epoch. Validation always uses the configured ones."""

    ramp: dict[str, PositiveInt] = {}
    """Epochs over which the weight of a term rises to its value: epoch e (from 1) has min(1, e / ramp) of it."""
    delay: dict[str, PositiveInt] = {}
    """Epochs at the start in which a term has weight 0; its ramp begins after them."""
    adaptive: bool = False
    """Move the weights, once an epoch, towards those under which all terms contribute the same: in proportion to
    1 / moving mean of the term's size, with the sum of the configured weights. A term of weight 0 takes no part."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Adaptive: share that the moving mean keeps of itself each epoch; the first epoch starts it."""
    rate: Fraction = 0.1
    """Adaptive: share of the way to the target that a weight moves each epoch."""
    least: Fraction = 0.01
    """Adaptive: no weight falls below."""
    most: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 10.0
    """Adaptive: no weight rises above."""


class HealthConfig(Section):
    """What the run does when it falls ill."""

    stop_on_nonfinite: bool = True
    """Skip, on the device, an update that is not finite, then stop. Under fp16 the scaler skips instead."""


class RecordConfig(Section):
    """How much is measured at each step."""

    dense_steps: NonNegativeInt = 50
    """First steps of the run at which the update-to-weight ratio is measured at every step."""
    update_ratio_every: NonNegativeInt = 20
    """Steps between measurements of the update-to-weight ratio after that; 0: never."""


class CheckpointConfig(Section):
    """When `latest_model.pth` is written besides the end of each epoch."""

    every_s: NonNegativeFloat = 60.0
    """Seconds between checkpoints within an epoch; 0: only at its end."""
    epoch_every_s: NonNegativeFloat = 5.0
    """Least seconds between two checkpoints at ends of epochs (the last epoch always has one). Where writing one took
    more than a hundredth of that, a hundred times as long as it took, so that saving costs at most 1 % of the time; 0:
    at the end of every epoch, whatever it costs."""


class RuntimeConfig(Section):
    """Where it runs."""

    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps."""
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    """CPU threads of torch; none: torch's choice."""
    deterministic: bool = False
    """Ask torch for deterministic kernels (slower on a GPU)."""


class RanksConfig(Section):
    """Several processes that train one run (docs/distributed.md); alone they mean nothing."""

    sync_batchnorm: Literal["auto", "on", "off"] = "auto"
    """Whether BatchNorm takes its statistics over the batch of all ranks, or each rank over its own part. auto: over
    all on GPUs; torch has none for a CPU."""
    shard: bool = False
    """Whether each rank keeps a part of weights, gradients and optimiser state (torch's FSDP2) in place of a copy of
    all, for networks that do not fit."""
    checkpoint: Literal["whole", "parts"] = "whole"
    """Where each rank keeps a part: whether a checkpoint is one file, which the first rank gathers in its memory, or
    each writes its part into a folder on a disk that all see, for a state that no machine can hold."""
    timeout_s: PositiveFloat = 600.0
    """Seconds after which a rank that does not come, or does not answer, is given up, and with it the run."""


class RunConfig(Section):
    """Everything that determines a run. Tasks subclass it and add their sections."""

    task: str = "eyes"
    """Name of a built-in task, or `FILE.py:Class`, or `module:Class`."""
    seed: Annotated[int, Field(ge=0, lt=2**43)] = 42
    """Seed of python, numpy, torch, the split, the sampler and the augmentation; with room for a million of each."""
    train: TrainConfig = TrainConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    ema: EmaConfig = EmaConfig()
    precision: PrecisionConfig = PrecisionConfig()
    clip: ClipConfig = ClipConfig()
    early_stopping: EarlyStoppingConfig = EarlyStoppingConfig()
    health: HealthConfig = HealthConfig()
    record: RecordConfig = RecordConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    runtime: RuntimeConfig = RuntimeConfig()
    ranks: RanksConfig = RanksConfig()
    loss_weights: dict[str, NonNegativeFloat] = {}
    """Weight of a loss term by name; a term that is not named has the task's own weight."""
    weighting: WeightingConfig = WeightingConfig()
    freeze: tuple[str, ...] = ()
    """Modules whose parameters are not trained, by dotted name."""
    fit_to_data: Literal["all", "sizes", "off"] = "all"
    """At small scale on data of your own, what the task fits to them where you did not set it: all it knows to; sizes
    and epochs only, which leaves a preset's way of learning as it is; or nothing."""

    def fitted_to(self, data: Path, is_free: IsFree) -> Fit | None:
        """What suits a short run on data of the user's, by facts that are known before a sample is decoded.

        For a task to override. Reads as little as it can, draws nothing, and depends on no seed, so that the runs of
        a comparison are alike. Data that cannot be used are for `load` to refuse.

        Args:
            data: file or folder named with `--data`.
            is_free: what it proposes for a key that is not free is not used.

        Returns:
            None: the presets' values suit whatever comes.
        """
        del data, is_free
        return None


class OpenConfig(RunConfig):
    """The options of a task whose code is not known: what it adds stands as it is written, unchecked."""

    model_config = ConfigDict(extra="allow")
