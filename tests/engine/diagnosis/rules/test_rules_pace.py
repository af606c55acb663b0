"""W1304: a rank that the others wait for is named, with what it is slow at; ranks that differ little are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.finding import Finding, Severity
from trainctl.engine.diagnosis.records.pace import recorded_pace
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.ranks.side_by_side import BUSY, UNMEASURED
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.store import StepWriter

LAYOUT = RecordLayout(terms=("loss",), scalars=(BUSY,), unmeasured=UNMEASURED)


def write(root: Path, *ranks: tuple[float, float], steps: int = 200) -> RunPaths:
    """A run whose ranks fetch and work for so many seconds a step, with noise."""
    rng = np.random.default_rng(0)
    for rank, (fetched, busy) in enumerate(ranks):
        paths = RunPaths(root).of_rank(rank)
        paths.root.mkdir(parents=True)
        rows = np.zeros(steps, LAYOUT.dtype)
        rows["step"] = np.arange(1, steps + 1)
        rows["data_s"] = fetched * rng.uniform(0.8, 1.2, steps)
        rows[f"scalar.{BUSY}"] = busy * rng.uniform(0.8, 1.2, steps)
        writer = StepWriter(paths, LAYOUT)
        writer.append(rows)
        writer.close()
    return RunPaths(root)


def found(run: RunPaths, device: str = "cpu") -> Finding | None:
    report = diagnose(Evidence(pace=recorded_pace(run, device)))
    return next((finding for finding in report.findings if finding.code == "W1304"), None)


@pytest.mark.parametrize(("slow", "words"), [((0.001, 0.03), "works longer"), ((0.02, 0.01), "waits for its samples")])
def test_the_rank_that_is_slow_is_named_with_what_it_is_slow_at(
    tmp_path: Path, slow: tuple[float, float], words: str
) -> None:
    finding = found(write(tmp_path, (0.001, 0.01), (0.001, 0.01), slow))
    assert finding is not None and finding.severity is Severity.WARNING
    assert finding.figures["rank"] == 2 and float(finding.figures["ratio"]) > 2
    assert words in finding.why


def test_on_a_card_it_is_an_information(tmp_path: Path) -> None:
    finding = found(write(tmp_path, (0.001, 0.01), (0.001, 0.03)), "cuda:0 NVIDIA H200")
    assert finding is not None and finding.severity is Severity.INFO


@pytest.mark.parametrize(
    "ranks",
    [
        ((0.001, 0.01), (0.001, 0.011)),
        ((1e-5, 1e-4), (1e-5, 5e-4)),
        ((0.001, 0.01),),
    ],
    ids=["a tenth", "half a millisecond", "alone"],
)
def test_little_is_no_finding(tmp_path: Path, ranks: tuple[tuple[float, float], ...]) -> None:
    assert found(write(tmp_path, *ranks)) is None


def test_ranks_that_take_turns_are_none(tmp_path: Path) -> None:
    run = write(tmp_path, (0.001, 0.01), (0.001, 0.01))
    for rank, part in ((0, slice(0, 100)), (1, slice(100, 200))):
        stored = np.fromfile(run.of_rank(rank).steps, LAYOUT.dtype)
        stored[f"scalar.{BUSY}"][part] = 0.05
        stored.tofile(run.of_rank(rank).steps)
    pace = recorded_pace(run, "cpu")
    assert pace is not None and set(pace.slowest) == {0, 1}
    assert found(run) is None


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff" * 100])
def test_what_cannot_be_read_is_no_error(tmp_path: Path, content: bytes) -> None:
    run = write(tmp_path, (0.001, 0.01), (0.001, 0.03))
    run.of_rank(1).steps_layout.write_bytes(content)
    assert recorded_pace(run, "cpu") is None
