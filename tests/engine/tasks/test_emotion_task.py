"""The `emotion` task: scikit-learn's figures, terms that do not depend on the company, its planted mistake."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from trainctl.engine.data.batch import Splits
from trainctl.engine.data.emotion.options import MODALITIES
from trainctl.engine.data.feed import Feed
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.losses.reconstruction import Distance, reconstruction
from trainctl.engine.tasks.configured import resolve
from trainctl.engine.tasks.emotion.config import EmotionConfig
from trainctl.engine.tasks.emotion.metrics import emotion_metrics
from trainctl.engine.tasks.emotion.task import EmotionTask
from trainctl.engine.training.loop.precision import Precision
from trainctl.engine.training.loop.validation import Validation

CPU = torch.device("cpu")
CLASSES = ("happy", "sad", "neutral")


def task(**sections: Any) -> EmotionTask:
    data = {"dialogues": 12, "utterances": (3, 9), "text": 6, "audio": 3, "visual": 4}
    model = {"code": 16, "hidden": 16, "layers": 1}
    train = {"batch_size": 4, "drop_last": False}
    return EmotionTask(
        EmotionConfig.model_validate({"task": "emotion", "data": data, "model": model, "train": train} | sections)
    )


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60))
def test_figures_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, answer = ([pair[k] for pair in pairs] for k in (0, 1))
    ours, scores = emotion_metrics(torch.tensor(truth), torch.tensor(answer), CLASSES), cast("Any", f1_score)
    weighted = scores(truth, answer, average="weighted", zero_division=0)
    assert ours["weighted_f1"] == pytest.approx(weighted, abs=1e-6)
    assert ours["accuracy"] == pytest.approx(accuracy_score(truth, answer), abs=1e-6)
    each = scores(truth, answer, average=None, labels=[0, 1, 2], zero_division=0)
    assert [ours[f"f1.{name}"] for name in CLASSES] == pytest.approx(each.tolist(), abs=1e-6)


@pytest.mark.parametrize("loss", [{}, {"classification": "focal", "reconstruction": "smooth_l1", "regularise": "raw"}])
def test_what_is_measured_does_not_depend_on_the_batches(loss: dict[str, str]) -> None:
    emotion = task(loss=loss)
    splits = emotion.load()
    torch.manual_seed(0)
    model, precision = emotion.build_model(splits), Precision(emotion.config.precision, CPU)
    weights = {"encoder": 0.05, "gate": 0.01}
    results = [
        Validation(emotion, precision, Feed(splits.train, CPU), size).measure(model, weights)
        for size in (1, 3, len(splits.train))
    ]
    for other in results[1:]:
        assert other == pytest.approx(results[0], rel=1e-4)


def test_an_answer_of_one_emotion_is_the_floor() -> None:
    emotion = task()
    split = emotion.load().train
    labels = split.tensors["labels"]
    most = int(torch.bincount(labels[labels >= 0]).argmax())
    columns = {"truth": labels, "answer": torch.where(labels >= 0, most, -1)}
    measured = emotion.metrics(columns)
    constant = dict(emotion.constant_metrics(split))
    assert constant.pop("encoder") > 0
    for name, value in constant.items():
        assert measured[name] == pytest.approx(value)


@pytest.mark.parametrize("distance", ["mse", "smooth_l1"])
def test_no_constant_features_are_nearer_than_the_constant_answer(distance: Distance) -> None:
    emotion = task(loss={"reconstruction": distance})
    split = emotion.load().train
    there = split.tensors["labels"] >= 0
    features_ND = torch.cat([split.tensors[name][there] for name in MODALITIES], -1)
    constant = emotion.constant_metrics(split)["encoder"] / 2
    mean_D = features_ND.mean(0)
    errors = [
        float(reconstruction((mean_D + shift).expand_as(features_ND), features_ND, distance))
        for shift in (0.0, 0.05, -0.05, *torch.randn(20, len(mean_D), generator=torch.Generator().manual_seed(1)) / 20)
    ]
    assert 0.98 * min(errors) < constant <= min(errors) + 1e-6
    summed = task(loss={"over": "last_dialogue"})
    assert "encoder" not in summed.constant_metrics(summed.load().train)


def test_gates_are_recorded_at_every_step() -> None:
    emotion = task(model={"gate": "hardtanh", "code": 64, "hidden": 64, "layers": 1})
    splits = emotion.load()
    torch.manual_seed(0)
    model = emotion.build_model(splits)
    batch = emotion.prepare(splits.train.at(torch.arange(4)))
    scalars = dict(emotion.step(model, batch).scalars)
    assert int(scalars.pop("units")) == int((batch["labels"] >= 0).sum())
    assert int(scalars.pop("units.last")) == int((batch["labels"][-1] >= 0).sum())
    assert sorted(scalars) == sorted(
        f"gate.{side}.{name}" for side in ("closed", "open") for name in ("utterance", "forget", "input", "temporal")
    )
    dead = float(sum(scalars.values())) / 4
    assert dead == pytest.approx(0.54, abs=0.04)


def test_a_reconstruction_over_the_last_dialogue_is_found_before_training() -> None:
    found = {finding.code: finding for finding in diagnose(gather(task(loss={"over": "last_dialogue"}))).findings}
    assert float(found["C313"].figures["order_change.encoder"]) > 0.05
    assert "encoder" in found["C313"].summary
    healthy = diagnose(gather(task()))
    assert {"C307", "C313"} <= set(healthy.checked)
    assert not {"C307", "C313"} & {finding.code for finding in healthy.findings}


def test_the_presets_are_the_table_of_the_document() -> None:
    rows: dict[str, Any] = {
        name: resolve(f"emotion/{name}", scale="full").config for name in ("original", "basic", "full", "advanced")
    }
    weights = {name: (row.loss_weights["encoder"], row.loss_weights["gate"]) for name, row in rows.items()}
    assert weights == {"original": (0.05, 0), "basic": (0.03, 0), "full": (0.03, 0.01), "advanced": (0.03, 0.01)}
    kinds = {
        name: (row.loss.reconstruction, row.loss.classification, row.weighting.adaptive) for name, row in rows.items()
    }
    assert kinds == {
        "original": ("mse", "nll", False),
        "basic": ("smooth_l1", "nll", False),
        "full": ("smooth_l1", "nll", True),
        "advanced": ("smooth_l1", "focal", True),
    }


def test_a_network_is_built_again_without_the_data() -> None:
    emotion, other = task(), task()
    model = emotion.build_model(splits := emotion.load())
    other.load_state(dict(emotion.state()))
    empty = type(splits.train)({})
    built = other.build_model(Splits(empty, empty, splits.classes))
    built.load_state_dict(model.state_dict())
    kept = built.state_dict()
    assert kept and all(torch.equal(kept[name], value) for name, value in model.state_dict().items())
