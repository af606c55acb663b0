"""Options of the `weld` task: supervised contrastive embedding of four modalities. Pure data; imports no torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trainctl.engine.config.schema import Fraction, PositiveFloat, RunConfig, Section
from trainctl.engine.data.weld.options import WeldData
from trainctl.engine.models.weld.options import WeldModel


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
