"""What torch warns of becomes a finding, in its words, and is not printed."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from user_tasks import FEATURES, UserTask, classify, draw, labelled, mlp

from trainctl.engine.data.batch import Batch
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.finding import Finding, Severity
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.tasks.task import StepOutput


class Net(nn.Module):
    """Dense layers with something between."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.body, self.head, self.between = nn.Linear(FEATURES, 16), nn.Linear(16, 4), between

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.between(self.body(x).relu()))


def found(net: Callable[[], nn.Module]) -> Finding | None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing of it reaches the user's console
        report = diagnose(gather(UserTask(labelled(draw(FEATURES)), net, classify(), classes=True)))
    return next((finding for finding in report.findings if finding.code == "P1209"), None)


def of_one(hidden: Tensor) -> Tensor:
    return hidden + 0 * torch.nan_to_num(hidden.detach()[:1].std(0))


def without_gradient(hidden: Tensor) -> Tensor:
    found = checkpoint(lambda h: h * 2, hidden.detach(), use_reentrant=True)
    assert isinstance(found, Tensor)
    return hidden + 0 * found


@pytest.mark.parametrize(
    ("between", "words"), [(of_one, "degrees of freedom"), (without_gradient, "None of the inputs have requires_grad")]
)
def test_what_is_known_to_harm_is_a_warning_in_torchs_words(between: Callable[[Tensor], Tensor], words: str) -> None:
    finding = found(lambda: Net(between))
    assert finding is not None and finding.severity is Severity.WARNING and words in finding.summary


def test_a_dropout_of_a_single_recurrent_layer_is_worth_a_word() -> None:
    class Cells(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cells, self.head = nn.LSTM(FEATURES, 8, dropout=0.3), nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.cells(x[None])[0][0])

    finding = found(Cells)
    assert finding is not None and finding.severity is Severity.INFO and "num_layers" in finding.summary


def test_what_torch_says_once_in_a_process_is_heard_at_each_diagnosis() -> None:
    def guessed(hidden: Tensor) -> Tensor:
        return F.softmax(hidden)

    for _ in range(2):
        finding = found(lambda: Net(guessed))
        assert finding is not None and "Implicit dimension" in finding.summary


@pytest.mark.parametrize("kind", [FutureWarning, DeprecationWarning])
def test_what_will_change_in_a_later_version_is_no_matter_of_the_training(kind: type[Warning]) -> None:
    def noisy(hidden: Tensor) -> Tensor:
        warnings.warn("this will be removed", kind, stacklevel=2)
        return hidden

    assert found(lambda: Net(noisy)) is None


def test_a_step_without_a_warning_has_none() -> None:
    assert found(mlp) is None


def test_a_scheduler_that_the_task_drives_itself_is_found() -> None:
    other = torch.optim.SGD([torch.zeros(1)], 0.1)
    own = torch.optim.lr_scheduler.StepLR(other, 5)

    def step(model: nn.Module, batch: Batch) -> StepOutput:
        own.step()
        return classify()(model, batch)

    report = diagnose(gather(UserTask(labelled(draw(FEATURES)), mlp, step, classes=True)))
    assert "lr_scheduler" in next(f.summary for f in report.findings if f.code == "P1209")
