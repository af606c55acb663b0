"""Faults of network and loss, planted in a toy task; each beside its healthy look-alike."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from toy_task import ToyNet, ToyTask, config, make_split, make_splits

from trainctl.engine.data.batch import Batch, Splits
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.facts.network import BatchFacts, ParameterFacts
from trainctl.engine.diagnosis.finding import Finding, Report, Severity, Verdict
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.errors import UserError
from trainctl.engine.tasks.task import Task


def examine(task: Task) -> Report:
    return diagnose(gather(task))


def found(report: Report) -> dict[str, Finding]:
    return {finding.code: finding for finding in report.findings}


def frozen(*names: str) -> ToyTask:
    return ToyTask(config().model_copy(update={"freeze": names}))


def test_everything_frozen_is_told_from_a_detached_loss() -> None:
    all_frozen = found(examine(frozen("encoder", "head")))
    assert list(all_frozen) == ["G701"]
    assert all_frozen["G701"].fix.set == {"freeze": []}

    detached = found(examine(ToyTask(loss=lambda logits, labels: F.cross_entropy(logits.detach(), labels))))
    assert detached["C310"].primary
    assert detached["G701"].consequence_of == "C310"


def test_a_loss_that_is_no_scalar_is_an_error() -> None:
    report = examine(ToyTask(loss=lambda logits, labels: F.cross_entropy(logits, labels, reduction="none")))
    assert found(report)["C310"].summary == "ce is not a scalar"


def test_a_zero_loss_weight_leaves_no_gradient() -> None:
    task = ToyTask(config().model_copy(update={"loss_weights": {"ce": 0.0}}))
    assert list(found(examine(task))) == ["G701"]


class WideNet(ToyNet):
    """Nearly all parameters in an encoder; the head is a sliver."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(6, 200), nn.ReLU(), nn.Linear(200, 16), nn.ReLU())


class LoadedNet(WideNet):
    """As `WideNet`, with an encoder that is always the same, as if it were loaded from a file."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in self.encoder.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)


def test_a_frozen_random_encoder_is_a_warning_and_a_frozen_loaded_one_is_not() -> None:
    freeze = config().model_copy(update={"freeze": ("encoder",)})
    random = found(examine(ToyTask(freeze, model=WideNet)))
    loaded = found(examine(ToyTask(freeze, model=LoadedNet)))
    assert random["G702"].severity == Severity.WARNING
    assert "drawn at random" in random["G702"].summary
    assert loaded["G702"].severity == Severity.INFO
    assert examine(ToyTask(freeze, model=LoadedNet)).verdict is Verdict.NOTHING


def parameters(trained: list[tuple[str, tuple[int, ...]]], frozen: list[tuple[str, tuple[int, ...]]]) -> BatchFacts:
    """A healthy batch through a network of these parameters, drawn at random."""
    facts = [ParameterFacts(name, shape, True, 1.0, None) for name, shape in trained]
    facts += [ParameterFacts(name, shape, False, None, False) for name, shape in frozen]
    batch = gather(ToyTask()).batch
    assert batch is not None
    return replace(batch, parameters=tuple(facts))


def test_most_of_the_network_frozen_as_it_was_drawn_is_a_warning_and_a_copy_of_it_is_none() -> None:
    fusion = [("fusion.weight", (40, 30)), ("head.weight", (10, 40))]
    encoders = [(f"{name}.weight", (30, 60)) for name in ("video", "audio", "sensor")]
    warned = found(diagnose(Evidence(batch=parameters(fusion, encoders))))["G702"]
    assert warned.severity == Severity.WARNING and "only 22.9% of the parameters can learn" in warned.summary
    assert "G702" not in found(diagnose(Evidence(batch=parameters(fusion, encoders[:1]))))
    student = [(f"online.{k}.weight", (30, 30)) for k in range(4)]
    teachers = [(f"teacher.{k}.weight", (30, 30)) for k in range(4)]
    assert "G702" not in found(diagnose(Evidence(batch=parameters(student, [*teachers, ("queue.weight", (3, 3))]))))


def test_freezing_the_smaller_part_is_nobodys_business() -> None:
    assert found(examine(frozen("head"))) == {}


class BranchNet(ToyNet):
    """Has a branch that nothing uses."""

    def __init__(self) -> None:
        super().__init__()
        self.forgotten = nn.Linear(16, 3)


class SometimesNet(ToyNet):
    """Uses a branch in every other call."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Linear(16, 4)
        self.calls = 0

    def forward(self, features_BF: Tensor) -> Tensor:
        self.calls += 1
        hidden_BH = self.encoder(features_BF)
        return self.head(hidden_BH) + (self.branch(hidden_BH) if self.calls % 2 == 0 else 0)


def test_a_branch_that_nothing_uses_is_named() -> None:
    finding = found(examine(ToyTask(model=BranchNet)))["G703"]
    assert finding.where == "forgotten"
    assert finding.figures["unreached_parameters"] == 16 * 3 + 3


def test_a_branch_that_is_used_now_and_then_is_healthy() -> None:
    assert found(examine(ToyTask(model=SometimesNet))) == {}


class LoudNet(ToyNet):
    """Its last layer is fifty times too large."""

    def __init__(self) -> None:
        super().__init__()
        with torch.no_grad():
            self.head.weight.mul_(50)


def test_an_initial_loss_far_above_ln_c_is_reported_with_the_formula() -> None:
    finding = found(examine(ToyTask(model=LoudNet)))["C306"]
    assert finding.figures["expected_loss"] == pytest.approx(math.log(4))
    assert "ln 4 = 1.3863" in finding.summary


def test_a_loss_without_a_known_closed_form_is_not_checked() -> None:
    class Renamed(ToyTask):
        def step(self, model: nn.Module, batch: Batch):
            output = super().step(model, batch)
            return type(output)({"mine": output.terms["ce"] * 100}, output.columns)

    report = examine(Renamed())
    assert ("C306", "no closed form is known for the loss (mine)") in [
        (entry.code, entry.why) for entry in report.not_checked
    ]


class NanNet(ToyNet):
    """Takes the logarithm of zero."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), LogLayer())


class LogLayer(nn.Module):
    """ln x, also of 0."""

    def forward(self, values: Tensor) -> Tensor:
        return values.log()


def test_the_first_module_that_is_not_finite_is_named() -> None:
    finding = found(examine(ToyTask(model=NanNet)))["N901"]
    assert "encoder.2" in finding.where
    assert "D107 values that are not finite in the data" in finding.ruled_out


def test_a_finite_loss_with_a_nan_gradient_is_found() -> None:
    def loss(logits_BC: Tensor, labels_B: Tensor) -> Tensor:
        return F.cross_entropy(logits_BC, labels_B) + (logits_BC * 0).sum().sqrt()

    finding = found(examine(ToyTask(loss=loss)))["N901"]
    assert "the backward pass is not" in finding.where


def test_a_step_that_raises_is_a_reason_and_the_other_checks_go_on() -> None:
    def loss(logits_BC: Tensor, labels_B: Tensor) -> Tensor:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    report = examine(ToyTask(loss=loss))
    reasons = {entry.code: entry.why for entry in report.not_checked}
    assert reasons["C310"] == "the batch probe failed: RuntimeError: mat1 and mat2 shapes cannot be multiplied"
    assert "D101" in report.checked


def test_a_module_to_freeze_that_does_not_exist_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="no module 'backbone'"):
        examine(frozen("backbone"))


def test_labels_that_break_the_loss_are_still_found_in_the_data() -> None:
    labels = torch.arange(400) % 4
    labels[:] += 1
    report = examine(ToyTask(splits=make_splits(make_split(400, 1, labels))))
    assert found(report)["L203"].primary


def test_a_task_without_classes_leaves_out_what_needs_them() -> None:
    class Regression(ToyTask):
        def load(self) -> Splits:
            splits = super().load()
            train, val = (
                type(s)({"x": s.tensors["x"], "y": s.tensors["x"].sum(1)}) for s in (splits.train, splits.val)
            )
            return Splits(train, val)

        def step(self, model: nn.Module, batch: Batch):
            output = model(batch["x"])[:, 0]
            return type(super().step(model, {**batch, "labels": torch.zeros(len(output), dtype=torch.long)}))(
                {"mse": F.mse_loss(output, batch["y"])}
            )

    report = examine(Regression())
    assert report.findings == ()
    assert {"D101", "D103", "L203", "C306"} <= {entry.code for entry in report.not_checked}


def of_last_sample(logits: Tensor, labels: Tensor) -> Tensor:
    """A loop that sets the loss to zero for each sample."""
    loss = torch.zeros(())
    for row in range(len(labels)):
        loss = torch.zeros(())
        loss = loss + F.cross_entropy(logits[row : row + 1], labels[row : row + 1])
    return loss


def of_first_half(logits: Tensor, labels: Tensor) -> Tensor:
    half = len(labels) // 2
    return F.cross_entropy(logits[:half], labels[:half])


def weighted_by_place(logits: Tensor, labels: Tensor) -> Tensor:
    losses = F.cross_entropy(logits, labels, reduction="none")
    return (losses * torch.linspace(0.5, 1.5, len(losses))).mean()


@pytest.mark.parametrize("loss", [of_last_sample, of_first_half, weighted_by_place])
def test_a_loss_over_a_part_of_the_batch_is_told_from_one_over_all(loss: Any) -> None:
    finding = found(examine(ToyTask(loss=loss)))["C313"]
    assert finding.severity is Severity.ERROR
    assert float(finding.figures["order_change.ce"]) > 1e-3
    assert "stand in another order" in finding.summary


def test_a_sum_over_the_batch_is_found_whatever_its_scale() -> None:
    for scale in (1.0, 1e-3):
        report = examine(
            ToyTask(loss=lambda logits, labels, scale=scale: scale * F.cross_entropy(logits, labels, reduction="sum"))
        )
        assert found(report)["C307"].figures["doubled.ce"] == pytest.approx(2)
        assert "C313" not in found(report)


def hardest(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean over the harder half: of all samples, in whatever order."""
    losses = F.cross_entropy(logits, labels, reduction="none")
    return losses.topk(len(losses) // 2).values.mean()


def sum_over_classes(logits: Tensor, labels: Tensor) -> Tensor:
    return -(F.one_hot(labels, logits.shape[1]) * logits.log_softmax(-1)).sum(-1).mean()


def of_pairs(logits: Tensor, labels: Tensor) -> Tensor:
    """All pairs of a batch, as contrastive losses have it."""
    scores = logits @ logits.T
    return scores.logsumexp(1).mean() - scores.diagonal().mean() + F.cross_entropy(logits, labels)


@pytest.mark.parametrize("loss", [F.cross_entropy, hardest, sum_over_classes, of_pairs])
def test_losses_over_the_whole_batch_are_not_accused(loss: Any) -> None:
    report = examine(ToyTask(loss=loss))
    assert {"C307", "C313"} <= set(report.checked)
    assert not {"C307", "C313"} & found(report).keys()


def test_a_loss_that_draws_random_numbers_is_not_judged_by_order() -> None:
    report = examine(ToyTask(loss=lambda x, y: F.cross_entropy(x + torch.randn_like(x), y)))
    assert {"C307", "C313"} <= {entry.code for entry in report.not_checked}
