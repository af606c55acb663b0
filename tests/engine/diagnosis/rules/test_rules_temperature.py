"""Temperatures of a contrastive loss at which nothing can be learned, beside those that people use."""

from __future__ import annotations

import pytest

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.finding import Finding, Severity
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.tasks.configured import resolve
from trainctl.engine.tasks.registry import task_type


def found(temperature: float, preset: str = "weld/repaired") -> dict[str, Finding]:
    resolved = resolve(preset, scale="small", overrides=[f"loss.temperature={temperature}"])
    task = task_type(resolved.config.task)(resolved.config)
    report = diagnose(gather(task, sections=("sampler", "loss"), budget_s=600), sections=("sampler", "loss"))
    assert "K405" in report.checked
    return {finding.code: finding for finding in report.findings}


@pytest.mark.parametrize("temperature", [3.0, 30.0, 1000.0])
def test_a_temperature_at_which_all_pairs_look_alike_is_found(temperature: float) -> None:
    finding = found(temperature)["K405"]
    assert finding.severity is Severity.WARNING
    assert float(finding.figures["room"]) < 0.1
    assert finding.fix.set == {"loss.temperature": 0.1}


@pytest.mark.parametrize("temperature", [0.03, 0.07, 0.2, 0.5])
def test_temperatures_that_people_use_are_healthy(temperature: float) -> None:
    assert "K405" not in found(temperature)


def test_a_temperature_beyond_single_precision_is_worth_knowing() -> None:
    assert found(0.004)["K405"].severity is Severity.INFO


def test_batches_of_one_class_are_not_the_temperatures_fault() -> None:
    assert "K405" not in found(0.1, "weld/stuck")
    assert "K405" not in found(5.0, "weld/stuck")
