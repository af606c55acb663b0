"""Options of the eyes: which images, and how they are split. Pure data; imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from trainctl.engine.config.schema import (
    PositiveInt,
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
    classes: dict[str, Literal["open", "closed"]] = Field(default={})
    """What folders of other names than `open` and `closed` hold, e.g. `opened_eyes: open`; any capitalisation."""
    skip_corrupt: bool = False
    """Leave out images that cannot be decoded (named and counted) instead of refusing the data."""
    leak_check: bool = True
    """Look for near-duplicates across the split where no grouping is given."""
    samples: PositiveInt = 6000
    """Number of generated images when no data is given."""
