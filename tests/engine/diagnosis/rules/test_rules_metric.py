"""Metrics that do not say how good the network is, and validations of a handful, beside healthy relatives."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from user_tasks import FEATURES, UserTask, draw, labelled, mlp

from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.samples.metric import MetricFacts
from trainctl.engine.diagnosis.finding import Finding, Report, Severity, Unchecked
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.diagnosis.rules.plan.metric import metric_does_not_measure
from trainctl.engine.tasks.task import Monitor, StepOutput

Metric = Callable[[Tensor, Tensor], float]


class Measured(UserTask):
    """A classifier whose metric is given: of logits (N, C) and classes (N,)."""

    monitor = Monitor("quality", "max")

    def __init__(self, metric: Metric, num_val: int | None = None) -> None:
        super().__init__(labelled(draw(FEATURES)), mlp, self._classify, classes=True)
        self._metric, self._num_val = metric, num_val

    def _classify(self, model: torch.nn.Module, batch: Batch) -> StepOutput:
        logits = model(batch["x"])
        return StepOutput({"ce": F.cross_entropy(logits, batch["y"])}, {"logits": logits.detach(), "truth": batch["y"]})

    def load(self) -> Splits:
        splits = super().load()
        if self._num_val is None:
            return splits
        few = {name: tensor[: self._num_val] for name, tensor in splits.val.tensors.items()}
        return replace(splits, val=Split(few, labels=few["y"]))

    def metrics(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        return {"quality": self._metric(columns["logits"], columns["truth"])}


def accuracy(logits: Tensor, truth: Tensor) -> float:
    return float((logits.argmax(1) == truth).float().mean())


def judge(metric: Metric, num_val: int | None = None) -> tuple[Report, dict[str, Finding]]:
    report = diagnose(gather(Measured(metric, num_val)))
    return report, {one.code: one for one in report.findings}


def neighbours(logits: Tensor, truth: Tensor) -> float:
    near = torch.cdist(logits, logits).fill_diagonal_(torch.inf).topk(5, largest=False).indices
    return float((truth[near].mode(1).values == truth).float().mean())


def ranks(logits: Tensor, truth: Tensor) -> float:
    """Correlation of the ranks of a figure with a class."""
    a = logits[:, 0].argsort().argsort().float()
    return float(torch.corrcoef(torch.stack([a, truth.float()]))[0, 1])


@pytest.mark.parametrize(
    "metric",
    [
        accuracy,
        neighbours,
        ranks,
        lambda logits, truth: float(F.cross_entropy(logits, truth)),
        lambda logits, truth: float(logits.topk(2).indices.eq(truth[:, None]).any(1).float().mean()),
        lambda logits, truth: 0.0,  # exact matches, of whole texts
        lambda logits, truth: 0.5,  # an area, where all scores are below the threshold
        lambda logits, truth: accuracy(logits, truth) + 1e-4 * float(torch.rand(())),  # a bootstrap's
    ],
)
def test_a_metric_that_measures_has_no_finding(metric: Metric) -> None:
    report, found = judge(metric)
    assert "E1008" in report.checked and not {"E1008", "E1005"} & set(found)


def test_a_metric_that_holds_answers_against_the_truth_of_others_is_found() -> None:
    for metric in (neighbours, lambda logits, truth: float(F.cross_entropy(logits, truth))):
        finding = judge(lambda logits, truth, metric=metric: metric(logits, truth.roll(5)))[1]["E1008"]
        assert finding.severity is Severity.WARNING and "order of the samples" in finding.summary


def test_a_metric_that_is_not_computed_from_the_answers_is_found() -> None:
    assert "whatever is answered" in judge(lambda logits, truth: 0.137)[1]["E1008"].summary


def test_a_metric_that_is_noise_is_found() -> None:
    found = judge(lambda logits, truth: accuracy(logits, truth) + 0.3 * float(torch.rand(())))[1]
    assert "for the same answers" in found["E1008"].summary


def test_a_metric_of_the_first_few_samples_is_found_with_their_number() -> None:
    found = judge(lambda logits, truth: float(F.cross_entropy(logits[:8], truth[:8])))[1]
    assert found["E1005"].figures["first"] == 8 and "E1008" not in found


@pytest.mark.parametrize(("num_val", "severity"), [(16, Severity.WARNING), (30, Severity.INFO), (60, None)])
def test_a_handful_of_samples_is_found_before_training(num_val: int, severity: Severity | None) -> None:
    found = judge(accuracy, num_val)[1].get("E1005")
    assert (found.severity if found else None) is severity


def test_where_networks_answer_alike_a_constant_says_nothing() -> None:
    facts = MetricFacts("f1", 100, 0.31, 0.0, 0.0, 0.0, (0.31, 0.31), are_others=True, first=None)
    assert metric_does_not_measure(facts) is not None
    assert metric_does_not_measure(replace(facts, are_others=False)) is None
    assert metric_does_not_measure(replace(facts, others=(0.31, 0.29))) is None
    undefined = metric_does_not_measure(replace(facts, value=math.nan, others=(math.nan, math.nan)))
    assert isinstance(undefined, Unchecked)


@pytest.mark.parametrize(("orders", "is_found"), [(0.0024, False), (0.005, False), (0.03, True)])
def test_votes_that_are_level_may_follow_the_order(orders: float, is_found: bool) -> None:
    facts = MetricFacts("knn_accuracy", 416, 125 / 416, 0.0, orders, 0.05, (0.3, 0.28), are_others=True, first=None)
    assert (metric_does_not_measure(facts) is not None) is is_found


def test_what_counts_no_samples_has_no_votes() -> None:
    facts = MetricFacts("bce", 100, 0.6937, 0.0, 0.004, 0.005, (0.694, 0.692), are_others=True, first=None)
    assert metric_does_not_measure(facts) is not None
