"""Fitting the mixture anew between epochs: what stays, what is renumbered, and what is on record of it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
from quality_small import CLUSTERS, built, pictures
from torch import Tensor

from trainctl.engine.data.batch import Batch, Split
from trainctl.engine.models.quality.net import QualityNet
from trainctl.engine.tasks.quality.task import QualityTask
from trainctl.engine.tasks.task import Turn

TRAIN = Split(pictures(96))
PARTS = ("means", "log_variances", "log_weights")


def renumbered(model: QualityNet) -> None:
    """The same mixture under other numbers."""
    with torch.no_grad():
        for name in PARTS:
            part = getattr(model.gmm, name)
            part.copy_(part.roll(1, 0).clone())


def fitted(**refit: Any) -> tuple[QualityTask, QualityNet, torch.optim.Optimizer]:
    """A network that has taken one step, its mixture fitted as it would be now, under other numbers."""
    task, model, batch = built(refit={"every": 2, "blend": 1.0, **refit})
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    sum(task.step(model, batch).terms.values(), torch.zeros(())).backward()
    optimizer.step()
    optimizer.zero_grad()
    replacing, _, _ = built(refit={"mode": "sklearn", "every": 2})
    replacing.end_epoch(turn(replacing, model, optimizer))
    renumbered(model)
    return task, model, optimizer


def turn(
    task: QualityTask, model: QualityNet, optimizer: torch.optim.Optimizer, epoch: int = 2, averaged: Any = None
) -> Turn:
    def gather(rows: Tensor) -> Iterator[Batch]:
        for part in rows.split(40):
            yield task.prepare({name: tensor[part] for name, tensor in TRAIN.tensors.items()})

    return Turn(epoch, model.train(), averaged, optimizer, TRAIN, gather)


def mixture(model: QualityNet) -> list[Tensor]:
    return [getattr(model.gmm, name).detach().clone() for name in PARTS]


def change_of(task: QualityTask, *args: Any, **options: Any) -> Mapping[str, Any]:
    change = task.end_epoch(turn(task, *args, **options))
    assert change is not None
    return change


def test_without_refits_and_between_them_nothing_happens() -> None:
    for mode, epoch in (("none", 2), ("sklearn", 3), ("matched", 1)):
        task, model, optimizer = fitted(mode=mode)
        before = mixture(model)
        assert task.end_epoch(turn(task, model, optimizer, epoch)) is None
        assert all(map(torch.equal, before, mixture(model)))


def test_a_fit_from_scratch_gives_the_components_other_numbers() -> None:
    task, model, optimizer = fitted(mode="sklearn")
    before = mixture(model)
    change = change_of(task, model, optimizer)
    assert change["mode"] == "sklearn"
    assert change["agreement"] == 0
    assert change["matched_agreement"] == change["rand_index"] == 1
    assert "0% of the samples keep the number of their component, 100% after" in change["text"]
    torch.testing.assert_close(model.gmm.means.detach(), before[0].roll(-1, 0))


def test_a_matched_fit_keeps_the_numbers_and_forgets_the_moments_of_the_mixture() -> None:
    task, model, optimizer = fitted(mode="matched")
    before = mixture(model)
    change = change_of(task, model, optimizer)
    assert (change["mode"], change["agreement"], change["matched_agreement"]) == ("matched", 1, 1)
    for old, new in zip(before, mixture(model), strict=True):
        torch.testing.assert_close(new, old, atol=1e-4, rtol=1e-4)
    for part in model.gmm.parameters():
        assert not any(bool(value.any()) for value in optimizer.state[part].values())
    assert any(bool(optimizer.state[part]["exp_avg"].any()) for part in model.backbone.parameters())


def test_the_document_s_fit_leaves_the_moments() -> None:
    task, model, optimizer = fitted(mode="sklearn")
    change_of(task, model, optimizer)
    assert any(bool(optimizer.state[part]["exp_avg"].any()) for part in model.gmm.parameters())


def test_averaged_weights_get_the_same_mixture() -> None:
    task, model, optimizer = fitted(mode="matched", blend=0.5)
    averaged = copy.deepcopy(model)
    with torch.no_grad():
        for part in averaged.parameters():
            part.add_(0.5)
    others = [p.detach().clone() for p in averaged.backbone.parameters()]
    change_of(task, model, optimizer, averaged=averaged)
    for own, kept in zip(mixture(model), mixture(averaged), strict=True):
        torch.testing.assert_close(kept, own, atol=1e-5, rtol=1e-5)
    assert all(map(torch.equal, others, averaged.backbone.parameters()))


def test_nothing_but_the_mixture_changes_and_no_random_number_is_drawn() -> None:
    task, model, optimizer = fitted(mode="sklearn")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    change_of(task, model, optimizer)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert "gmm.means" in changed <= {f"gmm.{name}" for name in PARTS}
    assert torch.equal(torch.get_rng_state(), random)
    assert all(module.training for module in model.modules())


def test_a_fit_is_the_same_every_time_and_another_at_another_epoch() -> None:
    found = []
    for epoch in (2, 2, 4):
        task, model, optimizer = fitted(mode="sklearn", samples=40)
        change_of(task, model, optimizer, epoch=epoch)
        found.append(model.gmm.means.detach().clone())
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


@pytest.mark.parametrize("mode", ["sklearn", "matched"])
@pytest.mark.parametrize("fault", ["few", "nan"])
def test_a_fit_that_is_impossible_leaves_everything_and_says_why(mode: str, fault: str) -> None:
    task, model, optimizer = fitted(mode=mode)
    if fault == "few":
        task, _, _ = built(model={"initialisation": "random"}, refit={"mode": mode, "every": 2, "samples": 2})
    else:
        torch.nn.init.constant_(next(model.backbone.parameters()), float("nan"))
    before = mixture(model)
    moments = [optimizer.state[part]["exp_avg"].clone() for part in model.gmm.parameters()]
    change = change_of(task, model, optimizer)
    assert change["failed"] and change["mode"] == mode
    reason = f"{CLUSTERS} components cannot be fitted: 2 samples" if fault == "few" else "features that are not finite"
    assert change["text"].startswith("the mixture was not fitted anew: ") and reason in change["text"]
    assert "agreement" not in change
    assert all(map(torch.equal, before, mixture(model)))
    assert all(
        torch.equal(m, optimizer.state[p]["exp_avg"]) for m, p in zip(moments, model.gmm.parameters(), strict=True)
    )
    assert model.training
