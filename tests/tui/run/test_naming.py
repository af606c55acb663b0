"""Names by which runs are told apart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trainctl.tui.run.names import short_names

A, B, C = (
    "20260101-120000-eyes-balanced-00aa",
    "20260101-120001-eyes-balanced-00bb",
    "20260101-120002-eyes-aggressive-00cc",
)


def test_a_run_alone_is_called_by_its_preset():
    assert short_names([A]) == ["balanced"]


def test_two_runs_of_one_preset_are_told_apart_by_their_identity():
    assert short_names([A, B, C]) == ["balanced-00aa", "balanced-00bb", "aggressive"]


def test_presets_of_one_name_are_told_apart_by_their_task():
    assert short_names([A, "20260101-120000-weld-balanced-00dd"]) == ["eyes-balanced", "weld-balanced"]


def test_a_run_called_otherwise_keeps_its_name():
    assert short_names(["my-best", A]) == ["my-best", "balanced"]
    assert short_names(["baseline", A]) == ["baseline", "balanced"]


RUN_NAMES = st.builds(
    "{}-{}-{}".format,
    st.sampled_from(["20260101-120000", "20260102-120000"]),
    st.sampled_from(["eyes-balanced", "weld-balanced", "balanced", "a-b-c"]),
    st.sampled_from(["00aa", "00bb"]),
)


@given(st.lists(RUN_NAMES | st.sampled_from(["mine", "balanced", "eyes-balanced-00aa"]), unique=True, max_size=7))
def test_short_names_are_never_the_same(names: list[str]):
    short = short_names(names)
    assert len(set(short)) == len(names)


@given(st.lists(RUN_NAMES, unique=True, max_size=7))
def test_a_short_name_is_part_of_the_name_and_finds_it_on_the_command_line(names: list[str]):
    for name, short in zip(names, short_names(names), strict=True):
        assert short in name
