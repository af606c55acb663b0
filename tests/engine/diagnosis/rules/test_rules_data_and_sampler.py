"""Faults of data, labels and sampler, planted in a toy task; each beside its healthy look-alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from toy_task import CLASSES, ToyTask, config, make_split, make_splits

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.data import LabelFacts, SamplerFacts, SplitLabels
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.facts.plan import plan_facts
from trainctl.engine.diagnosis.facts.run import RecordFacts
from trainctl.engine.diagnosis.finding import Finding, Report, Severity, Verdict
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.tasks.task import Task


def examine(task: Task) -> Report:
    return diagnose(gather(task))


def found(report: Report) -> dict[str, Finding]:
    return {finding.code: finding for finding in report.findings}


def sorted_labels(num_samples: int = 400) -> torch.Tensor:
    return torch.arange(num_samples) // (num_samples // len(CLASSES))


@pytest.mark.parametrize("seed", range(5))
def test_a_healthy_task_has_no_finding(seed: int) -> None:
    splits = make_splits(make_split(400, 10 + seed), make_split(100, 20 + seed))
    report = examine(ToyTask(config().model_copy(update={"seed": seed}), splits))
    assert report.findings == ()
    assert report.verdict is Verdict.NOTHING
    assert {"D101", "D102", "D103", "D104", "D107", "D111", "D112", "L203"} <= set(report.checked)
    assert {"C306", "C310", "G701", "G702", "G703", "N901"} <= set(report.checked)


def test_a_sampler_that_mixes_nothing_is_the_cause_not_the_data() -> None:
    task = ToyTask(
        splits=make_splits(make_split(400, 1, sorted_labels())),
        sampler=lambda epoch: torch.arange(400).split(16)[:25],
    )
    findings = found(examine(task))
    assert findings["D101"].primary
    assert findings["D101"].severity == Severity.ERROR
    assert "D103 class imbalance" in findings["D101"].ruled_out
    assert float(findings["D101"].figures["single_class_batches"]) > 30
    assert findings["D102"].consequence_of == "D101"
    assert "D103" not in findings


def test_a_sampler_stuck_on_one_class_of_four_is_told_from_a_split_of_one_class() -> None:
    only_zero = torch.arange(0, 400, 4)
    stuck = found(examine(ToyTask(sampler=lambda epoch: only_zero.roll(epoch).split(16)[:6])))
    assert stuck["D101"].primary
    assert stuck["D101"].consequence_of is None
    assert "the split holds 4 classes" in stuck["D101"].where

    zeros = torch.zeros(400, dtype=torch.long)
    single = found(examine(ToyTask(splits=make_splits(make_split(400, 1, zeros)))))
    assert single["D103"].primary
    assert single["D103"].severity == Severity.ERROR
    assert "a sampler alone cannot help" in single["D103"].fix.text
    assert single["D101"].consequence_of == "D103"
    assert "the sampler is not to blame" in single["D101"].where


def test_single_class_batches_of_an_extreme_imbalance_are_put_down_to_the_imbalance() -> None:
    labels = torch.zeros(2000, dtype=torch.long)
    labels[::100] = 1
    labels[1::200] = 2
    labels[2::200] = 3
    findings = found(examine(ToyTask(splits=make_splits(make_split(2000, 1, labels)))))
    assert findings["D103"].primary
    assert float(findings["D103"].figures["single_class_batch_probability"]) > 0.5
    assert "D101" not in findings


def test_a_sampler_that_balances_answers_the_imbalance() -> None:
    labels = torch.zeros(1600, dtype=torch.long)
    for number in (1, 2, 3):
        labels[number : number + 20 * 4 : 4] = number
    members = [torch.nonzero(labels == number).flatten() for number in range(4)]

    def balanced(epoch: int) -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(epoch)
        return [torch.cat([m[torch.randint(len(m), (4,), generator=generator)] for m in members]) for _ in range(60)]

    splits = make_splits(make_split(1600, 1, labels))
    unanswered = found(examine(ToyTask(splits=splits)))["D103"]
    answered = found(examine(ToyTask(splits=splits, sampler=balanced)))["D103"]
    assert unanswered.severity == Severity.WARNING
    assert answered.severity == Severity.INFO
    assert "answered by the sampler" in answered.why


def test_batches_that_are_the_same_in_every_epoch_are_reported() -> None:
    order = torch.randperm(400, generator=torch.Generator().manual_seed(0)).split(16)[:25]
    findings = found(examine(ToyTask(sampler=lambda epoch: order)))
    assert list(findings) == ["D102"]
    assert "same batches in the same order" in findings["D102"].summary
    assert findings["D102"].severity == Severity.INFO, "they are well mixed"
    few = found(examine(ToyTask(sampler=lambda epoch: order[:5] * 5)))["D102"]
    assert few.severity == Severity.WARNING


def test_a_whole_epoch_in_one_batch_is_no_repetition() -> None:
    whole = [torch.arange(400)]
    report = examine(ToyTask(config(epochs=300, batch_size=400), sampler=lambda epoch: whole))
    assert "D102" not in found(report)


def test_stratified_batches_over_sorted_data_are_not_called_ordered() -> None:
    members = sorted_labels().reshape(4, 100)

    def stratified(epoch: int) -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(epoch)
        rows = [torch.randperm(100, generator=generator) + 100 * number for number in range(len(members))]
        return [torch.cat([row[4 * k : 4 * k + 4] for row in rows]) for k in range(25)]

    task = ToyTask(splits=make_splits(make_split(400, 1, sorted_labels())), sampler=stratified)
    assert found(examine(task)) == {}


def test_two_samples_in_a_batch_of_two_classes_are_often_alike_and_that_is_no_fault() -> None:
    labels = torch.arange(400) % 2
    task = ToyTask(config(batch_size=2), make_splits(make_split(400, 1, labels)))
    assert "D101" not in found(examine(task))


def test_training_samples_copied_into_validation_are_found_and_named() -> None:
    train, val = make_split(400, 1, names=[f"t{i}" for i in range(400)]), make_split(100, 2)
    features = val.tensors["x"].clone()
    features[7] = train.tensors["x"][42]
    leaky = replace(val, tensors={**val.tensors, "x": features}, names=[f"v{i}" for i in range(100)])
    findings = found(examine(ToyTask(splits=make_splits(train, leaky))))
    assert list(findings) == ["D104"]
    assert findings["D104"].figures["shared"] == 1
    assert "v7 = t42" in findings["D104"].where


def test_equal_samples_under_two_labels_are_named_from_one_in_200_on() -> None:
    train, val = make_split(390, 1, names=[f"t{i}" for i in range(390)]), make_split(10, 2)
    assert train.labels is not None
    first, second = (int((train.labels == label).nonzero()[0]) for label in (0, 1))
    train.tensors["x"][second] = train.tensors["x"][first]
    assert "L207" not in found(examine(ToyTask(splits=make_splits(train, val))))
    third = int((train.labels == 1).nonzero()[1])
    train.tensors["x"][third] = train.tensors["x"][first]
    torn = found(examine(ToyTask(splits=make_splits(train, val))))["L207"]
    assert (torn.severity, torn.confidence, torn.figures["contradicted"]) == ("warning", "proven", 3)
    assert f"t{first}" in torn.where and "t" in torn.where


def test_blank_samples_on_both_sides_are_no_leak() -> None:
    train, val = make_split(400, 1), make_split(100, 2)
    train.tensors["x"][:20] = 0.0
    val.tensors["x"][:5] = 0.0
    assert "D104" not in found(examine(ToyTask(splits=make_splits(train, val))))


def test_inputs_that_repeat_by_nature_are_only_a_warning() -> None:
    train, val = make_split(400, 1), make_split(100, 2)
    train.tensors["x"].copy_((train.tensors["x"] > 0).float())
    val.tensors["x"].copy_((val.tensors["x"] > 0).float())
    leak = found(examine(ToyTask(splits=make_splits(train, val))))["D104"]
    assert (leak.severity, leak.confidence) == ("warning", "likely")


def test_a_person_on_both_sides_of_the_split_is_found() -> None:
    train = make_split(400, 1, groups=[f"p{i % 40}" for i in range(400)])
    val = make_split(100, 2, groups=[f"p{35 + i % 10}" for i in range(100)])
    findings = found(examine(ToyTask(splits=make_splits(train, val))))
    assert list(findings) == ["D105"]
    assert findings["D105"].figures == {"shared_groups": 5, "val_samples": 50}


def test_separate_groups_are_clean_and_unknown_ones_are_not_checked() -> None:
    train = make_split(400, 1, groups=["p"] * 400)
    val = make_split(100, 2, groups=["q"] * 100)
    assert "D105" in examine(ToyTask(splits=make_splits(train, val))).checked
    assert ("D105", "the data names no groups (person, photo, recording)") in [
        (entry.code, entry.why) for entry in examine(ToyTask()).not_checked
    ]


def test_a_value_that_is_not_finite_is_named_and_explains_the_nan_loss() -> None:
    train = make_split(400, 1, names=[f"row {i}" for i in range(400)])
    train.tensors["x"][::3, 2] = float("nan")
    findings = found(examine(ToyTask(splits=make_splits(train))))
    assert findings["D107"].primary
    assert "x of train sample 0 (row 0) and 133 more" in findings["D107"].where
    assert findings["N901"].consequence_of == "D107"


class NormNet(nn.Module):
    """Normalises over the batch, which one sample cannot do."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))

    def forward(self, features_BF: torch.Tensor) -> torch.Tensor:
        return self.layers(features_BF)


def test_a_last_batch_of_one_is_an_error_only_for_a_network_that_fails_on_it() -> None:
    splits = make_splits(make_split(401, 1))
    fails = found(examine(ToyTask(config(drop_last=False), splits, NormNet)))["D111"]
    works = found(examine(ToyTask(config(drop_last=False), splits)))["D111"]
    assert fails.severity == Severity.ERROR
    assert fails.fix.set == {"train.drop_last": True}
    assert works.severity == Severity.INFO
    assert "D111" not in found(examine(ToyTask(config(drop_last=True), splits, NormNet)))


def test_fewer_samples_than_a_batch_is_an_error_that_names_a_batch_size() -> None:
    report = examine(ToyTask(config(batch_size=512)))
    assert found(report)["D112"].severity == Severity.ERROR
    assert found(report)["D112"].fix.set == {"train.batch_size": 50}
    assert "D101" in [entry.code for entry in report.not_checked]


def test_a_short_plan_is_worth_knowing_and_one_that_can_teach_nothing_a_warning() -> None:
    short = examine(ToyTask(config(epochs=2)))
    assert found(short)["D112"].severity == Severity.INFO and short.verdict is Verdict.NOTHING
    assert found(examine(ToyTask(config(epochs=1, batch_size=50))))["D112"].severity == Severity.WARNING
    assert found(examine(ToyTask(config(max_steps=10))))["D112"].severity == Severity.INFO
    assert "D112" not in found(examine(ToyTask(config(epochs=8))))
    hardly = found(examine(ToyTask(config(accumulation=12))))["D112"]
    assert hardly.severity == Severity.WARNING and hardly.fix.set == {"train.accumulation": 1}
    assert "D112" not in found(examine(ToyTask(config(accumulation=2))))


def test_short_epochs_are_worth_knowing_where_the_run_is_long() -> None:
    long = examine(ToyTask(config(epochs=400, batch_size=256)))
    finding = found(long)["D113"]
    assert finding.severity == Severity.INFO and long.verdict is Verdict.NOTHING
    assert finding.summary.startswith("an epoch has 1 step: 400 samples in batches of 256; 144 of them (36%) are left")
    assert finding.fix.set == {"train.batch_size": 32}
    assert "D112" not in found(long)
    short = found(examine(ToyTask(config(epochs=2, batch_size=256))))
    assert "D112" in short and "D113" not in short, "one message for one fact"
    assert "D113" not in found(examine(ToyTask(config(epochs=50))))


def test_samples_that_every_epoch_leaves_out_are_a_warning() -> None:
    """The order never changes: those at the end are never learned from."""
    order = [part for part in torch.arange(400).split(150) if len(part) == 150]
    report = examine(ToyTask(config(epochs=400, batch_size=150), sampler=lambda epoch: order))
    finding = found(report)["D113"]
    assert finding.severity == Severity.WARNING
    assert "the same samples" in finding.why and "others in each" not in finding.summary


def short_run(first: float, recent: float, *, num_steps: int = 60, state: str = "finished") -> Evidence:
    """A run of three epochs of 20 steps, as its records tell it."""
    records = RecordFacts(num_steps, state, None, ("net",), (), 1.0, first, recent, num_steps, recent)
    sampler = SamplerFacts("records", (16,) * num_steps, None, 20, None, None)
    return Evidence(plan=replace(plan_facts(config()), epochs=3), records=records, sampler=sampler)


@pytest.mark.parametrize(
    ("first", "recent", "found_it"),
    [(1.4, 4e-5, False), (1.4, 1.2, False), (-0.5, -0.9, False), (1.4, 1.35, True), (1.4, 1.5, True), (0.0, 0.0, True)],
)
def test_a_short_run_that_learned_had_steps_enough(first: float, recent: float, found_it: bool) -> None:
    finding = found(diagnose(short_run(first, recent))).get("D112")
    assert (finding is not None) == found_it
    if finding is not None:
        assert finding.severity == Severity.WARNING
        assert f"the loss went from {first:.4g} to {recent:.4g}" in finding.where


@pytest.mark.parametrize(
    ("evidence", "why"),
    [
        (short_run(1.4, 1.4, state="running"), "the run is not over"),
        (short_run(1.4, 1.4, num_steps=19), "19 steps are too few to say whether more would help"),
        (short_run(1.4, float("nan")), "the loss is not finite"),
    ],
)
def test_a_short_run_is_not_judged_where_its_loss_says_nothing_yet(evidence: Evidence, why: str) -> None:
    report = diagnose(evidence)
    assert ("D112", why) in [(entry.code, entry.why) for entry in report.not_checked]
    assert "D112" not in found(report)


def test_few_steps_are_the_last_to_be_blamed() -> None:
    evidence = short_run(1.4, 1.4)
    single = SamplerFacts("records", (16,) * 60, np.eye(4, dtype=np.int64)[np.arange(60) % 4] * 16, 20, None, None,
                          classes=CLASSES)  # fmt: skip
    findings = found(diagnose(replace(evidence, sampler=single)))
    assert findings["D101"].primary and not findings["D112"].primary


@pytest.mark.parametrize("num_classes", [2, 5])
def test_a_loss_over_classes_is_not_explained_by_one_over_pairs(num_classes: int) -> None:
    """Single-class batches and a split of one class, before training and from the records."""
    counts = np.eye(num_classes, dtype=np.int64)[np.arange(60) % num_classes] * 16
    names = tuple(f"c{k}" for k in range(num_classes))
    one = LabelFacts(names, SplitLabels("train", (960, *(0,) * (num_classes - 1)), 0, 0))
    for source in ("sampler", "records"):
        sampler = SamplerFacts(source, (16,) * 60, counts, 20, 16, False, classes=names)
        said = [finding.why for finding in diagnose(Evidence(sampler=sampler, plan=plan_facts(config()))).findings]
        said += [finding.why for finding in diagnose(Evidence(labels=one, sampler=sampler)).findings]
        assert len(said) >= 3
        assert not any("contrastive" in why or "ln(" in why or "negatives" in why for why in said)


def test_a_loss_over_pairs_is_explained_by_its_floor_where_no_network_was_asked() -> None:
    sampler = SamplerFacts("sampler", (16,) * 60, np.eye(4, dtype=np.int64)[np.arange(60) % 4] * 16, 20, 16, False)
    plan = replace(plan_facts(config()), temperature=0.07)
    finding = found(diagnose(Evidence(sampler=replace(sampler, classes=CLASSES), plan=plan)))["D101"]
    assert "stands at its floor ln(B−1) = 2.7081" in finding.why


@pytest.mark.parametrize(("label", "outside"), [(4, 4), (-1, -1), (-100, -100)])
def test_a_label_outside_the_classes_is_an_error_with_its_place(label: int, outside: int) -> None:
    labels = torch.arange(400) % 4
    labels[5] = label
    finding = found(examine(ToyTask(splits=make_splits(make_split(400, 1, labels)))))["L203"]
    assert finding.severity == Severity.ERROR
    assert "train sample 5" in finding.where
    assert outside in (finding.figures["lowest"], finding.figures["highest"])


def test_unequal_classes_are_answered_in_the_terms_of_the_loss() -> None:
    labels = LabelFacts(("a", "b"), SplitLabels("train", (990, 10), 0, 1))
    over_classes = found(diagnose(Evidence(labels=labels, plan=plan_facts(config()))))["D103"]
    over_pairs = found(diagnose(Evidence(labels=labels, plan=replace(plan_facts(config()), temperature=0.1))))["D103"]
    assert over_classes.fix.text.startswith("weight the classes in the loss")
    assert over_pairs.fix.text.startswith("sample the classes equally") and "weight" not in over_pairs.fix.text


def test_before_training_the_monitored_metric_is_not_checked_for_that_reason() -> None:
    reasons = {entry.code: entry.why for entry in examine(ToyTask()).not_checked}
    assert reasons["E1014"] == reasons["E1007"] == "nothing has been trained yet"
