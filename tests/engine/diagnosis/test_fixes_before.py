"""Settings that findings before a training propose: they fit the task, and with them the finding is gone."""

from __future__ import annotations

import pytest

from trainctl.engine.config.resolve import Resolved
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.finding import Finding
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.tasks.configured import resolve, with_overrides
from trainctl.engine.tasks.registry import task_type
from trainctl.tui.health.fixes import fix_overrides

WELDS = ("data.samples=120", "data.val_samples=96")
TALKS = ("data.dialogues=40", "data.text=24", "data.audio=8", "data.visual=16", "model.code=32", "model.hidden=48")
PICTURES = ("data.references=6", "data.image_size=32", "data.cache=false")
EYES = ("data.samples=600",)
ALL_FROZEN = "freeze=[video,image,audio,sensor,fusion,project]"

CASES: dict[str, tuple[str, str, tuple[str, ...], str, dict[str, object]]] = {
    "one class": ("weld/stuck", "D103", WELDS, "labels", {"data.split": "stratified"}),
    "batches of one class": ("weld/stuck", "D101", WELDS, "sampler", {"data.split": "stratified"}),
    "small classes used up": (
        "weld/warmup",
        "D101",
        ("data.variant=550-10-8", "data.val_samples=96"),
        "sampler",
        {"data.sampler": "m-per-class", "data.per_class": 8},
    ),
    "one class far larger": (
        "weld/warmup",
        "D103",
        ("data.variant=550-10-8", "data.val_samples=96"),
        "labels",
        {"data.sampler": "m-per-class", "data.per_class": 8},
    ),
    "no room for a pair": ("weld/warmup", "D101", (*WELDS, "train.batch_size=2"), "sampler", {"train.batch_size": 4}),
    "few positives": (
        "weld/warmup",
        "K402",
        (*WELDS, "train.batch_size=8", "data.sampler=random"),
        "loss",
        {"data.sampler": "stratified"},
    ),
    "nothing trained": ("weld/warmup", "G701", (*WELDS, ALL_FROZEN), "gradient flow", {"freeze": []}),
    "last sample": ("emotion/basic", "C313", (*TALKS, "loss.over=last_dialogue"), "loss", {"loss.over": "batch"}),
    "clamped gates": ("emotion/basic", "G707", TALKS, "gradient flow", {"model.gate": "sigmoid"}),
    "weight out of range": (
        "emotion/repaired",
        "C317",
        (*TALKS, "loss_weights.encoder=5"),
        "loss",
        {"loss_weights.encoder": 0.1},
    ),
    "focal loss": ("eyes/balanced", "C316", EYES, "loss", {"loss.gamma": 0.0}),
    "small last batch": (
        "eyes/balanced",
        "D111",
        (*EYES, "train.batch_size=119", "train.drop_last=false"),
        "sampler",
        {},
    ),
    "few steps": ("eyes/balanced", "D112", (*EYES, "train.epochs=2"), "sampler", {}),
    "short epochs": ("eyes/balanced", "D113", (*EYES, "train.batch_size=64", "train.epochs=99"), "sampler", {}),
    "a helper leads": ("quality/balance-only", "C301", (*PICTURES, "model.projection=16"), "loss", {}),
}


def findings(resolved: Resolved, section: str) -> dict[str, Finding]:
    sections = {section, "labels"} if section == "sampler" else {section}
    task = task_type(resolved.config.task)(resolved.config, None)
    return {one.code: one for one in diagnose(gather(task, sections=sections), sections=sections).findings}


@pytest.mark.few(2)
@pytest.mark.parametrize("case", CASES)
def test_a_finding_before_training_proposes_settings_that_mend_it(case: str) -> None:
    preset, code, options, section, settings = CASES[case]
    resolved = resolve(preset, scale="small", overrides=["runtime.device=cpu", *options])
    finding = findings(resolved, section)[code]
    assert finding.fix.set and settings.items() <= dict(finding.fix.set).items()
    fixed = with_overrides(resolved, fix_overrides(finding.fix.set))
    after = findings(fixed, section)
    assert code not in after or after[code].severity == "info" != finding.severity
