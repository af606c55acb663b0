"""Options of the eye classifier. Pure data; imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from trainctl.engine.config.schema import (
    PositiveInt,
    Section,
)


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
