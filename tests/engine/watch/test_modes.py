"""A network that is trained in evaluation mode: told once it is not the look of a moment, and taken back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign_loops import watched
from torch import nn

from trainctl.engine.diagnosis.finding import Hit, Severity
from trainctl.engine.diagnosis.records.foreign import foreign_facts
from trainctl.engine.diagnosis.rules.plan.modes import evaluation_while_training
from trainctl.engine.runs.record import RecordLayout


def network(*, norm: bool = True) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16) if norm else nn.Dropout(0.2), nn.Linear(16, 2))


def judged(folder: Path, model: nn.Module, modes: Sequence[tuple[bool, int]]) -> Any:
    """What the rule says of a loop whose steps are in these modes: (training, steps)."""
    begin, end = watched(folder)
    opt = torch.optim.SGD(model.parameters(), lr=0.01)
    begin(opt)
    for is_training, steps in modes:
        model.train(is_training)
        for _ in range(steps):
            opt.zero_grad()
            model(torch.randn(8, 6)).square().mean().backward()
            opt.step()
    meta = json.loads(end().meta.read_text())
    return evaluation_while_training(foreign=foreign_facts(meta, np.zeros(0, RecordLayout(("loss",)).dtype)))


def test_training_that_is_not_taken_up_again_behind_a_validation(tmp_path: Path) -> None:
    hit = judged(tmp_path, network(), [(True, 30), (False, 40)])
    assert isinstance(hit, Hit) and hit.severity is Severity.WARNING
    assert "since step 31" in hit.summary and "before, in training mode" in hit.where
    assert hit.figures["fresh"] == 0 and hit.figures["norms"] == 1


def test_a_norm_that_never_leaves_its_beginning(tmp_path: Path) -> None:
    hit = judged(tmp_path, network(), [(False, 40)])
    assert isinstance(hit, Hit) and hit.severity is Severity.WARNING and hit.figures["fresh"] == 1


def test_dropout_that_is_switched_off_throughout_may_be_meant(tmp_path: Path) -> None:
    hit = judged(tmp_path, network(norm=False), [(False, 40)])
    assert isinstance(hit, Hit) and hit.severity is Severity.INFO


def test_statistics_that_were_loaded_may_be_kept(tmp_path: Path) -> None:
    model = network()
    model(torch.randn(64, 6))
    hit = judged(tmp_path, model, [(False, 40)])
    assert isinstance(hit, Hit) and hit.severity is Severity.INFO


@pytest.mark.parametrize(
    "modes", [[(True, 60)], [(True, 30), (False, 10), (True, 20)], [(False, 25), (True, 20)]], ids=str
)
def test_what_is_trained_in_training_mode_is_not_accused(tmp_path: Path, modes: list[tuple[bool, int]]) -> None:
    assert judged(tmp_path, network(), modes) is None


def test_parts_that_are_kept_in_evaluation_mode_are_meant(tmp_path: Path) -> None:
    class Kept(nn.Sequential):
        def train(self, mode: bool = True) -> Kept:
            super().train(mode)
            self[1].eval()
            return self

    assert judged(tmp_path, Kept(*network()), [(True, 40)]) is None


def test_without_layers_that_know_a_mode_nothing_is_said(tmp_path: Path) -> None:
    assert judged(tmp_path, nn.Sequential(nn.Linear(6, 2)), [(True, 20), (False, 40)]) is None
