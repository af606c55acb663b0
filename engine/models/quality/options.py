"""Options of the quality network. Pure data; imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from trainctl.engine.config.schema import (
    PositiveInt,
    Section,
)


class QualityModel(Section):
    """ResNet, Gaussian mixture and regressor."""

    width: PositiveInt = 64
    """Channels of the first stage; 64 is ResNet-18."""
    stem: Literal["imagenet", "small"] = "imagenet"
    """7×7 stride 2 and pooling, or 3×3 stride 2 and pooling for small pictures."""
    mscn: bool = False
    """Whether the network also sees the local contrast of each colour: mean subtracted and divided by the deviation in
    a window of 7×7 (Mittal et al. 2012)."""
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
    tells_kinds: bool = False
    """Whether a linear layer tells distortion and level from the features (term `kind`): it teaches the backbone what a
    score alone does not say. The regressor does not read it."""
