"""The built-in eyes: a function of the seed, the right shares, and not decided by brightness."""

from __future__ import annotations

import pytest
import torch

from trainctl.engine.data.eyes.load import load_eyes
from trainctl.engine.data.eyes.options import EyesData
from trainctl.engine.data.eyes.parameters import RANGES, draw_openness, draw_parameters
from trainctl.engine.data.eyes.synthetic import CHUNK, synthetic_eyes
from trainctl.engine.errors import UserError


def test_the_same_seed_draws_the_same_eyes() -> None:
    first, second = synthetic_eyes(CHUNK + 7, 32, 64, 5), synthetic_eyes(CHUNK + 7, 32, 64, 5)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])


def test_another_seed_draws_other_eyes() -> None:
    assert not torch.equal(synthetic_eyes(4, 32, 64, 1)[0], synthetic_eyes(4, 32, 64, 2)[0])


@pytest.mark.parametrize("count", [2, 250, 1000])
def test_532_of_1000_eyes_are_open(count: int) -> None:
    images, labels = synthetic_eyes(count, 8, 16, 0)
    assert images.dtype == torch.uint8
    assert images.shape == (count, 3, 8, 16)
    assert int(labels.sum()) == round(0.532 * count)


@pytest.mark.parametrize("size", [(24, 24), (32, 64), (17, 40)])
def test_any_image_size_can_be_drawn(size: tuple[int, int]) -> None:
    images, _ = synthetic_eyes(16, *size, seed=3)
    assert images.shape[2:] == size
    spread = images.float().flatten(1).std(1)
    assert float(spread.min()) > 1.0


def test_openness_never_contradicts_the_label() -> None:
    labels = torch.arange(4000) % 2
    openness = draw_openness(labels, torch.Generator().manual_seed(0))
    assert float(openness[labels == 1].min()) >= 0.34
    assert float(openness[labels == 0].max()) <= 0.06
    assert float((openness[labels == 0] > 0).float().mean()) == pytest.approx(0.15, abs=0.03)


def test_every_parameter_stays_in_its_range() -> None:
    parameters = draw_parameters(torch.ones(500, dtype=torch.int64), torch.Generator().manual_seed(0))
    for name, (low, high) in RANGES.items():
        assert low <= float(parameters[name].min()) <= float(parameters[name].max()) <= high, name


def test_an_open_eye_shows_more_contrast_inside_than_a_closed_one_but_mean_brightness_tells_little() -> None:
    images, labels = synthetic_eyes(1500, 32, 64, 0)
    brightness = images.float().mean((1, 2, 3))
    guess = (brightness > brightness.median()).long()
    accuracy = float((guess == labels).float().mean())
    assert max(accuracy, 1 - accuracy) < 0.62
    flat = images.float().mean(1)
    detail = (flat[:, :, 1:] - flat[:, :, :-1]).abs().amax((1, 2)) / flat.mean((1, 2))
    assert float(detail[labels == 1].mean()) > float(detail[labels == 0].mean())


def test_built_in_data_is_split_within_each_class() -> None:
    splits = load_eyes(EyesData(samples=500, image_size=(8, 16)), 42, None)
    assert splits.classes == ("closed", "open")
    assert (len(splits.train), len(splits.val)) == (400, 100)
    assert splits.val.labels is not None
    assert int(splits.val.labels.sum()) == 53
    assert torch.equal(splits.val.tensors["labels"], splits.val.labels)
    assert set(splits.train.names).isdisjoint(splits.val.names)
    assert "seed 42" in splits.notes[0]


def test_built_in_data_cannot_be_grouped() -> None:
    with pytest.raises(UserError, match="no path or column to group by"):
        load_eyes(EyesData(group_by="x"), 42, None)


def test_too_few_built_in_samples_are_refused() -> None:
    with pytest.raises(UserError, match="too few"):
        load_eyes(EyesData(samples=3), 42, None)
