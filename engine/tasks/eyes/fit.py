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

FITTED = ("data.image_size", "train.epochs", "augment.crop_padding", "optimizer.lr")
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
MOST_STEPS = 4_000
"""Updates after which the small network has nothing more to gain."""
LEAST_EPOCHS = 4
"""Below that the averaged weights are younger than an epoch."""
MOST_EPOCHS = 300
"""Each costs a validation."""
OFTEN = 20
"""Epochs from which on a network begins to know the images one by one, and each is shifted anew every time."""
SHIFT = 1 / 8
"""Of the shorter side: how far."""
RATE, BATCH, MOST_RATE = 4e-3, 64, 8e-3
"""Least learning rate for photographs at this batch; in proportion to its root (Malladi et al. 2022, for Adam), up to
the last."""


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
    """Values by dotted key: those that are free to be chosen, given those that are not."""
    values: dict[str, Any] = {}
    size = config.data.image_size
    if is_free("data.image_size") and _takes_any_size(config.model):
        size = image_size(*survey.median_size)
        values["data.image_size"] = list(size)
    num_epochs, batch_size = config.train.epochs, config.train.batch_size * config.train.accumulation
    if is_free("train.epochs"):
        num_epochs = epochs(survey.num_train, size, batch_size, config.model.base_channels)
        values["train.epochs"] = num_epochs
    if config.fit_to_data == "sizes":
        return values
    if is_free("augment.crop_padding") and num_epochs >= OFTEN:
        values["augment.crop_padding"] = max(config.augment.crop_padding, round(min(size) * SHIFT))
    if is_free("optimizer.lr"):
        values["optimizer.lr"] = max(config.optimizer.lr, least_rate(batch_size))
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


def epochs(num_train: int, size: tuple[int, int], batch_size: int, channels: int) -> int:
    """As many as fit into the time, but no more than there is to gain."""
    work_of_one = num_train * (size[0] * size[1] / MOST_PIXELS) * (channels / CHANNELS)
    steps_of_one = max(1, num_train // batch_size)
    return max(LEAST_EPOCHS, min(MOST_EPOCHS, round(WORK / work_of_one), round(MOST_STEPS / steps_of_one)))


def least_rate(batch_size: int) -> float:
    """Learning rate below which a short run on photographs does not get far enough."""
    return min(MOST_RATE, RATE * math.sqrt(batch_size / BATCH))


def _takes_any_size(model: EyesModel) -> bool:
    """Whether the network can be built for whatever size: no map vanishes in it, and none is cut into tokens."""
    return model.arch != "convnext" and model.head in ("auto", "avg", "avgmax_mlp")
