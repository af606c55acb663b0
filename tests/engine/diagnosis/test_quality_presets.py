"""What the presets of image quality say goes wrong with them is found before they are trained."""

from __future__ import annotations

import pytest

from trainctl.engine.config.presets import preset_names
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.tasks.configured import resolve
from trainctl.engine.tasks.registry import task_type

SMALL = ["runtime.device=cpu", "data.references=6", "data.image_size=32", "data.cache=false"]


FAST = ("quality/original", "quality/repaired")


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "name",
    [
        name if name in FAST else pytest.param(name, marks=pytest.mark.slow)
        for name in preset_names()
        if name.startswith("quality/")
    ],
)
def test_a_preset_has_the_findings_that_its_text_names(name: str) -> None:
    resolved = resolve(name, scale="small", overrides=SMALL)
    report = diagnose(gather(task_type(resolved.config.task)(resolved.config, None)))
    found = {finding.code: finding for finding in report.findings}
    expected = set(resolved.about.findings)
    assert expected <= set(found)
    assert "Q503" in expected or "Q503" not in found
    if resolved.about.recommended:
        assert not [code for code in found if code.startswith("Q")]
    assert all(found[code].fix.set for code in expected)


@pytest.mark.slow
@pytest.mark.parametrize("option", ["model.projection=16", "model.temper=dimension"])
def test_what_is_said_to_help_against_one_hot_posteriors_helps(option: str) -> None:
    if "quality/balanced" not in preset_names():
        pytest.skip("no presets of image quality here")
    resolved = resolve("quality/balanced", scale="small", overrides=[*SMALL, option])
    report = diagnose(gather(task_type(resolved.config.task)(resolved.config, None)))
    assert "Q501" in report.checked and "Q501" not in {finding.code for finding in report.findings}
