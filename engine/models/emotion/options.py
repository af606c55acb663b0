"""Options of the network of conversations. Pure data; imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from trainctl.engine.config.schema import NonNegativeInt, PositiveInt, Section

GateName = Literal["hardtanh", "sigmoid", "hardsigmoid"]


class EmotionModel(Section):
    """Autoencoders of an utterance, gates of an utterance and of a dialogue, a windowed Transformer, a classifier."""

    gate: GateName = "hardtanh"
    """Form of all gates: `hardtanh` clamps to 0…1 and has no gradient outside, `hardsigmoid` clamps x/6 + ½, `sigmoid`
    has a gradient everywhere."""
    code: PositiveInt = 512
    """Features of an utterance behind the autoencoders, and of the context."""
    hidden: PositiveInt = 1024
    """Units of the autoencoders' hidden layer."""
    layers: NonNegativeInt = 2
    """Layers of the Transformer; 0: no context but what the gates carry along the dialogue."""
    window: NonNegativeInt = 8
    """Utterances that each one may look at, before and as many after."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Dropout in the Transformer and before the classifier."""
