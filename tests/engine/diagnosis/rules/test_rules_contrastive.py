"""A contrastive loss that does not fall: causes that look alike are told apart, and healthy ones are left alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from toy_task import ToyTask, config, make_split

from trainctl.engine.config.presets import preset_names
from trainctl.engine.config.schema import RunConfig
from trainctl.engine.data.batch import Batch, Splits
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.contrast import anchors_with_positive, least_across, same_class_share
from trainctl.engine.diagnosis.facts.statistics import expected_with_positive, least_batch_size
from trainctl.engine.diagnosis.finding import Finding, Report
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.diagnosis.records.evidence import read_evidence
from trainctl.engine.losses.supcon import supcon
from trainctl.engine.runs.events import EventKind, EventWriter
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.meta import collect_meta, write_meta
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.store import StepWriter
from trainctl.engine.tasks.configured import resolve
from trainctl.engine.tasks.registry import task_type
from trainctl.engine.tasks.task import StepOutput, Task

TWELVE = tuple(f"c{k}" for k in range(12))


class Embedder(nn.Module):
    """Two layers; the second can be made to say the same of every sample."""

    def __init__(self, weight: float = 1.0, bias: float = 0.0) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(6, 32), nn.Tanh())
        self.last = nn.Linear(32, 8)
        with torch.no_grad():
            self.last.weight.mul_(weight)
            self.last.bias.fill_(bias)

    def forward(self, features_BF: Tensor) -> Tensor:
        return self.last(self.encoder(features_BF))


class ContrastiveToy(ToyTask):
    """The toy task with a supervised contrastive loss."""

    def __init__(
        self,
        num_classes: int = 12,
        run_config: RunConfig | None = None,
        model: Callable[[], nn.Module] = Embedder,
        sampler: Callable[[int], Sequence[Tensor]] | None = None,
        one_class: bool = False,
    ) -> None:
        labels = torch.arange(480) % num_classes
        train = make_split(480, 1, torch.zeros_like(labels) if one_class else labels)
        splits = Splits(train, make_split(120, 2, labels[:120]), tuple(f"c{k}" for k in range(num_classes)))
        super().__init__(run_config or config(batch_size=36), splits, model, sampler=sampler)

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        embeddings_BD = model(batch["x"])
        result = supcon(embeddings_BD, batch["labels"])
        return StepOutput(
            {"supcon": result.loss}, {"embedding": embeddings_BD.detach()}, {"mean_cosine": result.mean_cosine}
        )


def examine(task: Task) -> dict[str, Finding]:
    return by_code(diagnose(gather(task)))


def by_code(report: Report) -> dict[str, Finding]:
    return {finding.code: finding for finding in report.findings}


def primary(found: dict[str, Finding]) -> str | None:
    return next((code for code, finding in found.items() if finding.primary), None)


def one_class_a_batch(epoch: int) -> list[Tensor]:
    """Batches of one class each, of data that holds twelve."""
    generator = torch.Generator().manual_seed(epoch)
    order = torch.randperm(12, generator=generator).tolist()
    return [torch.arange(k, 480, 12)[torch.randperm(40, generator=generator)][:36] for k in order]


def test_a_healthy_contrastive_task_has_no_finding() -> None:
    report = diagnose(gather(ContrastiveToy()))
    assert report.findings == ()
    assert {"K402", "K403", "D101", "D103"} <= set(report.checked)
    assert [entry.why for entry in report.not_checked if entry.code == "K401"] == ["nothing has been trained yet"]


def test_a_task_without_a_contrastive_loss_is_not_asked() -> None:
    report = diagnose(gather(ToyTask()))
    assert {entry.why for entry in report.not_checked if entry.code.startswith("K4")} == {
        "no term of the loss is contrastive"
    }


def test_a_sampler_of_single_class_batches_is_the_cause_not_positives_nor_collapse() -> None:
    found = examine(ContrastiveToy(sampler=one_class_a_batch))
    assert primary(found) == "D101"
    assert not {"D103", "K402", "K403"} & set(found)
    ruled_out = ", ".join(found["D101"].ruled_out)
    assert "K402 positives (100% of the anchors have one)" in ruled_out
    assert "K403 collapse (mean cosine " in ruled_out


def test_a_split_of_one_class_is_the_cause_not_the_sampler_nor_the_positives() -> None:
    found = examine(ContrastiveToy(one_class=True))
    assert primary(found) == "D103"
    assert found["D101"].consequence_of == "D103"
    assert not {"K402", "K403"} & set(found)
    assert "ln(36−1) = 3.5553" in found["D103"].why
    assert "val: 11 classes never trained (c1, c2, c3, ...)" in found["D103"].where
    ruled_out = ", ".join(found["D103"].ruled_out)
    assert "sampler (no order of one class can mix" in ruled_out
    assert "K402 positives (100%" in ruled_out


@pytest.mark.parametrize("bias", [1.0, 0.0], ids=["all the same", "all zero"])
def test_a_last_layer_of_zeros_is_found_as_a_collapse_with_the_others_ruled_out(bias: float) -> None:
    found = examine(ContrastiveToy(model=lambda: Embedder(weight=0.0, bias=bias)))
    assert primary(found) == "G708", "units that are all the same are why"
    assert found["K403"].confidence == "proven" and found["K403"].consequence_of == "G708"
    assert found["K403"].figures["loss"] == pytest.approx(math.log(35), abs=1e-4)
    ruled_out = ", ".join(found["K403"].ruled_out)
    assert "D103 split (12 classes, 40 to 40 samples each)" in ruled_out
    assert "D101 sampler (" in ruled_out and "K402 positives (" in ruled_out


def test_many_classes_in_small_random_batches_are_too_few_positives_with_the_batch_that_helps() -> None:
    found = examine(ContrastiveToy(num_classes=40, run_config=config(batch_size=16)))
    assert primary(found) == "K402"
    finding = found["K402"]
    assert finding.severity == "error"
    assert finding.figures["with_positive"] == pytest.approx(1 - (39 / 40) ** 15, abs=0.05)
    assert finding.figures["expected_with_positive"] == pytest.approx(1 - (39 / 40) ** 15)
    assert finding.fix.set == {"train.batch_size": 92}
    ruled_out = ", ".join(finding.ruled_out)
    assert "D103 split" in ruled_out and "D101 sampler" in ruled_out and "K403 collapse" in ruled_out


def test_the_documents_batch_of_16_has_positives_for_three_quarters_only() -> None:
    assert expected_with_positive([1 / 12] * 12, 16) == pytest.approx(1 - 0.271, abs=1e-3)
    assert expected_with_positive([1 / 12] * 12, 32) == pytest.approx(1 - 0.067, abs=1e-3)
    assert examine(ContrastiveToy(run_config=config(batch_size=16)))["K402"].severity == "warning"


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.integers(2, 40))
def test_expected_positives_rise_with_the_batch_and_the_least_batch_is_the_first_that_is_enough(
    counts: list[int], size: int
) -> None:
    shares = [count / sum(counts) for count in counts]
    assert expected_with_positive(shares, size) <= expected_with_positive(shares, size + 1) + 1e-12
    slowly = next((b for b in range(2, size + 1) if expected_with_positive(shares, b) >= 0.9), None)
    assert least_batch_size(shares, 0.9, size) == slowly


@given(st.lists(st.lists(st.integers(0, 6), min_size=3, max_size=3), min_size=1, max_size=6))
def test_anchors_and_pairs_are_counted_as_one_would_by_hand(rows: list[list[int]]) -> None:
    anchors, pairs = [], []
    for row in rows:
        labels = [number for number, count in enumerate(row) for _ in range(count)]
        anchors += [labels.count(label) > 1 for label in labels]
        pairs += [a == b for i, a in enumerate(labels) for j, b in enumerate(labels) if i != j]
    counts = np.array(rows, np.int64)
    if anchors:
        assert anchors_with_positive(counts) == pytest.approx(np.mean(anchors))
    if pairs:
        assert same_class_share(counts) == pytest.approx(np.mean(pairs))


def test_cosines_across_classes_are_bounded_by_what_is_left() -> None:
    assert least_across(0.97, 0.0) == pytest.approx(0.97)
    assert least_across(0.95, 0.9) == pytest.approx(0.5)
    assert math.isnan(least_across(1.0, 1.0))


LAYOUT = RecordLayout(
    terms=("supcon",), groups=("encoder",), classes=TWELVE, scalars=("positives", "no_positive", "mean_cosine")
)


def recorded(
    folder: Path, *, loss: float, cosine: float, classes: int = 12, count: int = 540, size: int = 36
) -> dict[str, Finding]:
    """Findings of a finished run of 540 planned steps that ends with this loss and cosine."""
    rng = np.random.default_rng(0)
    rows: np.ndarray[Any, Any] = np.zeros(count, LAYOUT.dtype)
    rows["step"], rows["epoch"] = np.arange(1, count + 1), np.arange(count) // 18 + 1
    rows["lr"], rows["batch_size"], rows["amp_scale"], rows["update_ratio"] = 1e-3, size, np.nan, 0.01
    rows["loss"] = rows["term.supcon"] = loss + rng.normal(0, 1e-3, count)
    rows["grad_norm"] = rows["grad_norm.encoder"] = rng.uniform(0.9, 1.1, count)
    rows["scalar.mean_cosine"] = cosine
    rows["classes"][:, :classes] = rng.permuted([size // classes] * classes)
    paths = RunPaths(folder)
    writer = StepWriter(paths, LAYOUT)
    writer.append(rows)
    writer.close()
    counts = {"train": [40] * classes + [0] * (12 - classes), "val": [10] * 12}
    write_meta(paths, collect_meta([], 1, {"classes": list(TWELVE), "class_counts": counts}, cwd=folder))
    resolved = resolve("weld/warmup", overrides=["train.batch_size=36"], scale="small")
    paths.config.write_text(resolved.to_yaml(), encoding="utf-8")
    EventWriter(paths).append(EventKind.PLAN, 0, steps_per_epoch=18)
    return by_code(diagnose(read_evidence(paths)))


def test_a_recorded_run_at_ln_b_minus_1_is_put_down_to_the_one_class_of_its_split(tmp_path: Path) -> None:
    found = recorded(tmp_path, loss=math.log(35), cosine=0.99, classes=1)
    assert primary(found) == "D103"
    assert found["K401"].consequence_of == "D103"
    assert "K403" not in found


def test_a_recorded_run_at_ln_b_minus_1_is_put_down_to_its_collapse(tmp_path: Path) -> None:
    found = recorded(tmp_path, loss=math.log(35), cosine=0.99)
    assert primary(found) == "K403"
    assert found["K403"].confidence == "proven"
    assert found["K401"].consequence_of == "K403"
    assert float(found["K403"].figures["across_cosine"]) > 0.98


def test_a_recorded_run_at_ln_b_minus_1_without_a_cause_has_not_begun(tmp_path: Path) -> None:
    found = recorded(tmp_path, loss=math.log(35), cosine=0.4)
    assert primary(found) == "K401"
    assert "has not begun" in found["K401"].why
    assert float(found["K401"].figures["floor"]) < 1
    assert "K403 collapse (mean cosine 0.40)" in found["K401"].ruled_out


def test_a_collapse_at_the_start_of_a_run_is_no_finding_but_is_said_not_to_be_judged(tmp_path: Path) -> None:
    assert recorded(tmp_path, loss=math.log(35), cosine=0.99, count=180) == {}
    report = diagnose(read_evidence(RunPaths(tmp_path)))
    reasons = {entry.code: entry.why for entry in report.not_checked}
    assert "is often left again; 180 were made" in reasons["K403"]
    assert reasons["K401"] == reasons["K403"]


def test_a_run_that_learns_has_no_finding(tmp_path: Path) -> None:
    assert recorded(tmp_path, loss=0.7, cosine=-0.02) == {}


FAST = ("weld/stuck", "weld/repaired", "eyes/balanced")


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "name",
    [
        name if name in FAST else pytest.param(name, marks=pytest.mark.slow)
        for name in preset_names()
        if name.startswith(("eyes/", "weld/"))
    ],
)
def test_presets_have_no_contrastive_finding_but_the_one_that_is_meant_to_fail(name: str) -> None:
    data = ["data.samples=240", "data.val_samples=96"] if name.startswith("weld/") else ["data.samples=1000"]
    overrides = ["runtime.device=cpu", "train.epochs=100", *data]
    resolved = resolve(name, scale="small", overrides=overrides)
    found = examine(task_type(resolved.config.task)(resolved.config, None))
    errors = {code for code, finding in found.items() if finding.severity == "error"}
    if name.endswith("stuck"):
        assert (primary(found), errors) == ("D103", {"D101", "D103"})
    else:
        assert not [code for code in found if code.startswith("K")]
        assert errors == set()
        assert primary(found) is None or name.startswith("eyes"), "fewer samples of eyes make other rules speak"
