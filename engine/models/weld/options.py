"""Options of the embedding of welds. Pure data; imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from trainctl.engine.config.schema import (
    PositiveInt,
    Section,
)

EncoderName = Literal["mlp", "transformer", "conv"]


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
