"""What the `emotion` task hides of a training batch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from trainctl.engine.data.emotion.options import MODALITIES
from trainctl.engine.errors import UserError
from trainctl.engine.tasks.configured import resolve
from trainctl.engine.tasks.emotion.config import EmotionConfig
from trainctl.engine.tasks.emotion.task import EmotionTask


def batch(width: int = 40) -> dict[str, Tensor]:
    there = {name: torch.ones(8, 30, width) for name in MODALITIES}
    return there | {"labels": torch.zeros(8, 30, dtype=torch.long)}


def hidden(seed: int = 1, **augment: float) -> dict[str, Tensor]:
    config = EmotionConfig.model_validate({"task": "emotion", "augment": augment})
    return dict(EmotionTask(config).augment(batch(), torch.Generator().manual_seed(seed)))


def test_features_are_hidden_one_by_one_and_the_rest_is_scaled_up() -> None:
    found = hidden(drop_features=0.75)
    for name in MODALITIES:
        assert set(found[name].unique().tolist()) == {0.0, 4.0}
        assert float(found[name].mean()) == pytest.approx(1.0, abs=0.1)
    assert torch.equal(found["labels"], batch()["labels"])


def test_a_modality_is_hidden_whole_of_an_utterance_and_each_by_itself() -> None:
    found = hidden(drop_modality=0.4)
    is_hidden = {name: (found[name] == 0).all(-1) for name in MODALITIES}
    for name in MODALITIES:
        assert torch.equal(is_hidden[name], (found[name] == 0).any(-1))
        assert float(is_hidden[name].float().mean()) == pytest.approx(0.4, abs=0.12)
    assert not torch.equal(is_hidden["text"], is_hidden["audio"])


def test_the_same_generator_hides_the_same_and_without_options_nothing_is_drawn() -> None:
    first, again = (hidden(drop_features=0.5, drop_modality=0.2) for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in MODALITIES)
    generator = torch.Generator().manual_seed(1)
    before = generator.get_state()
    task = EmotionTask(EmotionConfig.model_validate({"task": "emotion"}))
    assert torch.equal(task.augment(batch(), generator)["text"], batch()["text"])
    assert torch.equal(generator.get_state(), before)


def test_not_every_feature_can_be_hidden() -> None:
    with pytest.raises(UserError, match="drop_features"):
        resolve("emotion/original", overrides=["augment.drop_features=1"])
