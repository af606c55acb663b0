"""Healthy trainings of many kinds get no warning before they begin, and every probe works on them."""

from __future__ import annotations

import pytest
from healthy_networks import HEALTHY

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.finding import Confidence, Severity
from trainctl.engine.diagnosis.probes.preflight import gather


@pytest.mark.few(26)
@pytest.mark.parametrize("name", sorted(HEALTHY))
def test_a_healthy_training_gets_no_warning(name: str) -> None:
    evidence = gather(HEALTHY[name](), budget_s=600)  # however busy the machine is
    report = diagnose(evidence)
    told = [finding for finding in report.findings if finding.confidence is not Confidence.HINT]
    assert [(finding.code, finding.summary) for finding in told if finding.severity is not Severity.INFO] == []
    assert [why for why in evidence.missing.values() if "failed" in why] == []
