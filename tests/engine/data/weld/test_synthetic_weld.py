"""The built-in welds: reproducible, quick, learnable, and not for a linear probe."""

from __future__ import annotations

import time

import pytest
import torch
from present import present
from sklearn.linear_model import RidgeClassifier

from trainctl.engine.data.weld.load import load_weld, shapes_of
from trainctl.engine.data.weld.options import CLASSES, MODALITIES, WeldData
from trainctl.engine.data.weld.synthetic import _pattern_of, synthetic_weld

SMALL = {"video": (2, 16), "image": (5, 12), "audio": (1, 12), "sensor": (32, 6)}


def test_samples_have_the_asked_classes_shapes_and_types() -> None:
    tensors, labels = synthetic_weld([5, 0, 3], SMALL, 0.0, 1)
    assert torch.bincount(labels).tolist() == [5, 0, 3]
    assert {name: tuple(tensors[name].shape) for name in MODALITIES} == {
        name: (8, *shape) for name, shape in SMALL.items()
    }
    assert tensors["present"].all() and tensors["present"].shape == (8, 4)
    assert all(tensors[name].dtype == torch.float32 and tensors[name].isfinite().all() for name in MODALITIES)


def test_the_same_seed_draws_the_same_and_another_seed_others() -> None:
    (a, _), (b, _), (c, _) = (synthetic_weld([4] * 12, SMALL, 0.2, seed) for seed in (3, 3, 4))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["video"], c["video"])


def test_missing_modalities_are_zeros_as_often_as_asked_and_never_all() -> None:
    tensors, _ = synthetic_weld([200] * 12, SMALL, 0.3, 0)
    present = tensors["present"]
    assert present.any(1).all()
    assert (~present).double().mean().item() == pytest.approx(0.3, abs=0.03)
    for column, name in enumerate(MODALITIES):
        assert not tensors[name][~present[:, column]].any()
        assert tensors[name][present[:, column]].flatten(1).any(1).all()


def test_with_nearly_everything_missing_one_modality_stays() -> None:
    tensors, _ = synthetic_weld([50], SMALL, 0.99, 0)
    assert tensors["present"].any(1).all()
    assert len(tensors["present"].int().argmax(1).unique()) == 4


def test_no_modality_tells_all_classes_apart_but_together_they_do() -> None:
    patterns = torch.stack([_pattern_of(column) for column in range(4)], 1)
    assert all(len(column.unique()) == 6 for column in patterns.T)
    assert len(patterns.unique(dim=0)) == len(CLASSES)


def test_a_linear_probe_stays_far_below_what_the_network_reaches() -> None:
    # the network reaches .9 on these data (presets `warmup` and `repaired`); chance is .083
    tensors, labels = synthetic_weld([68] * 12, shapes_of(WeldData()), 0.1, 0)
    for features in (
        torch.cat([tensors[name].mean(1) for name in MODALITIES], 1),
        torch.cat([tensors[name].flatten(1)[:, ::4] for name in MODALITIES], 1),
    ):
        scaled = (features / features.std(0)).numpy()
        probe = RidgeClassifier(alpha=scaled.shape[1]).fit(scaled[:576], labels[:576])
        assert probe.score(scaled[576:], labels[576:]) < 0.65


def test_the_default_size_is_drawn_in_less_than_three_seconds() -> None:
    started = time.process_time()
    synthetic_weld([48] * 12, shapes_of(WeldData()), 0.1, 0)
    assert time.process_time() - started < 3


def test_built_in_welds_of_one_class_split_by_class_are_of_all_classes_on_both_sides() -> None:
    small = {"video": (2, 4), "image": (2, 4), "audio": (2, 4), "sensor": (8, 3)}
    plain = WeldData(variant="one-class-train", samples=60, val_samples=48, **small)  # type: ignore[arg-type]
    given, anew = (
        load_weld(options, 3, None, val_batch_size=8)
        for options in (plain, plain.model_copy(update={"split": "stratified", "val_fraction": 0.25}))
    )
    counts = [torch.bincount(present(part.labels), minlength=12).tolist() for part in (anew.train, anew.val)]
    assert torch.bincount(present(given.train.labels)).tolist() == [60]
    assert counts == [[48, *[3] * 11], [16, *[1] * 11]]
    assert sorted([*anew.train.names, *anew.val.names]) == sorted([*given.train.names, *given.val.names])
    assert "split anew: 25%" in anew.notes[0]
