"""Options of the pictures with opinions, and what an opinion means. Pure data; imports no torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trainctl.engine.config.schema import (
    PositiveInt,
    Section,
)

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
