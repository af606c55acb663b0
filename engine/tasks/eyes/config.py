"""Options of the `eyes` task: open/closed eye classification. Pure data; imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from trainctl.engine.config.fitting import Fit, IsFree
from trainctl.engine.config.schema import (
    NonNegativeFloat,
    PositiveFloat,
    RunConfig,
    Section,
)
from trainctl.engine.data.augment.options import EyesAugment
from trainctl.engine.data.eyes.options import EyesData
from trainctl.engine.models.eyes.options import EyesModel


class EyesLoss(Section):
    """The loss term: `bce` or `focal`."""

    name: Literal["bce", "focal"] = "bce"
    """Binary cross-entropy with logits, or focal loss with label smoothing over the logits [−z, z]."""
    pos_weight: Literal["auto"] | PositiveFloat = "auto"
    """BCE: weight of the open class; auto: negatives / positives of the training split."""
    smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.05
    """Focal: label smoothing (Szegedy et al. 2016)."""
    gamma: NonNegativeFloat = 2.0
    """Focal: focusing exponent (Lin et al. 2017)."""


class EyesConfig(RunConfig):
    """Configuration of the `eyes` task."""

    data: EyesData = EyesData()
    model: EyesModel = EyesModel()
    loss: EyesLoss = EyesLoss()
    augment: EyesAugment = EyesAugment()

    def fitted_to(self, data: Path, is_free: IsFree) -> Fit | None:
        """Image size, epochs and learning rate for the images there; see `trainctl.engine.tasks.eyes.fit`."""
        from trainctl.engine.tasks.eyes.fit import FITTED, fitted_values

        if not any(map(is_free, FITTED)):
            return None
        from trainctl.engine.data.eyes.survey import survey_eyes

        survey = survey_eyes(self.data, data)
        values = {} if survey is None else fitted_values(self, survey, is_free)
        return Fit(values, str(survey)) if values else None
