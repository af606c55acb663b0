"""Options of the `emotion` task: the emotion of each utterance of a conversation. Pure data; imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from trainctl.engine.config.schema import Fraction, NonNegativeFloat, RunConfig, Section
from trainctl.engine.data.emotion.options import EmotionData
from trainctl.engine.models.emotion.options import EmotionModel


class EmotionLoss(Section):
    """Three terms: `nll` or `focal`, `encoder`, `gate`. Their weights are `loss_weights`."""

    classification: Literal["nll", "focal"] = "nll"
    """Negative log-likelihood, or its focal form (Lin et al. 2017)."""
    gamma: NonNegativeFloat = 2.0
    """Focal: exponent."""
    reconstruction: Literal["mse", "smooth_l1"] = "mse"
    """Distance of what the autoencoders make again. SmoothL1 is half the squared error where that is below 1."""
    over: Literal["batch", "last_dialogue"] = "batch"
    """What the term `encoder` is taken over: the mean over all utterances of the batch, or the sum over its last
    dialogue (a mistake, kept to show what it does)."""
    regularise: Literal["value", "raw"] = "value"
    """What the term `gate` draws towards ½: the gates' values, which have no gradient where they are clamped, or what
    they are made of."""


class EmotionAugment(Section):
    """What is hidden of a training batch; not from the document."""

    drop_features: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Probability that a feature of an utterance is hidden (dropout of the inputs: the rest is scaled up)."""
    drop_modality: Fraction = 0.0
    """Probability that a modality of an utterance is hidden."""


class EmotionConfig(RunConfig):
    """Configuration of the `emotion` task."""

    data: EmotionData = EmotionData()
    model: EmotionModel = EmotionModel()
    loss: EmotionLoss = EmotionLoss()
    augment: EmotionAugment = EmotionAugment()
