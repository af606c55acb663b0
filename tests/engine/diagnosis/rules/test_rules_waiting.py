"""P1201: a device that waits for its batches is told of, with what was ruled out; a fast or short training is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.facts.foreign import ForeignFacts
from trainctl.engine.diagnosis.facts.run import WaitFacts
from trainctl.engine.diagnosis.finding import Finding, Hit, Severity
from trainctl.engine.diagnosis.records.evidence import read_evidence
from trainctl.engine.diagnosis.records.waits import recorded_waits
from trainctl.engine.diagnosis.rules.run.waiting import waiting_for_data
from trainctl.engine.machine.cards import Card
from trainctl.engine.machine.load import Load
from trainctl.engine.runs.hardware.samples import HardwareSample, line_of
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.lines import append_lines
from trainctl.engine.runs.record import RecordLayout, Records
from trainctl.engine.runs.store import StepWriter

LAYOUT = RecordLayout(terms=("ce",))


def steps(count: int, wait_s: float, step_s: float, per_epoch: int = 0) -> Records:
    """Records of a training whose steps each waited so long, and took so long in all."""
    rows = np.zeros(count, LAYOUT.dtype)
    rows["step"] = np.arange(1, count + 1)
    rows["epoch"] = 1 if not per_epoch else np.arange(count) // per_epoch + 1
    rows["data_s"], rows["step_s"] = wait_s, step_s
    rows["time"] = 1e9 + np.cumsum(rows["step_s"].astype(np.float64))
    rows["loss"] = rows["term.ce"] = np.linspace(2, 1, count)
    rows["grad_norm"], rows["weight.ce"], rows["lr"] = 1.0, 1.0, 0.1
    return rows


def judged(rows: Records, device: str = "cpu", samples: tuple[HardwareSample, ...] = (), **more: Any) -> Hit | None:
    facts = recorded_waits(rows, LAYOUT, lambda: samples, device=device, num_steps=len(rows))
    if facts is None:
        return None
    answer = waiting_for_data(facts, **more)
    assert answer is None or isinstance(answer, Hit)
    return answer


def sampled(rows: Records, use: float = np.nan, cpu: float = np.nan) -> tuple[HardwareSample, ...]:
    """Samples during the whole run."""
    cards = (Card(0, "a card", use),) if use == use else ()
    times = np.arange(rows["time"][0], rows["time"][-1], 6.0).tolist()
    return tuple(HardwareSample(t, 0, 6.0, 4, Load(cpu, 99.0), cards=cards) for t in times)


def test_a_training_that_waits_is_told_so_with_its_figures() -> None:
    hit = judged(steps(2000, 0.04, 0.1))
    assert hit is not None and hit.severity is Severity.WARNING
    assert hit.figures["share"] == pytest.approx(0.4) and hit.figures["lost_s"] == pytest.approx(80, rel=0.01)
    assert "40% of the time of a step" in hit.summary and "100 ms each, 40 ms of it waiting" in hit.where
    assert any("validations and checkpoints" in text for text in hit.ruled_out)
    assert any("40% in the older half" in text for text in hit.ruled_out)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (steps(2000, 0.01, 0.1), "little is waited"),
        (steps(60, 2.0, 3.0), "too few steps"),
        (steps(400, 0.04, 0.1), "short: 16 s in all"),
        (steps(100_000, 0.0005, 0.001), "fast anyway"),
    ],
)
def test_where_nothing_is_to_be_gained_it_is_silent(rows: Records, why: str) -> None:
    assert judged(rows) is None, why


def test_a_slow_moment_is_no_finding() -> None:
    rows = steps(2000, 0.005, 0.1)
    rows["data_s"][1200:1700], rows["step_s"][1200:1700] = 0.1, 0.2
    assert judged(rows) is None
    rows = steps(2000, 0.005, 0.1)
    rows["data_s"][[700, 1500]] = rows["step_s"][[700, 1500]] = 3600.0  # the process was stopped
    assert judged(rows) is None


def test_a_wait_at_every_eighth_step_is_one() -> None:
    rows = steps(4000, 0.0, 0.05)
    rows["data_s"][::8] = 0.3
    rows["step_s"][::8] = 0.35
    hit = judged(rows)
    assert hit is not None and hit.figures["share"] == pytest.approx(0.43, abs=0.01)


def test_workers_that_begin_anew_with_each_epoch_are_told_apart() -> None:
    rows = steps(4000, 0.0005, 0.05, per_epoch=50)
    rows["data_s"][::50] = 2.0
    rows["step_s"][::50] = 2.05
    hit = judged(rows)
    assert hit is not None
    assert "first batches of" in hit.summary and "persistent_workers" in hit.fix.text
    assert hit.figures["share"] == pytest.approx(0.44, abs=0.02)


def test_the_first_steps_say_nothing() -> None:
    rows = steps(400, 0.001, 0.1)
    rows["data_s"][:20] = rows["step_s"][:20] = 30.0
    assert judged(rows) is None


def test_a_busy_card_does_not_wait() -> None:
    rows = steps(2000, 0.06, 0.1)
    assert judged(rows, "NVIDIA H200 (cuda)", sampled(rows, use=97)) is None
    hit = judged(rows, "NVIDIA H200 (cuda)", sampled(rows, use=35))
    assert hit is not None and hit.severity is Severity.WARNING and "busy 35 %" in hit.why
    assert hit.figures["gpu_percent"] == pytest.approx(35)


def test_a_card_whose_use_is_not_recorded_is_an_information() -> None:
    rows = steps(2000, 0.06, 0.1)
    hit = judged(rows, "NVIDIA H200 (cuda)")
    assert hit is not None and hit.severity is Severity.INFO and "not recorded" in hit.why


def test_where_it_keeps_all_its_cores_busy_more_processes_are_no_cure() -> None:
    rows = steps(2000, 0.06, 0.1)
    hit = judged(rows, samples=sampled(rows, cpu=390))
    assert hit is not None and "cheaper" in hit.fix.text and hit.fix.set is None
    idle = judged(rows, samples=sampled(rows, cpu=110))
    assert idle is not None and "more processes" in idle.fix.text


def test_what_is_not_measured_is_not_judged() -> None:
    rows = steps(2000, 0.06, 0.1)
    facts = recorded_waits(rows, replace(LAYOUT, unmeasured=("data_s",)), tuple, device="cpu", num_steps=2000)
    assert facts is None
    rows["step_s"][300] = np.nan
    assert judged(rows) is None


def test_of_a_loop_that_is_not_ours_validations_are_not_ruled_out() -> None:
    hit = judged(steps(2000, 0.04, 0.1), foreign=ForeignFacts(None, None, None, None, None))
    assert hit is not None and not any("validations" in text for text in hit.ruled_out)


def test_a_run_is_judged_by_its_files_with_the_use_of_its_card(tmp_path: Path) -> None:
    paths, rows = RunPaths(tmp_path), steps(1500, 0.05, 0.1)
    paths.meta.write_text('{"schema": 1, "device": "NVIDIA H200 (cuda)"}')
    writer = StepWriter(paths, LAYOUT)
    writer.append(rows)
    writer.close()
    append_lines(paths.hardware, [line_of(one) for one in sampled(rows, use=40)])

    def found() -> Finding | None:
        findings = diagnose(read_evidence(paths)).findings
        return next((finding for finding in findings if finding.code == "P1201"), None)

    finding = found()
    assert finding is not None and finding.severity is Severity.WARNING and "busy 40 %" in finding.why
    paths.hardware.write_bytes(b"no line of ours\n\xff\n")
    finding = found()
    assert finding is not None and finding.severity is Severity.INFO


def test_the_rule_needs_the_waits() -> None:
    assert "P1201" not in diagnose(Evidence()).checked
    waits = WaitFacts(100, 0.0, 0.1, (0.0, 0.0), 0.0, 0, 10.0, is_card=False)
    assert waiting_for_data(waits) is None


def test_the_machine_is_not_asked_where_little_is_waited() -> None:
    def ask() -> tuple[HardwareSample, ...]:
        pytest.fail("the samples were read")

    facts = recorded_waits(steps(2000, 0.005, 0.1), LAYOUT, ask, device="cpu", num_steps=2000)
    assert facts is not None and facts.share == pytest.approx(0.05)
