"""A validation that never changes while the training goes on is of another network than the one that is trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from courses import epochs, falling, found, noise
from log_files import Row

FEW = 12
TRAINED = falling(FEW, 6.0)


def validated(**columns: Any) -> list[Row]:
    return epochs(train_loss=TRAINED, **columns)


def test_averaged_weights_that_are_never_updated_are_told_by_figures_that_stand() -> None:
    rows = validated(val_loss=[0.6931] * FEW, val_f1=[0.6943] * FEW, val_acc=[0.532] * FEW)
    finding = found(rows)["S1102"]
    assert finding.primary
    assert "val_loss is 0.6931 in all 12 evaluations" in finding.summary and "val_f1 0.6943" in finding.summary
    assert "averaged weights" in finding.why


@pytest.mark.parametrize(
    "columns",
    [
        {"val_loss": 0.69 + noise(FEW, 1e-3), "val_f1": [0.6943] * FEW},
        {"val_loss": [0.6931] * 6 + [0.52] * 6, "val_f1": [0.6943] * FEW},
        {"val_loss": [0.6931] * FEW, "val_f1": np.linspace(0.5, 0.8, FEW)},
        {"val_loss": [0.0] * FEW},
        {"val_loss": [0.7] * FEW},
        {"val_f1": [0.6943] * FEW},
        {"val_loss": [float("nan")] * FEW},
    ],
    ids=["measured anew", "printed again", "metric moves", "nothing there", "one digit", "no loss", "not finite"],
)
def test_what_is_measured_anew_or_says_nothing_is_not_accused(columns: dict[str, Any]) -> None:
    assert "S1102" not in found(validated(**columns))


def test_a_training_that_stands_still_as_well_is_not_told_by_its_validation() -> None:
    rows = epochs(train_loss=0.65 + noise(FEW, 1e-3), val_loss=[0.6931] * FEW)
    assert "S1102" not in found(rows)


def test_a_few_evaluations_of_a_log_by_steps_are_too_few() -> None:
    assert "S1102" not in found(epochs(train_loss=falling(4, 2.0), val_loss=[0.6931] * 4))
