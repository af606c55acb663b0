"""Options of the `quality` task: image quality on a Gaussian mixture layer. Pure data; imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from trainctl.engine.config.schema import Fraction, NonNegativeFloat, PositiveInt, RunConfig, Section
from trainctl.engine.data.quality.options import QualityData
from trainctl.engine.models.quality.options import QualityModel


class QualityLoss(Section):
    """Which distribution is balanced, and adversarial training. Weights of terms: `loss_weights`."""

    balance_over: Literal["batch", "average"] = "batch"
    """The mean posterior that is compared with the uniform one: of the batch, or a moving average over batches through
    which the batch's share has a gradient."""
    balance_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum of that average."""
    fgsm: NonNegativeFloat = 0.0
    """Adversarial training (Goodfellow et al. 2015): half of the quality loss is of images moved by this much (0 … 1
    scale) along the sign of its gradient; 0: off."""


class QualityRefit(Section):
    """Fitting the mixture anew while training."""

    mode: Literal["none", "sklearn", "matched"] = "none"
    """Never; replace it by a fit from scratch (document); or match new components to the old ones, blend, and reset
    the optimiser's moments of the mixture."""
    every: PositiveInt = 10
    """Epochs between fits."""
    blend: Fraction = 0.5
    """Matched: share of the new fit; the rest stays as it was."""
    samples: PositiveInt = 4096
    """Training samples a fit looks at, drawn from the seed and the epoch."""


class QualityAugment(Section):
    """Augmentation that leaves quality as it is."""

    hflip: Fraction = 0.0
    """Probability of a horizontal flip."""
    crop: PositiveInt | None = None
    """Height and width of the piece of each picture that is trained on, drawn anew every time; none, or no less than
    `data.image_size`: all of it. Validation, `predict` and ONNX take the mean of the pieces that cover a picture."""


class QualityConfig(RunConfig):
    """Configuration of the `quality` task."""

    data: QualityData = QualityData()
    model: QualityModel = QualityModel()
    loss: QualityLoss = QualityLoss()
    refit: QualityRefit = QualityRefit()
    augment: QualityAugment = QualityAugment()
