"""What a task's own code raises in its first steps or its validation; each beside code that looks like it and works."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toy_task import CLASSES, FEATURES, ToyNet, ToyTask, config, make_split, make_splits

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.attempt import AttemptFacts
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.finding import Finding, Severity
from trainctl.engine.diagnosis.probes.attempt import measure_attempt
from trainctl.engine.diagnosis.probes.isolation import Deadline
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.tasks.task import Batch, Monitor, StepOutput, Task

CODES = ("P1210", "E1020", "E1025")
CPU = torch.device("cpu")


class Hits(ToyTask):
    """Measures its accuracy; what a test changes is given by name."""

    monitor = Monitor("accuracy", "max")

    def __init__(self, run_config: Any = None, **kinds: Any) -> None:
        self.changed = {name: kinds.pop(name) for name in ("columns", "metrics", "losses", "inputs") if name in kinds}
        super().__init__(run_config, **kinds)

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        change = self.changed.get("inputs", lambda model, x: x)
        output = super().step(model, {**batch, "x": change(model, batch["x"])})
        hit = (output.columns["logits"].argmax(1) == batch["labels"]).float()
        return StepOutput(output.terms, self.changed.get("columns", lambda hit: {"hit": hit})(hit))

    def metrics(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        return self.changed.get("metrics", lambda columns: {"accuracy": columns["hit"].mean()})(columns)

    def sample_losses(self, columns: Mapping[str, Tensor]) -> Tensor | None:
        return self.changed.get("losses", lambda columns: None)(columns)


def tried(task: Task, *, in_doubt: bool = False, last: bool = False) -> AttemptFacts:
    return measure_attempt(task, task.load(), CPU, Deadline(600), is_step_in_doubt=in_doubt, has_other_last=last)


def found(task: Task, **how: bool) -> dict[str, Finding]:
    report = diagnose(Evidence(attempt=tried(task, **how)))
    return {finding.code: finding for finding in report.findings if finding.code in CODES}


def why_not(task: Task, code: str) -> str:
    report = diagnose(Evidence(attempt=tried(task)))
    assert not report.findings
    return next((entry.why for entry in report.not_checked if entry.code == code), "")


def many(count: int) -> Any:
    return make_splits(val=make_split(count, 2))


def test_a_task_that_works_is_asked_everything_and_says_nothing() -> None:
    facts = tried(Hits(), in_doubt=True, last=True)
    assert facts.training is None and facts.validation is None
    assert facts.metrics == ("loss", "accuracy") and facts.num_answered == facts.num_val == 100
    assert not found(Hits())


def missing(columns: Mapping[str, Tensor]) -> dict[str, float]:
    return {"accuracy": columns["hits"].mean().item()}


def other_length(columns: Mapping[str, Tensor]) -> dict[str, float]:
    return {"accuracy": (columns["hit"] * torch.ones(99)).mean().item()}


def not_a_number(columns: Mapping[str, Tensor]) -> dict[str, Any]:
    return {"accuracy": columns["hit"]}


@pytest.mark.parametrize(
    ("metrics", "said", "fix"),
    [
        (missing, "KeyError: 'hits'", "name one of those that there are: hit"),
        (other_length, "RuntimeError: The size of tensor a (100)", "mend it there"),
        (not_a_number, "TypeError: metrics: 'accuracy' is a Tensor, not a number", "mend it there"),
    ],
)
def test_metrics_that_fail_are_found_at_their_line(metrics: Any, said: str, fix: str) -> None:
    finding = found(Hits(metrics=metrics))["E1020"]
    assert finding.severity is Severity.ERROR and finding.summary.startswith(f"a validation fails: {said}")
    assert finding.fix.text.startswith(fix)
    if metrics is not not_a_number:  # which the loop says, of a value that the function gave
        assert "test_rules_attempt.py:" in finding.where and f"({metrics.__name__}): return" in finding.where


def test_a_monitor_that_is_not_among_the_metrics_is_found() -> None:
    finding = found(Hits(metrics=lambda columns: {"acc": columns["hit"].mean()}))["E1020"]
    assert finding.summary == "train.monitor: a validation measures no accuracy"
    assert finding.where == "it measures loss, acc"
    plateau = config().model_copy(
        update={"schedule": config().schedule.model_copy(update={"name": "plateau", "metric": "f1"})}
    )
    assert found(Hits(plateau))["E1020"].summary.startswith("schedule.metric")
    assert not found(Hits(config(monitor="loss"))) and not found(Hits(config(monitor="accuracy")))


def test_an_error_behind_the_first_validation_batch_is_found() -> None:
    def fails_late(model: nn.Module, x: Tensor) -> Tensor:
        if not model.training and len(x) == 4:  # the last of 100, in batches of 32
            raise ValueError("an odd batch")
        return x

    assert "an odd batch" in found(Hits(inputs=fails_late))["E1020"].summary


def test_a_batch_size_that_only_the_attempt_has_is_no_fault() -> None:
    """Validation batches of 32 from a split of 96: a step may count on it."""
    fixed = lambda model, x: x.view(32, FEATURES)  # noqa: E731
    assert why_not(Hits(config(eval_batch_size=32), splits=many(96), inputs=fixed), "E1020").startswith("0 of 96")
    assert "E1020" in found(Hits(config(eval_batch_size=48), splits=many(96), inputs=fixed))


def test_of_a_split_that_takes_too_long_a_part_stands_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainctl.engine.diagnosis.probes.attempt.BUDGET_S", 0.0)
    monkeypatch.setattr("trainctl.engine.diagnosis.probes.attempt.ENOUGH", 1000)

    def of_all(columns: Mapping[str, Tensor]) -> dict[str, float]:
        return {"accuracy": (columns["hit"] * torch.ones(100)).mean().item()}

    def of_some(columns: Mapping[str, Tensor]) -> dict[str, float]:
        if len(columns["hit"]) == 100:
            raise ValueError("only one class")
        return {"accuracy": 0.0}

    assert tried(Hits(metrics=of_all)).num_answered == 8 and not found(Hits(metrics=of_all))
    assert "ValueError: only one class" in why_not(Hits(metrics=of_some), "E1020")
    assert "E1020" in found(Hits(metrics=missing)), "no sample would spare it"


@pytest.mark.parametrize(
    ("columns", "losses", "severity"),
    [
        (lambda hit: {"hit": hit.mean()[None]}, None, Severity.WARNING),
        (lambda hit: {"hit": hit.repeat(3)}, None, Severity.INFO),
        (lambda hit: {"hit": hit, "all": hit.repeat(3)}, lambda columns: columns["hit"], Severity.WARNING),
    ],
)
def test_columns_of_another_length_than_the_samples(columns: Any, losses: Any, severity: Severity) -> None:
    task = Hits(columns=columns, losses=losses or (lambda columns: None))
    assert found(task)["E1025"].severity is severity


def test_a_number_in_place_of_a_column_is_an_error() -> None:
    codes = found(Hits(columns=lambda hit: {"hit": hit.mean()}))
    assert codes["E1020"].fix.text == "one row for each sample in every column of StepOutput"
    assert codes["E1025"].consequence_of == "E1020"


class Narrow(nn.Module):
    """Takes fewer inputs than there are."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(FEATURES - 1, len(CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x)


class Normed(ToyNet):
    """With a BatchNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(FEATURES, 16), nn.BatchNorm1d(16))


def test_a_first_step_that_fails_is_found_before_training_and_the_rest_is_not_checked() -> None:
    report = diagnose(gather(ToyTask(model=Narrow), sections=("model", "evaluation")), sections=("model", "evaluation"))
    (finding,) = report.findings
    assert (finding.code, finding.severity, finding.primary) == ("P1210", Severity.ERROR, True)
    assert finding.summary.startswith("the first step, of 16 samples, fails: RuntimeError: mat1 and mat2")
    assert "test_rules_attempt.py:" in finding.where and "(forward): return self.head(x)" in finding.where
    assert finding.fix.text.startswith("give the layer as many inputs")


def test_a_network_or_a_sampler_that_raises_is_found() -> None:
    def broken() -> nn.Module:
        raise AttributeError("no such option")

    def empty(epoch: int) -> list[Tensor]:
        raise IndexError("no such class")

    assert "the network cannot be built: AttributeError" in found(ToyTask(model=broken))["P1210"].summary
    sampled = found(ToyTask(sampler=empty), in_doubt=True)["P1210"]
    assert sampled.summary == "the sampler gives no batches: IndexError: no such class"
    assert "(empty): raise IndexError" in sampled.where


def test_a_state_that_is_kept_with_its_graph_fails_in_the_second_step() -> None:
    class Kept(ToyTask):
        kept: Tensor | None = None

        def step(self, model: nn.Module, batch: Batch) -> StepOutput:
            output = super().step(model, batch)
            loss = output.terms["ce"] + (0 if self.kept is None else 0 * self.kept)
            self.kept = loss
            return StepOutput({"ce": loss})

    finding = found(Kept(), in_doubt=True)["P1210"]
    assert finding.summary.startswith("the first step succeeds, a later one, of 16 samples, fails")
    assert finding.fix.text == "detach what is kept from one step to the next"


def test_a_last_batch_that_fails_is_found_with_its_setting() -> None:
    def fixed(model: nn.Module, x: Tensor) -> Tensor:
        return x.view(16, FEATURES) if model.training else x

    task = Hits(config(drop_last=False), splits=make_splits(make_split(401, 1)), inputs=fixed)
    finding = found(task, last=True)["P1210"]
    assert finding.summary.startswith("the last batch of an epoch, of 1 samples, fails")
    assert finding.fix.set == {"train.drop_last": True}


def test_a_batchnorm_that_gets_one_sample_at_the_end_is_one_cause() -> None:
    task = ToyTask(config(drop_last=False), splits=make_splits(make_split(401, 1)), model=Normed)
    report = diagnose(gather(task))
    grave = [(one.code, one.consequence_of) for one in report.findings if one.severity is Severity.ERROR]
    assert grave == [("D111", None), ("P1210", "D111")]
    one = ToyTask(config(batch_size=1), model=Normed)
    assert found(one, in_doubt=True)["P1210"].fix.text.startswith("a BatchNorm needs two samples")


def test_the_attempt_leaves_no_trace() -> None:
    task, before = Hits(), torch.get_rng_state()
    tried(task, in_doubt=True, last=True)
    assert torch.equal(torch.get_rng_state(), before) and set(vars(task)) == set(vars(Hits()))
