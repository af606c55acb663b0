"""The failures of the five documents: the true cause comes first, before training, from the records, from an export,
and, where the documents print figures that tell it, from those.

Small versions of their configurations: what went wrong with each does not depend on its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from courses import grave
from toy import run_toy

from trainctl.engine.config.resolve import Resolved
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.finding import Finding, Report
from trainctl.engine.diagnosis.logs.evidence import read_log_evidence
from trainctl.engine.diagnosis.logs.facts import read_facts
from trainctl.engine.diagnosis.logs.reading import parse_log
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.diagnosis.records.evidence import read_evidence
from trainctl.engine.runs.export.export import ExportFormat, export_run
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.tasks.configured import resolve
from trainctl.engine.tasks.registry import task_type

WELDS = ("data.samples=96", "train.epochs=5")
PHOTOS = ("data.references=6", "data.image_size=32", "data.cache=false", "model.width=8", "train.batch_size=32")
DIALOGUES = ("data.dialogues=80", "data.text=24", "data.audio=8", "data.visual=16", "model.code=32", "model.hidden=48")
EYES = ("data.samples=400", "model.base_channels=8", "model.num_blocks=2", "train.epochs=4")


@dataclass(frozen=True)
class Failure:
    """A configuration that fails, and the code that must come first."""

    preset: str
    options: tuple[str, ...]
    before: str
    records: str
    export: str
    """Empty: the steps alone do not tell it."""

    def resolved(self) -> Resolved:
        return resolve(self.preset, scale="small", overrides=["runtime.device=cpu", *self.options])


FAILURES = {
    "mixture": Failure("quality/original", (*PHOTOS, "train.epochs=2"), "Q501", "Q501", "Q501"),
    "optimisation": Failure("weld/stuck", (*WELDS, "train.batch_size=32", "optimizer.lr=1e-4"), "D103", "D103", "D101"),
    "update": Failure("weld/stuck", WELDS, "D103", "D103", "D101"),
    "convergence": Failure(
        "emotion/original",
        (*DIALOGUES, "loss.over=last_dialogue", "train.epochs=9", "train.batch_size=8", "model.layers=0"),
        *("C313", "C313", "C313"),
    ),
    "eyes": Failure("eyes/current", EYES, "S1101", "S1101", ""),
}


def primary(report: Report) -> str:
    """The code of the cause to deal with first."""
    return next((finding.code for finding in report.findings if finding.primary), "")


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_the_true_cause_comes_first_before_training(failure: Failure) -> None:
    config = failure.resolved().config
    assert primary(diagnose(gather(task_type(config.task)(config, None)))) == failure.before


@pytest.mark.few(2)
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_the_true_cause_comes_first_from_the_records_and_from_an_export(failure: Failure, tmp_path: Path) -> None:
    resolved = failure.resolved()
    paths = RunPaths(tmp_path / "run")
    assert run_toy(paths.root, resolved, task_type=task_type(resolved.config.task)).state == "finished"
    assert primary(diagnose(read_evidence(paths))) == failure.records
    export_run(paths, ExportFormat.CSV, tmp_path / "steps.csv")
    assert primary(diagnose(read_log_evidence(str(tmp_path / "steps.csv")))) == failure.export


def log_of(lines: Sequence[str], preset: str = "", batch_size: int | None = None) -> Finding | None:
    """The primary finding of a printed log."""
    config = resolve(preset).config if preset else None
    facts = read_facts(
        parse_log("\n".join(lines).encode(), "log"),
        weights=dict(config.loss_weights) if config else None,
        num_clusters=8 if config else None,
        batch_size=batch_size,
    )
    return next((finding for finding in diagnose(Evidence(log=facts)).findings if finding.primary), None)


@pytest.mark.parametrize(
    ("lines", "code", "known"),
    [
        (
            ["Epoch 10 c_loss: -1.0000  SRCC: 0.8047", "Epoch 11 c_loss: -1.0000  SRCC: 0.0101"],
            "Q501",
            {"preset": "quality/original"},
        ),
        ([f"Epoch {epoch}: Training Loss 2.7081" for epoch in range(1, 9)], "K401", {"batch_size": 16}),
        ([f"Epoch {epoch:2}: Loss 3.43" for epoch in (1, 5, 10, 20)], "K401", {"batch_size": 32}),
        ([f"Epoch {epoch}/50 - SupCon Loss: 3.4340" for epoch in range(1, 21)], "K401", {}),
        (["Epoch  1: Loss 3.54", "Epoch  2: Loss 12.34", "Epoch  3: Loss NaN"], "N901", {}),
        (
            [f"Epoch {e}: train_loss {0.7 - e / 25:.4f} val_loss 0.6931 val_f1 0.6943" for e in range(1, 13)],
            "S1102",
            {},
        ),
    ],
    ids=["one-hot", "2.7081", "3.43", "3.4340", "diverged", "average never updated"],
)
def test_the_figures_that_the_documents_print_are_enough(
    lines: list[str], code: str, known: dict[str, str | int]
) -> None:
    finding = log_of(lines, **known)  # type: ignore[arg-type]
    assert finding is not None and finding.code == code


def test_what_the_documents_call_a_normal_course_is_left_alone() -> None:
    warmed = ((1, 3.54), (5, 3.21), (10, 2.87), (15, 2.34), (20, 1.89), (30, 1.45))
    assert not grave("\n".join(f"Epoch {epoch:2}: Loss {loss}" for epoch, loss in warmed), batch_size=32)
    summed = ((1, 5.0), (10, 2.0), (30, 0.8), (50, 0.5))
    assert not grave("\n".join(f"Epoch {epoch}: Loss {loss}" for epoch, loss in summed))
    plateau = ((1, 0.5), (2, 0.4), (3, 0.41), (4, 0.42), (5, 0.38))
    assert not grave("\n".join(f"Epoch {epoch}: val_loss = {loss}" for epoch, loss in plateau))
