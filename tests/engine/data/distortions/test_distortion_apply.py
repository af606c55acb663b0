"""What holds for all 25 distortions at all levels."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from natural_crops import natural_crops

from trainctl.engine.data.distortions.apply import OPERATIONS, distort
from trainctl.engine.data.distortions.table import DISTORTIONS, LEVELS, Distortion

RANDOM = {
    "motion_blur",
    "colour_shift",
    "white_noise",
    "white_noise_ycbcr",
    "impulse_noise",
    "multiplicative_noise",
    "denoise",
    "jitter",
    "non_eccentricity_patch",
    "colour_block",
}

RISES_SOMEWHERE = {"colour_shift", "mean_shift", "contrast_change"}
"""Their opinion scores do not fall strictly with the level."""

every_distortion = pytest.mark.parametrize("row", DISTORTIONS, ids=lambda row: row.name)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def twins(n: int = 3) -> torch.Tensor:
    """`n` times the same picture."""
    return natural_crops(32, 32)[9:10].repeat(n, 1, 1, 1)


def errors(row: Distortion) -> list[float]:
    """Mean squared error over natural pictures at each level."""
    pictures = natural_crops(64, 64)[::2]
    distorted = [distort(pictures, row.number, level, generator()) for level in range(1, LEVELS + 1)]
    return [float((image - pictures).square().mean()) for image in distorted]


def test_every_number_leads_to_the_function_of_its_name() -> None:
    assert [operation.__name__ for operation in OPERATIONS] == [row.name for row in DISTORTIONS]


@every_distortion
@pytest.mark.parametrize("size", [(16, 16), (33, 47)])
@pytest.mark.parametrize("level", [1, LEVELS])
def test_the_result_is_a_picture_of_the_same_size_and_the_input_stays(
    row: Distortion, size: tuple[int, int], level: int
) -> None:
    pictures = natural_crops(*size)[:3].clone()
    before = pictures.clone()
    after = distort(pictures, row.number, level, generator())
    assert after.shape == before.shape and after.dtype == torch.float32
    assert after.min() >= 0 and after.max() <= 1
    assert torch.equal(pictures, before)
    assert after.data_ptr() != pictures.data_ptr()


@every_distortion
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_flat_pictures_stay_pictures(row: Distortion, value: float) -> None:
    after = distort(torch.full((1, 3, 16, 16), value), row.number, LEVELS, generator())
    assert after.isfinite().all() and after.min() >= 0 and after.max() <= 1


@every_distortion
def test_the_same_seed_gives_the_same_pictures(row: Distortion) -> None:
    first, second = (distort(twins(), row.number, 4, generator(5)) for _ in range(2))
    assert torch.equal(first, second)


@every_distortion
def test_pictures_of_a_batch_differ_by_chance_only_where_chance_is_meant(row: Distortion) -> None:
    first, second, third = distort(twins(), row.number, LEVELS, generator())
    differ = [not torch.equal(first, second), not torch.equal(second, third), not torch.equal(first, third)]
    assert differ == [row.name in RANDOM] * 3


@pytest.mark.parametrize("row", [row for row in DISTORTIONS if row.name in RANDOM], ids=lambda row: row.name)
def test_another_seed_gives_other_pictures(row: Distortion) -> None:
    first, second = (distort(twins(), row.number, LEVELS, generator(seed)) for seed in (1, 2))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("row", [row for row in DISTORTIONS if row.name not in RANDOM], ids=lambda row: row.name)
def test_a_picture_does_not_depend_on_its_neighbours(row: Distortion) -> None:
    pictures = natural_crops(32, 32)[:4]
    together = distort(pictures, row.number, 3, generator())
    alone = torch.cat([distort(picture[None], row.number, 3, generator()) for picture in pictures])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "row", [row for row in DISTORTIONS if row.name not in RISES_SOMEWHERE], ids=lambda row: row.name
)
def test_a_higher_level_is_farther_from_the_original(row: Distortion) -> None:
    found = errors(row)
    assert all(lower < higher for lower, higher in pairwise(found)), found


@pytest.mark.parametrize("number", [18, 25])
def test_level_three_of_mean_shift_and_contrast_is_the_original_and_the_others_move_away(number: int) -> None:
    assert torch.equal(distort(twins(), number, 3, generator()), twins())
    one, two, three, four, five = errors(DISTORTIONS[number - 1])
    assert one > two > three < four < five


@pytest.mark.parametrize(("number", "level"), [(0, 1), (26, 1), (1, 0), (1, 6)])
def test_an_unknown_distortion_or_level_is_refused(number: int, level: int) -> None:
    with pytest.raises(ValueError, match=f"got {number} at {level}"):
        distort(twins(1), number, level, generator())
