"""Inputs of another size than the first layer can use, or that do not vary; each beside its healthy relative."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from healthy_tasks import Convolutions, images
from torch import Tensor, nn
from user_tasks import FEATURES, NUM_CLASSES, UserTask, classify, draw, ids, labelled, labels_of, mlp

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.finding import Finding, Report, Severity
from trainctl.engine.diagnosis.probes.preflight import gather


def examine(x: Tensor, net: Callable[[], nn.Module], y: Tensor | None = None) -> Report:
    tensors = {"x": x, "y": labels_of(x) if y is None else y}
    return diagnose(gather(UserTask(tensors, net, classify(), classes=True)))


def found(report: Report, code: str) -> Finding | None:
    return next((finding for finding in report.findings if finding.code == code), None)


def plain(x: Tensor) -> nn.Module:
    """A network whose first layer reads the input as it is."""
    if x.dim() == 2:
        return mlp(x.shape[1])
    return Convolutions(norm=lambda _: nn.Identity())


def recurrent() -> nn.Module:
    class Cells(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cells, self.head = nn.GRU(6, 16, batch_first=True), nn.Linear(16, NUM_CLASSES)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.cells(x)[0][:, -1])

    return Cells()


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_features_a_thousand_times_too_large_or_too_small_are_found(factor: float) -> None:
    x = draw(FEATURES)
    finding = found(examine(factor * x, lambda: plain(x)), "D106")
    assert finding is not None and finding.severity is Severity.WARNING
    assert finding.figures["scale"] == pytest.approx(factor, rel=0.2)
    assert "0" in finding.where


def test_pictures_of_bytes_are_too_large_for_a_convolution_and_right_for_one_with_a_norm() -> None:
    pictures = images(255)
    assert found(examine(pictures, lambda: plain(pictures)), "D106") is not None
    with_norm = examine(pictures, Convolutions)
    assert "D106" in with_norm.checked and found(with_norm, "D106") is None


@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e3])
def test_an_input_of_any_size_before_a_norm_is_nobodys_business(factor: float) -> None:
    net = lambda: nn.Sequential(nn.BatchNorm1d(FEATURES), *mlp())  # noqa: E731
    assert found(examine(factor * draw(FEATURES), net), "D106") is None


def test_a_network_whose_first_weights_fit_the_input_is_healthy() -> None:
    def built() -> nn.Module:
        model = mlp()
        with torch.no_grad():
            next(model.parameters()).div_(1000)
        return model

    assert found(examine(1000 * draw(FEATURES), built), "D106") is None


@pytest.mark.parametrize("factor", [1e-4, 1e4])
def test_a_recurrent_network_reads_its_input_too(factor: float) -> None:
    finding = found(examine(factor * draw(10, 6), recurrent), "D106")
    assert finding is not None and finding.where.startswith("cells (gru")


def test_what_is_fed_through_a_function_is_judged_as_the_first_layer_gets_it() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = mlp()

        def forward(self, x: Tensor) -> Tensor:
            return self.inner((x - 5000) / 1000)

    assert found(examine(1000 * draw(FEATURES) + 5000, Scaled), "D106") is None


def test_a_mean_far_beyond_what_varies_is_found() -> None:
    x = draw(FEATURES)
    finding = found(examine(x + 100, lambda: plain(x)), "D106")
    assert finding is not None and float(finding.figures["offset"]) > 50
    assert found(examine(x + 3, lambda: plain(x)), "D106") is None


def test_a_column_that_drowns_the_others_is_named() -> None:
    x, unit = draw(FEATURES), torch.ones(FEATURES)
    unit[5] = 500
    finding = found(examine(x * unit, lambda: plain(x)), "D106")
    assert finding is not None and finding.figures["column"] == 5
    mixed = torch.cat([x[:, :4] * 3, torch.nn.functional.one_hot(ids(1, 20)[:, 0], 20).float()], 1)
    assert found(examine(mixed, lambda: plain(mixed)), "D106") is None


def test_tokens_have_no_size() -> None:
    net = lambda: nn.Sequential(nn.EmbeddingBag(5000, 16), nn.Linear(16, NUM_CLASSES))  # noqa: E731
    tokens = ids(9, 5000)
    report = examine(tokens, net, tokens[:, 0] % NUM_CLASSES)
    assert found(report, "D106") is None
    assert "D106" in {entry.code for entry in report.not_checked}


def test_a_source_that_was_not_read_is_told_from_a_few_dead_columns_and_from_rare_words() -> None:
    x = draw(FEATURES)
    dead, few = x.clone(), x.clone()
    dead[:, :8], few[:, :2] = 0.0, 7.0
    assert found(examine(dead, lambda: plain(x)), "D108").severity is Severity.WARNING  # type: ignore[union-attr]
    assert found(examine(few, lambda: plain(x)), "D108").severity is Severity.INFO  # type: ignore[union-attr]
    words = torch.zeros(320, 500).scatter_(1, ids(6, 60), 1.0)
    assert found(examine(words, lambda: plain(words)), "D108") is None


def test_an_input_that_is_always_the_same_is_found_whatever_its_value() -> None:
    for value in (0.0, 3.0):
        x = torch.full((320, FEATURES), value)
        finding = found(examine(x, lambda x=x: plain(x), ids(1)[:, 0] % NUM_CLASSES), "D108")
        assert finding is not None and "the same for every sample" in finding.summary


def test_masks_and_indices_may_be_all_the_same() -> None:
    tensors = {**labelled(draw(FEATURES)), "mask": torch.ones(320, 5), "length": torch.full((320,), 7)}
    report = diagnose(gather(UserTask(tensors, mlp, classify(), classes=True)))
    assert "D108" in report.checked and found(report, "D108") is None


class Masked(nn.Module):
    """Multiplies what it gets before it reads it."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.body, self.mask = mlp(len(mask)), mask

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x * self.mask)


def test_inputs_that_are_lost_on_the_way_to_the_network_are_found() -> None:
    x, kept = draw(FEATURES), torch.zeros(FEATURES)
    kept[:3] = 1
    finding = found(examine(x, lambda: Masked(kept)), "D108")
    assert finding is not None and finding.severity is Severity.WARNING and "the data themselves vary" in finding.where
    half = (torch.arange(FEATURES) % 2).float()
    assert found(examine(x, lambda: Masked(half)), "D108") is None
    assert found(examine(x, lambda: nn.Sequential(nn.Dropout(0.7), mlp())), "D108") is None
