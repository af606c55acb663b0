"""What suits a short run on eyes of the user's own: size of the images, epochs, shifts, learning rate. Arithmetic.

Rules from facts of the data; what they were found by is in docs/eyes.md. Knows no file, no network, no loop.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

from trainctl.engine.config.fitting import IsFree
from trainctl.engine.config.schema import OptimizerConfig, TrainConfig
from trainctl.engine.data.augment.options import EyesAugment
from trainctl.engine.data.eyes.options import EyesData
from trainctl.engine.data.eyes.survey import Survey
from trainctl.engine.models.eyes.options import EyesModel

FITTED = (
    *("data.image_size", "train.epochs", "train.eval_every"),
    *("train.batch_size", "optimizer.lr", "augment.crop_padding"),
)
"""Keys of `fitted_values`."""
MOST_PIXELS = 32 * 64
"""Of an image: those of the documented size."""
LEAST_SIDE, SIDE_STEP = 16, 4
"""Pixels: shorter sides leave no map to look at; the small network halves a side twice."""
MOST_STRETCHED = 4
"""Longest side by the shortest."""
WORK = 150_000
"""Images of `MOST_PIXELS` that a network of `CHANNELS` trains on in about two minutes on two cores of 2020."""
CHANNELS = 32
"""Base channels at small scale, which the work of an image is in proportion to."""
VALIDATED = 2 / 3
"""Work of a validation, raw and averaged, by that of training on the same image."""
MOST_STEPS = 4_000
"""Updates after which the small network has nothing more to gain."""
LEAST_EPOCHS = 4
"""Below that the averaged weights are younger than an epoch."""
MOST_EPOCHS = 300
"""Of very few images."""
VALIDATION_STEPS = 40
"""Updates between validations, at least."""
OFTEN = 20
"""Epochs from which on a network begins to know the images one by one, and each is shifted anew every time."""
SHIFT = 1 / 8
"""Of the shorter side: how far."""
LEAST_RATE = 4e-3
"""Learning rate below which a short run on photographs does not get far enough."""
LEAST_STEPS, LEAST_BATCH = 25, 16
"""Updates of an epoch for which batches of few images are made smaller, down to the last."""


class Options(Protocol):
    """What is asked of a configuration of the task."""

    @property
    def train(self) -> TrainConfig: ...
    @property
    def optimizer(self) -> OptimizerConfig: ...
    @property
    def data(self) -> EyesData: ...
    @property
    def model(self) -> EyesModel: ...
    @property
    def augment(self) -> EyesAugment: ...
    @property
    def fit_to_data(self) -> str: ...


def fitted_values(config: Options, survey: Survey, is_free: IsFree) -> dict[str, Any]:
    """Values by dotted key: those that are free to be chosen and suit better otherwise, given those that are not."""
    train, values = config.train, dict[str, Any]()

    def choose(key: str, present: Any, chosen: Any) -> Any:
        """What `key` will be."""
        if not is_free(key):
            return present
        if chosen != present:
            values[key] = chosen
        return chosen

    size = config.data.image_size
    if _takes_any_size(config.model):
        height, width = choose("data.image_size", list(size), list(image_size(*survey.median_size)))
        size = height, width
    batch = train.batch_size
    if config.fit_to_data == "all":
        batch = choose("train.batch_size", batch, batch_size(survey.num_train, batch))
    updates = max(1, survey.num_train // (batch * train.accumulation))
    every = train.eval_every
    if is_free("train.max_steps") and is_free("train.epochs"):  # or it might end unvalidated
        every = choose("train.eval_every", every, max(1, round(VALIDATION_STEPS / updates)))
    num_epochs = choose("train.epochs", train.epochs, epochs(survey, size, updates, config.model.base_channels, every))
    if config.fit_to_data == "all":
        rate, padding = config.optimizer.lr, config.augment.crop_padding
        choose("optimizer.lr", rate, max(rate, LEAST_RATE))
        if num_epochs >= OFTEN:
            choose("augment.crop_padding", padding, max(padding, round(min(size) * SHIFT)))
    return values


def image_size(height: int, width: int) -> tuple[int, int]:
    """Height and width nearest to those of the pictures that a small run can afford, in their proportion.

    Small pictures keep their size: to enlarge them costs time and adds nothing.
    """
    stretched = max(1 / MOST_STRETCHED, min(MOST_STRETCHED, height / width))
    pixels = min(height * width, MOST_PIXELS)
    exact = math.sqrt(pixels * stretched), math.sqrt(pixels / stretched)
    rows, columns = (max(LEAST_SIDE, SIDE_STEP * round(side / SIDE_STEP)) for side in exact)
    return rows, columns


def batch_size(num_train: int, usual: int) -> int:
    """A power of 2 of which an epoch has `LEAST_STEPS`, where the usual one is larger."""
    fitting = 2 ** max(0, int(math.log2(max(1, num_train / LEAST_STEPS))))
    return min(usual, max(LEAST_BATCH, fitting))


def epochs(survey: Survey, size: tuple[int, int], updates: int, channels: int, every: int = 1) -> int:
    """As many as fit into the time, but no more than there is to gain.

    Args:
        survey: facts of the images.
        size: height and width at which they are trained on.
        updates: of an epoch.
        channels: base channels of the network.
        every: epochs between validations; the last one is validated.
    """
    num_passes = survey.num_train + VALIDATED * (survey.num_images - survey.num_train) / every
    work = num_passes * (size[0] * size[1] / MOST_PIXELS) * (channels / CHANNELS)
    wanted = max(LEAST_EPOCHS, min(MOST_EPOCHS, round(WORK / work), round(MOST_STEPS / updates)))
    return max(every, wanted - wanted % every)


def _takes_any_size(model: EyesModel) -> bool:
    """Whether the network can be built for whatever size: no map vanishes in it, and none is cut into tokens."""
    return model.arch != "convnext" and model.head in ("auto", "avg", "avgmax_mlp")
