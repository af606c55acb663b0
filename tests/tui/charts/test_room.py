"""How a column of panels shares its rows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trainctl.tui.charts.room import Demand, num_fitting, shared_rows

demands = st.lists(st.builds(Demand, st.integers(1, 12), st.integers(0, 30), st.integers(0, 6)), min_size=1, max_size=8)


@given(demands, st.integers(1, 80))
def test_the_rows_are_all_given_and_nobody_has_less_than_its_least(asked: list[Demand], height: int):
    rows = shared_rows(asked, height)
    first = num_fitting(asked, height)
    assert len(rows) == len(asked)
    assert all(have >= demand.least for have, demand in zip(rows, asked, strict=True))
    used = sum(rows[:first])
    if first == 1 or any(demand.weight for demand in asked[:first]):
        assert used == max(height, asked[0].least)
    else:
        assert used <= height, "nobody has a use for the rest"


@given(demands, st.integers(1, 80))
def test_what_has_no_use_for_more_gets_no_more_while_others_do(asked: list[Demand], height: int):
    page = asked[: num_fitting(asked, height)]
    if any(demand.weight for demand in page):
        for have, demand in zip(shared_rows(asked, height), page, strict=False):
            assert demand.weight or have <= demand.comfortable or len(page) == 1


def test_a_small_screen_holds_health_in_two_rows_the_loss_and_the_validation():
    health, loss, validation, gradients = Demand(4, 4), Demand(6, 14, 6), Demand(6, 8, 3), Demand(6, 0, 2)
    assert shared_rows([health, loss, validation, gradients], 20) == [4, 9, 7, 6]


def test_health_takes_what_it_needs_and_the_log_the_rest():
    assert shared_rows([Demand(4, 11), Demand(5, 8), Demand(6, 0, 2)], 36) == [11, 8, 17]
