"""Options of the `eyes` task: open/closed eye classification. Pure data; imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from trainctl.engine.config.schema import (
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    RunConfig,
    Section,
)


class EyesData(Section):
    """Which images, and how they are split."""

    image_size: tuple[PositiveInt, PositiveInt] = (32, 64)
    """Height and width, in pixels, to which every image is resized."""
    val_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the samples (or groups) held out, where the data names no split."""
    group_by: str | None = None
    """Keep the images of one person or photo on one side of the split: a regular expression over the path
    (key: its first group, or the whole match), or the name of a column."""
    skip_corrupt: bool = False
    """Leave out images that cannot be decoded (named and counted) instead of refusing the data."""
    leak_check: bool = True
    """Look for near-duplicates across the split where no grouping is given."""
    samples: PositiveInt = 6000
    """Number of generated images when no data is given."""


class EyesModel(Section):
    """The network."""

    arch: Literal["baseline", "inverted_se", "convnext"] = "baseline"
    """Backbone: depthwise-separable, inverted residual with squeeze-and-excitation, or ConvNeXt."""
    head: Literal["auto", "avg", "avgmax_mlp", "transformer", "mlp_mixer"] = "auto"
    """Classifier head; auto: avg, avgmax_mlp and transformer for the three backbones."""
    base_channels: PositiveInt = 64
    """Channels after the stem."""
    num_blocks: PositiveInt = 8
    """Blocks; the channels double at every even block but the first."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Dropout in the head."""
    token_grid: tuple[PositiveInt, PositiveInt] = (2, 3)
    """Rows and columns of the token grid of the transformer and mixer heads; must divide the feature map."""
    token_layers: PositiveInt = 2
    """Layers of the transformer and mixer heads."""
    stochastic_depth: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Probability of dropping the last residual block, growing linearly from 0 (Huang et al. 2016)."""


class EyesLoss(Section):
    """The loss term: `bce` or `focal`."""

    name: Literal["bce", "focal"] = "bce"
    """Binary cross-entropy with logits, or focal loss with label smoothing over the logits [−z, z]."""
    pos_weight: Literal["auto"] | PositiveFloat = "auto"
    """BCE: weight of the open class; auto: negatives / positives of the training split."""
    smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.05
    """Focal: label smoothing (Szegedy et al. 2016)."""
    gamma: NonNegativeFloat = 2.0
    """Focal: focusing exponent (Lin et al. 2017)."""


class EyesAugment(Section):
    """Batched augmentation on the device."""

    hflip: Fraction = 0.5
    """Probability of a horizontal flip."""
    photometric: Fraction = 0.5
    """Probability of each of brightness, contrast, saturation and hue."""
    clahe: Fraction = 0.01
    """Probability of contrast-limited adaptive histogram equalisation."""
    crop_padding: NonNegativeInt = 0
    """Random crop after padding by this many pixels; 0: none."""
    mixup_alpha: NonNegativeFloat = 0.0
    """Mixup's Beta parameter (Zhang et al. 2018); 0: off."""
    cutmix_alpha: NonNegativeFloat = 0.0
    """CutMix's Beta parameter (Yun et al. 2019); 0: off. With both on, each batch takes one of them."""


class EyesConfig(RunConfig):
    """Configuration of the `eyes` task."""

    data: EyesData = EyesData()
    model: EyesModel = EyesModel()
    loss: EyesLoss = EyesLoss()
    augment: EyesAugment = EyesAugment()
