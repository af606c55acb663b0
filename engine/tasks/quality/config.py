"""Options of the `quality` task: image quality on a Gaussian mixture layer. Pure data; imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from trainctl.engine.config.schema import Fraction, NonNegativeFloat, PositiveInt, RunConfig, Section

SCORE_MEANING = "0 is the worst, 1 is the best people can give; a pristine picture has 1"


class QualityData(Section):
    """Which reference photographs, and what is made of them."""

    references: PositiveInt = 500
    """Reference pictures: crops of the photographs, equally many of each as far as they do not overlap."""
    images: PositiveInt = 10_000
    """Pictures made of them, about: each reference has as many kinds of copies, drawn at random from the 125 (and
    itself). Many references with few copies each teach more than KADID-10k's 81 with all."""
    image_size: PositiveInt = 64
    """Height and width of a crop; a KADID-10k folder is cut to as many pixels from the middle of each image."""
    val_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the reference photographs whose copies are held out."""
    pristine: bool = True
    """Whether the reference itself is a sample, with score 1."""
    cache: bool = True
    """Keep the distorted copies on disk ($XDG_CACHE_HOME/trainctl/quality, 4 GiB at most) and use them again."""


class QualityModel(Section):
    """ResNet, Gaussian mixture and regressor."""

    width: PositiveInt = 64
    """Channels of the first stage; 64 is ResNet-18."""
    stem: Literal["imagenet", "small"] = "imagenet"
    """7×7 stride 2 and pooling, or 3×3 stride 2 and pooling for small pictures."""
    features: PositiveInt = 512
    """Features of a picture; where the last stage has other channels, a 1×1 convolution makes them."""
    projection: PositiveInt | None = None
    """Dimensions in which the mixture lives: a linear projection with normalisation; none: the features themselves."""
    clusters: Annotated[int, Field(ge=2)] = 8
    """Components of the mixture."""
    temper: Literal["none", "dimension", "learned"] = "none"
    """What the log-densities are multiplied with before posteriors are formed: 1, 1/D, or a learned factor that starts
    at 1/D."""
    mixture_gradient: bool = True
    """Whether posteriors have a gradient to the backbone; false: their terms train projection and mixture only."""
    initialisation: Literal["sklearn", "random"] = "sklearn"
    """Whether the mixture is fitted to the features of the untrained network (document) or drawn."""
    regressor_reads: Literal["both", "features", "posteriors"] = "both"
    """What the score is made of: features and posteriors (document), or one of them, to see what each contributes."""
    hidden: tuple[PositiveInt, ...] = (512, 256)
    """Hidden layers of the regressor."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout in the regressor."""


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


class QualityConfig(RunConfig):
    """Configuration of the `quality` task."""

    data: QualityData = QualityData()
    model: QualityModel = QualityModel()
    loss: QualityLoss = QualityLoss()
    refit: QualityRefit = QualityRefit()
    augment: QualityAugment = QualityAugment()
