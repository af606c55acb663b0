"""What few values that are no numbers say: means of nothing, unsteady beginnings, losses of 0, few norms."""

from __future__ import annotations

import pytest
from courses import INF, NAN, epochs, falling, found, grave, steps

from trainctl.engine.diagnosis.finding import Severity


def closed(at_end: str, validation: str = "19.2") -> str:
    """Epochs of batches whose mean is printed once more when the epoch is closed."""
    rows: list[str] = []
    for epoch in range(3):
        rows += [f"Epoch[{epoch}] Batch [{20 * k}] Train-SmoothL1={24 - epoch - k / 10:.4f}" for k in range(1, 6)]
        rows += [f"Epoch[{epoch}] Train-SmoothL1={at_end}", f"Epoch[{epoch}] Validation-SmoothL1={validation}"]
    return "\n".join(rows) + "\n"


def test_a_mean_that_is_empty_where_an_epoch_is_closed_is_no_divergence() -> None:
    finding = found(closed("nan"))["N901"]
    assert finding.severity is Severity.INFO and finding.figures["case"] == "a mean of nothing"
    assert "N901" not in found(closed("21.2"))
    assert found(closed("nan", validation="nan"))["N901"].severity is Severity.ERROR, "nothing shows sound weights"
    assert found(closed("inf"))["N901"].severity is not Severity.INFO, "no mean over nothing is infinite"


def test_a_last_batch_that_is_bad_in_each_epoch_has_a_step_of_its_own() -> None:
    rows = [{"epoch": k // 10, "step": k, "loss": NAN if k % 10 == 9 else 2.0 - k / 50} for k in range(40)]
    assert found(rows)["N901"].severity is not Severity.INFO


@pytest.mark.parametrize("before", [[1.11, 1.54, 0.87, 1.33, 1.2], [1.83, 1.13, 1.19, 1.45, 0.81, 1.66]])
def test_few_noisy_values_are_not_called_calm(before: list[float]) -> None:
    finding = found(epochs(loss=[*before, NAN, NAN, NAN]))["N901"]
    assert finding.figures["case"] == "out of an unsteady course" and "tenth of the learning rate" in finding.fix.text


def test_few_values_that_fall_quietly_and_many_are_calm() -> None:
    for count in (8, 40):
        finding = found(steps(loss=[*falling(count), NAN, NAN, NAN]))["N901"]
        assert finding.figures["case"] == "out of a calm course"


def test_a_validation_of_nan_beside_a_loss_of_zero_is_half_precision_or_no_labels() -> None:
    finding = found(epochs(train_loss=[0.0] * 3, val_loss=[NAN] * 3))["N901"]
    assert "printed as 0" in finding.why and "bfloat16" in finding.fix.text
    assert "no samples" in found(epochs(train_loss=[0.9, 0.8, 0.7], val_loss=[NAN] * 3))["N901"].why


def megatron(first: int, norms: list[float], scale: float = 1.0, gone: bool = True) -> str:
    rows: list[str] = []
    for k, norm in enumerate(norms):
        loss = "" if norm != norm and gone else f" lm loss: {0.73 - k / 100:.4f} |"
        rows.append(
            f"iteration {first + k}/8000 | learning rate: 3.0E-04 |{loss} loss scale: {scale} | grad norm: {norm} |"
        )
    return "\n".join(rows) + "\n"


def test_few_norms_that_are_nan_where_no_loss_is_printed_any_more() -> None:
    assert found(megatron(5426, [NAN] * 3))["N902"].severity is Severity.WARNING
    ended = found(megatron(3383, [0.75, 0.74, NAN]))["N902"]
    assert ended.severity is Severity.WARNING and "no longer printed" in ended.why
    assert not grave(megatron(3383, [0.75, 0.74, NAN], scale=65536.0)), "a scale that skips a step"
    assert not grave(megatron(3383, [0.75, 0.74, NAN], gone=False))
    assert not grave(megatron(1, [NAN] * 3, gone=False)), "a scale may be being found"
    assert not grave(megatron(5426, [INF] * 3, gone=False))


def test_few_norms_that_are_nan_beside_a_loss_that_prints_zero() -> None:
    rows = "".join(f"{{'loss': {loss}, 'grad_norm': nan}}\n" for loss in ["0.0"] * 3)
    assert found(rows)["N902"].severity is Severity.WARNING
    assert not grave(rows.replace("0.0", "1.7")), "a scale may be being found"


def test_norms_that_are_no_numbers_are_none_that_were_looked_at() -> None:
    assert "N902" not in found(megatron(5426, [0.75, NAN, 0.74]))
