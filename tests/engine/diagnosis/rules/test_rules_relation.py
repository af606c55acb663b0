"""Splits, labels and augmentations that do not belong together, each beside healthy relatives that look odd."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor
from user_tasks import FEATURES, NUM_CLASSES, UserTask, classify, mlp, squared

from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.samples.relation import Learnt
from trainctl.engine.diagnosis.finding import Finding, Severity
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.diagnosis.probes.samples.relation import measure_relation

SECTIONS = ("data", "labels")
MINE = ("D109", "D115", "L201", "L202", "R806")
NUM, NUM_VAL = 700, 300
Spoil = Callable[[Splits], Splits]
Augment = Callable[[Tensor, torch.Generator], Tensor]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@cache
def blobs(num_classes: int = NUM_CLASSES, apart: float = 2.0) -> tuple[Tensor, Tensor]:
    """Classes of normal samples, not alike."""
    y = torch.arange(NUM) % num_classes
    return apart * draw(num_classes, FEATURES, seed=5)[y] / 2 + draw(NUM, FEATURES, seed=6), y


class Joined(UserTask):
    """Samples of a kind, with what is done to the splits and to training batches."""

    def __init__(self, x: Tensor, y: Tensor, spoil: Spoil | None = None, augment: Augment | None = None) -> None:
        is_figure = y.is_floating_point()
        step = squared if is_figure else classify()
        super().__init__({"x": x, "y": y}, lambda: mlp(x.shape[1], 1 if is_figure else NUM_CLASSES), step)
        self._spoil, self._augment = spoil, augment

    def load(self) -> Splits:
        is_figure = self.tensors["y"].is_floating_point()
        parts = [
            Split(some, labels=None if is_figure else some["y"])
            for rows in (slice(NUM_VAL, None), slice(NUM_VAL))
            for some in [{name: tensor[rows] for name, tensor in self.tensors.items()}]
        ]
        splits = Splits(parts[0], parts[1], () if is_figure else tuple("abcdefghij"[:NUM_CLASSES]))
        return self._spoil(splits) if self._spoil else splits

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        return {**batch, "x": self._augment(batch["x"], generator)} if self._augment else batch


def changed(split: Split, **tensors: Tensor) -> Split:
    found = {**split.tensors, **tensors}
    return Split(found, labels=found["y"] if split.labels is not None else None)


def of_val(change: Callable[[Tensor], Tensor], name: str = "x") -> Spoil:
    return lambda s: replace(s, val=changed(s.val, **{name: change(s.val.tensors[name])}))


def of_train(change: Callable[[Tensor], Tensor], name: str = "y") -> Spoil:
    return lambda s: replace(s, train=changed(s.train, **{name: change(s.train.tensors[name])}))


def shuffled(y: Tensor) -> Tensor:
    return y[torch.randperm(len(y), generator=torch.Generator().manual_seed(3))]


def some_wrong(share: float) -> Callable[[Tensor], Tensor]:
    def change(y: Tensor) -> Tensor:
        hit = torch.rand(len(y), generator=torch.Generator().manual_seed(4)) < share
        return torch.where(hit, (y + 1 + torch.arange(len(y)) % (NUM_CLASSES - 1)) % NUM_CLASSES, y)

    return change


@cache
def figures() -> tuple[Tensor, Tensor]:
    x = draw(NUM, FEATURES, seed=8)
    return x, x[:, 0] + 0.7 * x[:, 1] - 0.5 * (x[:, 2] * x[:, 3]) + 0.2 * draw(NUM, seed=9)


def findings(task: UserTask) -> dict[str, Finding]:
    report = diagnose(gather(task, sections=SECTIONS), sections=SECTIONS)
    return {one.code: one for one in report.findings if one.code in MINE}


def test_what_belongs_together_has_no_finding() -> None:
    assert findings(Joined(*blobs())) == {}
    assert findings(Joined(*figures())) == {}


@pytest.mark.parametrize("data", [blobs, figures])
def test_answers_joined_in_another_order_are_found_on_either_side(data: Callable[[], tuple[Tensor, Tensor]]) -> None:
    for spoil, split in ((of_train(shuffled), "train"), (of_val(shuffled, "y"), "val")):
        found = findings(Joined(*data(), spoil))
        assert found["L201"].severity is Severity.WARNING and found["L201"].where.startswith(split)
        assert float(found["L201"].figures["other"]) > 0.5 > 5 * float(found["L201"].figures["score"])


def test_data_that_nobody_can_answer_are_just_hard() -> None:
    x, y = blobs()
    assert findings(Joined(x, shuffled(y))) == {}
    parity = (x[:, :6] > 0).sum(1) % 2
    assert findings(Joined(x, parity)) == {}
    assert findings(Joined(x, draw(NUM, seed=2))) == {}


def test_classes_that_are_numbered_otherwise_are_told_from_shuffled_ones() -> None:
    found = findings(Joined(*blobs(), of_val(lambda y: (y + 1) % NUM_CLASSES, "y")))
    assert list(found) == ["L201"]
    assert "numbered otherwise" in found["L201"].summary
    assert float(found["L201"].figures["renumbered"]) > 0.8


def test_wrong_labels_are_counted_and_a_few_are_information() -> None:
    found = findings(Joined(*blobs(), of_train(some_wrong(0.4))))["L202"]
    assert found.severity is Severity.WARNING
    assert float(found.figures["share"]) == pytest.approx(0.53, abs=0.15)  # .4 wrong, in terms of what chance leaves
    assert all(one.severity is Severity.INFO for one in findings(Joined(*blobs(), of_train(some_wrong(0.06)))).values())
    assert findings(Joined(blobs()[0], some_wrong(0.4)(blobs()[1]))) == {}  # as many in the validation: hard data


def test_a_noisy_target_is_noisy_by_nature() -> None:
    assert findings(Joined(*figures(), of_train(lambda y: y + 0.4 * draw(len(y), seed=11)))) == {}


@pytest.mark.parametrize(
    ("data", "change"),
    [
        (blobs, lambda x: x.flip(1) + 1),
        (blobs, lambda x: 30 * x),
        (figures, lambda x: x.flip(1)),
    ],
)
def test_a_validation_of_other_inputs_is_found(
    data: Callable[[], tuple[Tensor, Tensor]], change: Callable[[Tensor], Tensor]
) -> None:
    assert findings(Joined(*data(), of_val(change)))["D115"].severity is Severity.WARNING


def test_a_validation_of_other_persons_is_honest() -> None:
    """Each person has an offset of their own; training knows some, the validation others."""
    x, y = blobs()
    person = torch.arange(NUM) // 50
    assert findings(Joined(x + 2.5 * draw(NUM // 50, FEATURES, seed=12)[person], y)) == {}


def test_inputs_scaled_for_training_only_are_found_and_usual_augmentations_are_not() -> None:
    scaled = findings(Joined(*blobs(), augment=lambda x, _: (x - 0.3) * 6))["D115"]
    assert scaled.figures["gain"] == pytest.approx(6, rel=1e-3)
    usual: list[Augment] = [
        lambda x, g: x + 0.5 * torch.randn(x.shape, generator=g),
        lambda x, g: x * (0.7 + 0.6 * torch.rand(len(x), 1, generator=g)),
        lambda x, g: x * (torch.rand(x.shape, generator=g) > 0.3),
        lambda x, g: 0.7 * x + 0.3 * x[torch.randperm(len(x), generator=g)],
    ]
    for augment in usual:
        assert findings(Joined(*blobs(), augment=augment)) == {}


@pytest.mark.parametrize("data", [blobs, figures])
def test_an_augmentation_that_leaves_noise_is_found(data: Callable[[], tuple[Tensor, Tensor]]) -> None:
    found = findings(Joined(*data(), augment=lambda x, g: x + 12 * torch.randn(x.shape, generator=g)))
    assert found["D109"].severity is Severity.WARNING and float(found["D109"].figures["kept"]) < 0.1
    alike = findings(Joined(*data(), augment=lambda x, g: 0 * x))
    assert "D109" in alike


def test_a_training_split_smaller_than_the_validation_is_found_where_more_would_teach_more() -> None:
    few: Spoil = lambda s: replace(s, train=changed(s.train, **{n: t[:40] for n, t in s.train.tensors.items()}))  # noqa: E731
    assert findings(Joined(*figures(), few))["R806"].figures["train"] == 40
    assert findings(Joined(*blobs(apart=12.0), few)) == {}


def test_inputs_that_nobody_compares_are_not_judged() -> None:
    x, y = blobs()
    facts = measure_relation(task := Joined(x, y), replace(task.load(), train=changed(task.load().train, x=x[:400, 0])))
    assert facts.learnt is None and facts.shift is None
    report = diagnose(gather(Joined(x[:20], y[:20]), sections=SECTIONS), sections=SECTIONS)
    assert {"D115", "L201", "L202"} <= {entry.code for entry in report.not_checked}


def test_standard_errors_are_those_of_a_share_and_of_a_correlation() -> None:
    learnt = Learnt(100, 100, 2, 0, 0, 0, 0, 0, 0, 1)
    assert learnt.error(0, 100) == pytest.approx(0.1)
    assert replace(learnt, num_classes=0).error(0.6, 100) == pytest.approx(0.064)
    assert not learnt.is_beyond(0.5, 100, 0.2, 100) and learnt.is_beyond(0.9, 100, 0.2, 100)
