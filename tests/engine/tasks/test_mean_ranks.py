"""Ranks with ties, against counting."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainctl.engine.tasks.mean_ranks import mean_ranks


@given(st.lists(st.sampled_from([-2.5, 0.0, 0.25, 1.0, 7.0]), max_size=12))
def test_a_rank_is_the_middle_of_those_that_equal_values_share(values: list[float]):
    below = [sum(other < value for other in values) for value in values]
    equal = [values.count(value) for value in values]
    expected = [less + (same + 1) / 2 for less, same in zip(below, equal, strict=True)]
    assert mean_ranks(np.array(values, np.float64)).tolist() == expected
