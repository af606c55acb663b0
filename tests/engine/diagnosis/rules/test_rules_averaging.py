"""S1101: averaged weights that still hold the random initialisation, before training and of a run; healthy averages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from toy_task import ToyNet, ToyTask, config

from trainctl.engine.config.schema import EmaConfig
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.data import SamplerFacts
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.facts.plan import plan_facts
from trainctl.engine.diagnosis.facts.run import MonitorFacts, RecordFacts
from trainctl.engine.diagnosis.finding import Finding, Report, Severity
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.diagnosis.records.validations import ValidationHistory
from trainctl.engine.runs.events import Event, EventKind

SLOW = EmaConfig(decay=0.999, ramp=False)
SAMPLER = SamplerFacts("records", (16,), None, 25, None, None)
NAN = float("nan")


def before(ema: EmaConfig, model: type[nn.Module] = ToyNet, **train: Any) -> Report:
    return diagnose(gather(ToyTask(config(**train).model_copy(update={"ema": ema}), model=model)))


def found(report: Report) -> dict[str, Finding]:
    return {finding.code: finding for finding in report.findings}


class Loaded(ToyNet):
    """An encoder that is the same however it is seeded, as one from a file is, and a fresh head."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for parameter in self.encoder.parameters():
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))


class Seeded(ToyNet):
    """Draws its weights from a seed of its own: it looks as if they were loaded."""

    def __init__(self) -> None:
        torch.manual_seed(3)
        super().__init__()


def of_run(raw: tuple[float, ...], averaged: tuple[float, ...], **options: Any) -> Report:
    """A run of 500 updates with these newest validations."""
    plan = plan_facts(config().model_copy(update={"ema": options.pop("ema", SLOW)}))
    records = RecordFacts(500, "finished", None, (), (), 1.0, 2.0, 0.5)
    monitor = MonitorFacts("accuracy", raw, (18, 19, 20), 20, 20, raw, averaged, **options)
    return diagnose(Evidence(plan=plan, sampler=SAMPLER, monitor=monitor, records=records))


def test_an_average_without_a_ramp_that_outlives_the_run_is_found_before_training() -> None:
    finding = found(before(SLOW))["S1101"]
    assert finding.primary and finding.severity is Severity.WARNING
    assert finding.figures["left"] == pytest.approx(0.999**500)
    assert finding.figures["left_after_five_epochs"] == pytest.approx(0.999**125)
    assert finding.fix.set == {"ema.ramp": True}


@pytest.mark.parametrize(
    ("ema", "train"),
    [
        (EmaConfig(decay=0.999, ramp=True), {}),
        (EmaConfig(), {}),
        (EmaConfig(decay=0.99, ramp=False), {}),
        (SLOW, {"epochs": 200}),
    ],
    ids=["ramp", "no average", "faster", "a long run"],
)
def test_averages_that_forget_their_beginning_are_healthy(ema: EmaConfig, train: dict[str, Any]) -> None:
    report = before(ema, **train)
    assert "S1101" in report.checked and "S1101" not in found(report)


def test_loaded_weights_may_be_held_in_an_average() -> None:
    report = before(SLOW, Loaded)
    assert "S1101" in report.checked and "S1101" not in found(report)


def test_where_drawn_and_loaded_weights_cannot_be_told_apart_nothing_is_said() -> None:
    assert "S1101" in {one.code for one in before(SLOW, Seeded).not_checked}


def test_of_a_run_the_averaged_weights_must_be_behind() -> None:
    behind = found(of_run((0.95, 0.96, 0.955), (0.3, 0.31, 0.32)))["S1101"]
    assert "accuracy 0.32 averaged, 0.955 raw" in behind.summary
    assert "S1101" in found(of_run((0.95, 0.96, 0.955), (NAN, NAN, NAN))), "undefined is behind as well"
    assert "S1101" in found(of_run((0.2, 0.19, 0.21), (0.9, 0.8, 0.7), is_rising=False))


@pytest.mark.parametrize(
    ("raw", "averaged", "options"),
    [
        ((0.95, 0.96, 0.955), (0.96, 0.965, 0.96), {}),
        ((0.95, 0.96, 0.955), (0.945, 0.955, 0.95), {}),
        ((0.2, 0.19, 0.21), (0.19, 0.18, 0.18), {"is_rising": False}),
        ((NAN, NAN, NAN), (0.3, 0.3, 0.3), {}),
        ((0.95, 0.96, 0.955), (0.3, 0.31, 0.32), {"ema": EmaConfig(decay=0.999)}),
    ],
    ids=["better", "within what they differ by", "lower is better", "raw ones undefined", "ramp"],
)
def test_of_a_run_averages_that_are_as_good_are_healthy(
    raw: tuple[float, ...], averaged: tuple[float, ...], options: dict[str, Any]
) -> None:
    report = of_run(raw, averaged, **options)
    assert "S1101" in report.checked and "S1101" not in found(report)


def test_without_enough_validations_of_both_nothing_is_said() -> None:
    report = of_run((0.9,), (0.2,))
    assert "S1101" in {one.code for one in report.not_checked}


def test_validations_tell_raw_and_averaged_weights_apart() -> None:
    def validation(epoch: int, *, with_average: bool) -> Event:
        data: dict[str, Any] = {"epoch": epoch, "monitor": "f1", "monitor_mode": "max", "raw": {"f1": epoch / 10}}
        return Event(EventKind.VALIDATION, 10 * epoch, 0.0, data | ({"ema": {"f1": 0.1}} if with_average else {}))

    history = ValidationHistory()
    history.hear(validation(epoch, with_average=epoch != 4) for epoch in range(1, 7))
    monitor = history.monitor()
    assert monitor is not None and monitor.is_rising
    assert monitor.raw == (0.3, 0.5, 0.6) and monitor.averaged == (0.1, 0.1, 0.1)
    assert replace(monitor, raw=(), averaged=()).values == (0.4, 0.5, 0.6)
