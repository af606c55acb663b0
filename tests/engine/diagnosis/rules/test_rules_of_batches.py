"""Rules about what is in a batch: order, single classes, pairs of many classes, tiny batches, missing classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from test_rules_data_and_sampler import examine, found
from torch import nn
from toy_task import ToyTask, config, make_split, make_splits

from trainctl.engine.data.batch import Splits
from trainctl.engine.data.samplers.classes import make_sampler
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.data import SamplerFacts
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.facts.plan import PlanFacts, plan_facts
from trainctl.engine.diagnosis.facts.statistics import lag_one_correlation
from trainctl.engine.diagnosis.finding import Finding, Severity, Verdict
from trainctl.engine.diagnosis.probes.data import measure_labels
from trainctl.engine.diagnosis.probes.sampler import measure_sampler
from trainctl.engine.diagnosis.report import verdict_line


def unequal_labels() -> torch.Tensor:
    """Ten classes of 200, 100, 66, 50 … samples, sorted."""
    return torch.cat([torch.full((200 // (k + 1),), k) for k in range(10)])


ORDERS = {
    "sorted": lambda labels: labels,
    "backwards": lambda labels: labels.flip(0),
    "shuffled": lambda labels: labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))],
}


def judged(labels: torch.Tensor, sampler: Callable[[int], Sequence[torch.Tensor]], size: int = 8) -> Finding | None:
    splits = replace(make_splits(make_split(len(labels), 1, labels)), classes=tuple(f"c{k}" for k in range(10)))
    return found(examine(ToyTask(config(batch_size=size), splits, Ten, sampler=sampler))).get("D102")


class Ten(nn.Sequential):
    """Answers ten classes."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 10))


@pytest.mark.few(3)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", ["stratified", "random", "m-per-class"])
def test_a_sampler_that_draws_at_random_is_not_called_ordered_whatever_the_order_of_the_rows(
    order: str, kind: str
) -> None:
    labels = ORDERS[order](unequal_labels())
    for seed in range(5):
        assert judged(labels, make_sampler(kind, labels, 8, seed, per_class=2).batches) is None


@pytest.mark.parametrize("order", ORDERS)
def test_a_loader_that_goes_through_the_rows_is_called_ordered_whatever_their_order(order: str) -> None:
    labels = ORDERS[order](unequal_labels())
    in_order = torch.arange(len(labels))

    def sequential(epoch: int) -> Sequence[torch.Tensor]:
        return in_order.split(8)

    def begun_elsewhere(epoch: int) -> Sequence[torch.Tensor]:
        return in_order.roll(37 * epoch).split(8)

    for sampler in (sequential, begun_elsewhere):
        assert judged(labels, sampler) is not None


def drawn(labels: torch.Tensor, kind: str, size: int, *, seed: int = 0, per_class: int = 4) -> SamplerFacts:
    """Batches of a built-in sampler."""
    splits = labelled(labels)
    sampler = make_sampler(kind, labels, size, seed, per_class=per_class)
    return measure_sampler(ToyTask(config(batch_size=size), splits, sampler=sampler.batches), splits)


def labelled(labels: torch.Tensor, val: torch.Tensor | None = None, num_classes: int = 0) -> Splits:
    names = tuple(f"c{k}" for k in range(num_classes or int(labels.max()) + 1))
    val = labels if val is None else val
    return Splits(make_split(len(labels), 1, labels), make_split(len(val), 2, val), names)


def of_batches(labels: torch.Tensor, facts: SamplerFacts, plan: PlanFacts | None = None) -> dict[str, Finding]:
    return found(diagnose(Evidence(labels=measure_labels(labelled(labels)), sampler=facts, plan=plan)))


def sizes_of(*sizes: int) -> torch.Tensor:
    return torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))


@pytest.mark.parametrize(
    ("num_classes", "each", "size", "per_class"),
    [(12, 60, 16, 4), (100, 20, 32, 4), (10, 8, 8, 4), (50, 30, 20, 5), (100, 20, 8, 4)],
)
def test_few_classes_with_several_samples_each_are_what_a_sampler_of_pairs_is_for(
    num_classes: int, each: int, size: int, per_class: int
) -> None:
    labels = sizes_of(*(each,) * num_classes)
    for seed in range(4):
        assert of_batches(labels, drawn(labels, "m-per-class", size, seed=seed, per_class=per_class)) == {}


@pytest.mark.parametrize("size", [8, 32, 64])
def test_pairs_of_very_many_classes_are_no_lack_of_diversity(size: int) -> None:
    labels = sizes_of(*(3,) * 400)
    assert of_batches(labels, drawn(labels, "stratified", size)) == {}


@pytest.mark.parametrize("size", [40, 60, 100])
def test_rows_in_order_of_their_class_are_ordered_though_each_batch_holds_whole_classes(size: int) -> None:
    """Batches of two, three or five whole classes are as even as those of a sampler of pairs, but never change."""
    labels = sizes_of(*(20,) * 30)
    facts = measure_sampler(ToyTask(sampler=lambda epoch: torch.arange(600).split(size)), labelled(labels))
    assert "D102" in of_batches(labels, facts)


def test_two_classes_at_a_time_for_a_while_are_an_order() -> None:
    """Even batches, and drawn anew each epoch; but tasks come one after the other."""
    members = sizes_of(*(64,) * 10).argsort(stable=True).reshape(10, 64)

    def one_after_the_other(epoch: int) -> Sequence[torch.Tensor]:
        generator = torch.Generator().manual_seed(epoch)
        rows = [row[torch.randperm(64, generator=generator)] for row in members]
        return [
            torch.cat([rows[k][i : i + 8], rows[k + 1][i : i + 8]]) for k in range(0, 10, 2) for i in range(0, 64, 8)
        ]

    labels = sizes_of(*(64,) * 10)
    facts = measure_sampler(ToyTask(sampler=one_after_the_other), labelled(labels))
    assert "D102" in of_batches(labels, facts)


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("seed", range(4))
def test_chance_alone_explains_batches_of_the_class_that_has_99_of_100(size: int, seed: int) -> None:
    labels = sizes_of(990, 10)
    findings = of_batches(labels, drawn(labels, "random", size, seed=seed))
    assert "D101" not in findings
    assert findings["D103"].severity == Severity.WARNING, "a rare class that came up is no sampler that balances"


@pytest.mark.parametrize("sizes", [(400, 200), (500, 100), (900, 100), (990, *(10,) * 11)])
@pytest.mark.parametrize("size", [16, 32])
def test_a_stratified_sampler_that_runs_out_of_small_classes_is_not_told_to_stratify(
    sizes: tuple[int, ...], size: int
) -> None:
    labels = sizes_of(*sizes)
    findings = of_batches(labels, drawn(labels, "stratified", size))
    assert "the others are used up" in findings["D101"].where
    assert findings["D101"].fix.text.startswith("repeat the small classes")
    is_extreme = max(sizes) >= 50 * min(sizes)
    assert findings["D101"].consequence_of == ("D103" if is_extreme else None)
    assert findings["D103" if is_extreme else "D101"].primary


def test_what_runs_out_late_in_a_long_epoch_is_seen() -> None:
    """Of 20,000 and 2,000 samples the small class is used up after 250 batches of 1,375."""
    labels = sizes_of(20_000, 2_000)
    facts = drawn(labels, "stratified", 16)
    findings = of_batches(labels, facts)
    assert facts.counts is not None and (facts.counts[:25] > 0).all()
    assert "first 25 of 1,375 batches, 50 spread over the epoch" in findings["D101"].where
    assert "used up" in findings["D101"].where
    assert "answered" not in findings["D103"].why


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("sizes", [(200, 200), (60,) * 12, (900, 100)])
def test_batches_too_small_for_two_classes_are_told_to_grow(size: int, sizes: tuple[int, ...]) -> None:
    labels = sizes_of(*sizes)
    finding = of_batches(labels, drawn(labels, "stratified", size))["D101"]
    assert "in batches of 4 or more" in finding.fix.text
    assert "the sampler draws one" not in finding.where, "the epoch goes on after the batches that were looked at"


def test_one_class_in_turn_in_each_batch_is_not_told_to_shuffle() -> None:
    labels = sizes_of(*(60,) * 12)
    finding = of_batches(labels, drawn(labels, "m-per-class", 8, per_class=8))["D101"]
    assert finding.fix.text == "take samples of two or more classes into each batch"
    in_order = measure_sampler(ToyTask(sampler=lambda epoch: torch.arange(720).split(8)), labelled(labels))
    assert of_batches(labels, in_order)["D101"].fix.text.startswith("shuffle the samples")


def test_of_few_samples_two_epochs_alike_are_an_accident() -> None:
    """Five samples in batches of four and one: every fifth pair of epochs has the same batches."""
    labels = torch.tensor([0, 1, 0, 1, 0])
    assert not any(drawn_again(labels, seed) for seed in range(60))


def drawn_again(labels: torch.Tensor, seed: int) -> bool | None:
    sampler = make_sampler("random", labels, 4, seed, drop_last=False)
    return measure_sampler(ToyTask(sampler=sampler.batches), labelled(labels)).repeats


@pytest.mark.slow
def test_batches_drawn_at_random_are_not_called_ordered_in_any_of_many_epochs_of_20() -> None:
    labels = torch.arange(640) % 2
    correlated = 0
    for seed in range(300):
        facts = drawn(labels, "random", 32, seed=seed)
        correlated += abs(lag_one_correlation(facts.mean_places)) > 0.4
        assert of_batches(labels, facts) == {}
    assert correlated, "none came near what .5 would have to exclude"


@pytest.mark.parametrize(
    ("val", "severity", "words"),
    [
        (sizes_of(20, 20, 20, 20), Severity.INFO, "8 of 12 classes have no sample in training or validation: c4"),
        (sizes_of(20, 20, 20, 20, 5, 5), Severity.WARNING, "2 of 12 classes have no training sample: c4, c5"),
        (sizes_of(20), Severity.INFO, "8 of 12 classes have no sample in training or validation"),
    ],
)
def test_a_list_of_classes_may_be_longer_than_the_data(val: torch.Tensor, severity: Severity, words: str) -> None:
    labels = measure_labels(labelled(sizes_of(100, 100, 100, 100), val, 12))
    finding = found(diagnose(Evidence(labels=labels)))["D103"]
    assert finding.severity == severity
    assert words in finding.summary
    assert finding.primary == (severity == Severity.WARNING)


def test_classes_nobody_asks_for_do_not_hide_that_the_others_are_unequal() -> None:
    labels = measure_labels(labelled(sizes_of(990, 10), None, 12))
    finding = found(diagnose(Evidence(labels=labels)))["D103"]
    assert finding.severity == Severity.WARNING
    assert finding.summary == "the largest class has 99.0% of the samples, 99 times the smallest"


def test_one_named_class_is_an_error_for_a_loss_over_pairs_alone() -> None:
    labels = measure_labels(labelled(torch.zeros(100, dtype=torch.long)))
    plan = replace(plan_facts(config()), temperature=0.07)
    finding = found(diagnose(Evidence(labels=labels, plan=plan)))["D103"]
    assert (finding.severity, finding.where) == (Severity.ERROR, "train: c0 100, no other class is named")
    report = diagnose(Evidence(labels=labels, plan=plan_facts(config())))
    assert ("D103", "the data has one class by design") in [(entry.code, entry.why) for entry in report.not_checked]


def test_too_few_samples_for_a_batch_name_a_size_that_has_room_for_two_classes() -> None:
    splits = make_splits(make_split(20, 1), make_split(20, 2))
    finding = found(examine(ToyTask(config(batch_size=32), splits, sampler=lambda epoch: [])))["D112"]
    assert finding.fix.set == {"train.batch_size": 4}


def test_the_cause_of_an_error_is_one_where_it_would_be_a_warning_by_itself() -> None:
    labels = sizes_of(990, *(10,) * 11)
    facts = drawn(labels, "stratified", 32)
    report = diagnose(Evidence(labels=measure_labels(labelled(labels)), sampler=facts))
    assert (report.findings[0].code, report.findings[0].severity) == ("D103", Severity.ERROR)
    alone = diagnose(Evidence(labels=measure_labels(labelled(labels)))).findings
    assert [one.severity for one in alone] == [Severity.WARNING]
    assert report.verdict is Verdict.WRONG
    assert "".join(text for text, _ in verdict_line(report)).startswith("✗ wrong: deal with D103 class imbalance first")
