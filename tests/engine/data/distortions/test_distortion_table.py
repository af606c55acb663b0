"""The table of KADID-10k's distortions."""

from __future__ import annotations

from itertools import pairwise

import pytest

from trainctl.engine.data.distortions.table import BEST, DISTORTIONS, LEVELS, WORST


def test_there_are_25_distortions_in_the_order_of_their_numbers() -> None:
    assert [row.number for row in DISTORTIONS] == list(range(1, 26))
    assert len({row.name for row in DISTORTIONS}) == 25


def test_every_level_has_its_own_strength_and_an_opinion_on_the_scale() -> None:
    for row in DISTORTIONS:
        assert len(set(row.strengths)) == len(row.opinions) == LEVELS
        assert all(WORST <= opinion <= BEST for opinion in row.opinions)


def test_scores_run_from_zero_to_one() -> None:
    assert all(0 <= row.score(level) <= 1 for row in DISTORTIONS for level in range(1, LEVELS + 1))
    assert DISTORTIONS[0].score(1) == pytest.approx((4.61 - 1) / 4)
    assert DISTORTIONS[0].score(5) == pytest.approx((1.30 - 1) / 4)


def test_opinions_fall_with_the_level_but_for_three_distortions() -> None:
    rising = {row.name: [a < b for a, b in pairwise(row.opinions)] for row in DISTORTIONS}
    assert {name: rises for name, rises in rising.items() if any(rises)} == {
        "colour_shift": [False, False, False, True],
        "mean_shift": [True, True, False, False],
        "contrast_change": [True, True, False, False],
    }


def test_only_mean_shift_and_contrast_have_a_level_that_does_nothing() -> None:
    idle = {row.name for row in DISTORTIONS if row.strengths[2] == 0}
    assert idle == {"mean_shift", "contrast_change"}


def test_strengths_run_one_way() -> None:
    for row in DISTORTIONS:
        assert list(row.strengths) in (sorted(row.strengths), sorted(row.strengths, reverse=True)), row.name
