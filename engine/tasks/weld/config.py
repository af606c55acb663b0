"""Options of the `weld` task: supervised contrastive embedding of four modalities. Pure data; imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from trainctl.engine.config.schema import Fraction, PositiveFloat, PositiveInt, RunConfig, Section

MODALITIES = ("video", "image", "audio", "sensor")
"""Names of the modalities, in the order of the columns of `present`."""
CLASSES = (
    "good",
    "excessive_convexity",
    "undercut",
    "lack_of_fusion",
    "porosity_w_excessive_penetration",
    "porosity",
    "spatter",
    "burnthrough",
    "excessive_penetration",
    "crater_cracks",
    "warping",
    "overlap",
)
"""The twelve categories of the source project."""

Shape = tuple[PositiveInt, PositiveInt]
"""Rows and features of one modality of one sample."""
EncoderName = Literal["mlp", "transformer", "conv"]


class WeldData(Section):
    """Which samples, of what shape, and how they form batches."""

    video: Shape = (4, 1024)
    """Frame features of a video: rows and width. Longer or shorter arrays are resampled evenly to these rows."""
    image: Shape = (5, 768)
    """Features of the five pictures taken after welding."""
    audio: Shape = (4, 768)
    """Features of windows of the sound."""
    sensor: Shape = (256, 6)
    """Time steps and channels of the welder's own sensors, raw."""
    variant: Literal["balanced", "one-class-train", "550-10-8"] = "balanced"
    """Built-in data: 12 classes alike; a training split of one class, as the documents' was; or six classes of 550,
    10 and four times 8."""
    samples: PositiveInt = 576
    """Built-in data: training samples (the variant `550-10-8` has its own number)."""
    val_samples: PositiveInt = 240
    """Built-in data: validation samples, equally many of each class."""
    missing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Built-in data: probability that a modality of a sample is missing; one is always there."""
    split: Literal["given", "stratified", "grouped"] = "given"
    """Sides as the data names them (at random where it names none), all samples anew at random within each class, or
    anew with the samples of one recording (column `DIRECTORY`) on one side."""
    val_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share held out where the data names no validation split, or where it is made anew."""
    skip_missing: bool = False
    """Leave out samples of the manifest whose file is not there (counted) instead of refusing the data."""
    sampler: Literal["random", "stratified", "m-per-class"] = "stratified"
    """How batches are formed: by chance; max(2, B // C) of each class; or `per_class` of each of B / per_class."""
    per_class: PositiveInt = 4
    """Sampler m-per-class: m."""


class WeldModel(Section):
    """Four encoders, their fusion and the embedding. To freeze an encoder: `freeze=[video]` and so on."""

    video_encoder: EncoderName = "mlp"
    """Encoder of the video: `mlp` treats each row by itself, `transformer` and `conv` look along the rows."""
    image_encoder: EncoderName = "mlp"
    """Encoder of the images."""
    audio_encoder: EncoderName = "mlp"
    """Encoder of the sound."""
    sensor_encoder: EncoderName = "transformer"
    """Encoder of the sensor series."""
    width: PositiveInt = 128
    """Features of a token in the encoders and the fusion; 8 attention heads, or the most that divide it."""
    layers: PositiveInt = 2
    """Layers of a transformer encoder."""
    sensor_patch: PositiveInt = 1
    """Time steps of the sensor series that form one token."""
    fusion_tokens: PositiveInt = 4
    """Learned queries that collect from all modalities."""
    fusion_layers: PositiveInt = 1
    """Rounds of cross-attention."""
    embedding: PositiveInt = 512
    """Features of the embedding."""
    layer_norm: bool = True
    """LayerNorm on the embedding."""
    l2_normalize: bool = True
    """Scale the embedding to length 1. The contrastive loss does so anyway: this is for whoever uses the embedding."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout in the encoders."""


class WeldLoss(Section):
    """Supervised contrastive loss, and cross-entropy if wanted."""

    temperature: PositiveFloat = 0.07
    """Temperature of the contrastive loss (Khosla et al. 2020)."""
    ce: bool = False
    """Add a linear classifier on the embedding and its cross-entropy (term `ce`, see `loss_weights.ce`)."""


class WeldAugment(Section):
    """Batched augmentation on the device; not from the documents."""

    noise: Annotated[float, Field(ge=0)] = 0.0
    """Standard deviation of Gaussian noise added to every array."""
    drop_modality: Fraction = 0.0
    """Probability that a modality of a sample is hidden; one always stays."""


class WeldConfig(RunConfig):
    """Configuration of the `weld` task."""

    data: WeldData = WeldData()
    model: WeldModel = WeldModel()
    loss: WeldLoss = WeldLoss()
    augment: WeldAugment = WeldAugment()
