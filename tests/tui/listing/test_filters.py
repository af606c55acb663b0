"""The language of the filter: what it finds, and what it says of a mistake."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from listed_runs import DAY_S, NOW, info

from trainctl.engine.errors import UserError
from trainctl.engine.runs.folder.trial import Trial
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Liveness
from trainctl.engine.runs.summary import Best
from trainctl.tui.charts.pyramid import Points
from trainctl.tui.listing.filters import parse_filter
from trainctl.tui.listing.listed import Course, Listed

RUNS = [
    Listed(info("a", seen=NOW - 3 * DAY_S)),
    Listed(info("b", state=RunState.RUNNING, liveness=Liveness.LIVE, best=Best("f1", 0.95, 2), seconds=60.0)),
    Listed(
        info("c-weld", preset="weld/warmup", task="weld", best=Best("srcc", 0.5, 1), trial=Trial("lr", 3)),
        Course(Points(np.empty(0), np.empty(0)), 0.05),
    ),
    Listed(info("d", state=RunState.RUNNING, liveness=Liveness.CRASHED, best=None, step=0)),
]
METRICS = ("f1", "srcc")


def found(text: str) -> str:
    """First letters of the runs it shows."""
    wanted = parse_filter(text, METRICS)
    return "".join(run.info.name[0] for run in RUNS if wanted.shows(run, NOW))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "abcd"),
        ("   ", "abcd"),
        ("weld", "c"),
        ("WELD", "c"),
        ("-weld", "abd"),
        ("balanced f1", "ab"),
        ("state:running", "b"),
        ("state:crashed", "d"),
        ("state:running,finished", "abc"),
        ("-state:finished", "bd"),
        ("preset:balanced", "abd"),
        ("preset=balanced", ""),
        ("preset=eyes/balanced", "abd"),
        ("preset!=eyes/balanced", "c"),
        ("task:weld", "c"),
        ("name:c-w", "c"),
        ("name:'c-weld'", "c"),
        ("study:lr", "c"),
        ("trial:3", "c"),
        ("trial<3", ""),
        ("f1>.9", "b"),
        ("f1>=0.9", "ab"),
        ("F1>=9e-1", "ab"),
        ("-f1>.9", "acd"),
        ("best<.9", "c"),
        ("metric:srcc", "c"),
        ("loss<.1", "c"),
        ("step:0", "d"),
        ("step>=100 -state:running", "ac"),
        ("age<2d", "bcd"),
        ("age>2d", "a"),
        ("age>1.5d", "a"),
        ("took<2min", "b"),
        ("took>=1h", "acd"),
        ("-", "abcd"),
        ("''", "abcd"),
    ],
)
def test_a_filter_finds(text: str, names: str):
    assert found(text) == names


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stat:running", "no field stat; did you mean state?"),
        ("accuracy>.9", "no field accuracy; fields: name, state"),
        ("f1>high", "high is no number"),
        ("f1>", "lacks a value"),
        ("state:", "state: lacks a value"),
        ("age<2", ""),
        ("age<2x", "2x is no time; as in age<90s"),
        ("age<d", "d is no time"),
        ("step>many", "many is no number"),
        ("state>running", "state is text; write state:running"),
        ("name:'a", "a quote is not closed"),
        ("f1>nan", "nan is no number"),
    ],
)
def test_a_mistake_is_said_in_a_line(text: str, said: str):
    if not said:
        parse_filter(text, METRICS)
        return
    with pytest.raises(UserError, match=said.replace("?", r"\?")) as caught:
        parse_filter(text, METRICS)
    assert "\n" not in str(caught.value)


def test_before_runs_are_known_any_name_may_be_a_metric():
    assert parse_filter("srcc>.4").tests and parse_filter("loss>1").asks_loss
    assert not parse_filter("-weld losses").asks_loss


@given(st.text(max_size=30))
def test_whatever_is_typed_is_a_filter_or_a_mistake_said(text: str):
    try:
        wanted = parse_filter(text, METRICS)
    except UserError as err:
        assert str(err)
    else:
        assert {wanted.shows(run, NOW) for run in RUNS} <= {True, False}


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-10, max_value=10))
def test_a_filter_and_its_negation_part_the_runs_that_have_a_figure(limit: float):
    below, rest = found(f"best<{limit!r}"), found(f"best>={limit!r}")
    with_best = "".join(r.info.name[0] for r in RUNS if r.info.best and not math.isnan(r.info.best.value))
    assert sorted(below + rest) == sorted(with_best)
