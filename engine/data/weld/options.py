"""What a weld consists of, and options of the data. Pure data; imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from trainctl.engine.config.schema import (
    PositiveInt,
    Section,
)

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
    """Sides as the data names them (at random where it names none), all samples anew at random within each class (the
    built-in ones too), or anew with the samples of one recording on one side."""
    group_by: str | None = None
    """What tells the recording of a sample: a column of the manifest (an array of the .npz), or a regular expression
    over `SUBDIRS` (key: its first group, or the whole match). With it the split is made anew, by recording. None: the
    column `DIRECTORY`, or else the folder in `SUBDIRS`."""
    val_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share held out where the data names no validation split, or where it is made anew."""
    skip_missing: bool = False
    """Leave out samples of the manifest whose file is not there (counted) instead of refusing the data."""
    sampler: Literal["random", "stratified", "m-per-class"] = "stratified"
    """How batches are formed: by chance; max(2, B // C) of each class; or `per_class` of each of B / per_class."""
    per_class: PositiveInt = 4
    """Sampler m-per-class: m."""
