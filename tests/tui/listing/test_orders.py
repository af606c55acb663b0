"""The order of the list: every column, both ways, pins and studies."""

from __future__ import annotations

from dataclasses import replace

import pytest
from listed_runs import NOW, info

from trainctl.engine.runs.folder.trial import Trial
from trainctl.engine.runs.index import RunInfo
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Liveness
from trainctl.engine.runs.summary import Best
from trainctl.tui.listing.listed import Listed
from trainctl.tui.listing.orders import VALUES, Order, study_words

A = info("a", best=Best("f1", 0.5, 1), step=3, started=NOW - 30, seconds=5.0)
B = info("b", best=Best("f1", 0.9, 1), step=2, started=NOW - 20, seconds=9.0, trial=Trial("s", 2))
C = info("c", best=None, step=1, started=NOW - 10, seconds=7.0, state=RunState.RUNNING, liveness=Liveness.LIVE)


def names(order: Order, *infos: RunInfo, pinned: str = "") -> str:
    runs = [Listed(one, is_pinned=one.name in pinned) for one in (infos or (A, B, C))]
    return "".join(run.info.name for run in order.sorted(runs))


@pytest.mark.parametrize(
    ("column", "expected", "inverted"),
    [
        ("age", "cba", "abc"),
        ("run", "abc", "cba"),
        ("best", "bac", "abc"),
        ("step", "abc", "cba"),
        ("took", "bca", "acb"),
        ("state", "cba", "bac"),
        ("study", "bca", "bca"),
    ],
)
def test_each_column_has_an_order_and_its_inverse(column: str, expected: str, inverted: str):
    assert names(Order(column)) == expected
    assert names(Order(column, is_inverted=True)) == inverted


def test_of_a_loss_the_lower_is_the_better():
    low, high = replace(A, best=Best("loss", 0.1, 1)), replace(B, best=Best("loss", 0.2, 1))
    assert names(Order("best"), high, low) == "ab"


@pytest.mark.parametrize("column", VALUES)
def test_what_has_no_value_comes_last_and_pinned_runs_first(column: str):
    for is_inverted in (False, True):
        assert names(Order(column, is_inverted), pinned="a")[0] == "a"


def test_trials_of_a_study_stand_together_under_its_name():
    other = replace(A, name="d", trial=Trial("s", 1), best=Best("f1", 0.95, 1))
    groups = Order("study", by_study=True).grouped([Listed(one) for one in (A, B, C, other)])
    assert [(name, [run.info.name for run in runs]) for name, runs in groups] == [("", ["c", "a"]), ("s", ["d", "b"])]
    assert study_words(groups[1][1]) == "2 trials, best f1 0.95"
    assert study_words([Listed(C)]) == "1 trial"
