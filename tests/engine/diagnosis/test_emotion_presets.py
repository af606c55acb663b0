"""What goes wrong with the presets of the emotion task is found before they are trained, and in small runs of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from toy import run_toy

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.finding import Finding, Severity
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.diagnosis.records.evidence import read_evidence
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.tasks.configured import resolve
from trainctl.engine.tasks.emotion.task import EmotionTask

SMALL = (
    "runtime.device=cpu",
    "data.dialogues=70",
    "data.text=24",
    "data.audio=8",
    "data.visual=16",
    "model.code=32",
    "model.hidden=48",
)
TRAINED = (*SMALL, "train.epochs=9", "train.batch_size=8", "model.layers=0", "data.dialogues=80")
GATES = ("emotion/original", "emotion/basic", "emotion/full", "emotion/advanced")


@cache
def preflight(name: str, *options: str) -> dict[str, Finding]:
    resolved = resolve(name, scale="small", overrides=[*SMALL, *options])
    task = EmotionTask(resolved.config)  # type: ignore[arg-type]
    return {finding.code: finding for finding in diagnose(gather(task)).findings}


def trained(root: Path, name: str, *options: str) -> dict[str, Finding]:
    resolved = resolve(name, scale="small", overrides=[*TRAINED, *options])
    assert run_toy(root, resolved, task_type=EmotionTask).state == "finished"
    return {finding.code: finding for finding in diagnose(read_evidence(RunPaths(root))).findings}


@pytest.mark.parametrize("name", [GATES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in GATES[1:])])
def test_the_documents_gates_start_half_dead(name: str) -> None:
    found = preflight(name)
    assert not [code for code, finding in found.items() if finding.severity == Severity.ERROR or code.startswith("K")]
    gates = found["G707"]
    assert gates.severity == Severity.WARNING and gates.primary
    assert gates.figures["without_gradient"] == pytest.approx(0.54, abs=0.04)
    assert gates.fix.set == {"model.gate": "sigmoid"}
    has_regulariser = name in ("emotion/full", "emotion/advanced")
    assert ("muted.gate" in gates.figures) == has_regulariser == ("loss.regularise=raw" in gates.fix.text)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [(), *(pytest.param((one,), marks=pytest.mark.slow) for one in ("data.imbalance=0", "loss.classification=focal"))],
)
def test_the_repaired_preset_has_no_finding(options: tuple[str, ...]) -> None:
    assert not preflight("emotion/repaired", "data.dialogues=151", *options)


@pytest.mark.slow
def test_what_is_said_to_help_against_half_dead_gates_helps() -> None:
    assert "G707" not in preflight("emotion/full", "model.gate=sigmoid")
    assert preflight("emotion/full", "loss.regularise=raw")["G707"].severity == Severity.INFO


@pytest.mark.slow
def test_classes_of_utterances_are_counted_so_that_a_focal_loss_is_asked_for_its_reason() -> None:
    even = preflight("emotion/advanced", "data.imbalance=0")["C316"]
    assert even.confidence == "hint" and even.figures["ratio"] < 1.5  # type: ignore[operator]
    assert "C316" not in preflight("emotion/advanced")
    assert "C316" not in preflight("emotion/full", "data.imbalance=0")


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_reconstruction_of_the_last_dialogue_is_told_from_the_records_alone(tmp_path: Path, seed: int) -> None:
    planted = trained(tmp_path / "planted", "emotion/original", "loss.over=last_dialogue", f"seed={seed}")
    finding = planted["C313"]
    assert finding.primary and finding.severity == Severity.ERROR
    assert finding.summary.startswith("encoder ")
    assert finding.figures["by_last.encoder"] > 0.95  # type: ignore[operator]
    assert finding.figures["noise.encoder"] > 0.5  # type: ignore[operator]
    healthy = trained(tmp_path / "healthy", "emotion/original", f"seed={seed}")
    assert "C313" not in healthy and "C307" not in healthy


@pytest.mark.slow
def test_a_reconstruction_that_nothing_trains_is_found_in_the_records(tmp_path: Path) -> None:
    frozen = trained(tmp_path / "frozen", "emotion/original", "freeze=[everything,modalities]")["C314"]
    assert frozen.figures["fell"] < 0.05  # type: ignore[operator]
    assert frozen.figures["constant"] < frozen.figures["validation"]  # type: ignore[operator]
    assert "C314" not in trained(tmp_path / "healthy", "emotion/original")
