"""A template is found in its texts, and in no others; a hostile text takes no longer than a long one."""

from __future__ import annotations

import time

import pytest

from trainctl.engine.languages.templates import Template, templates_of


def only(english: str) -> Template:
    (found,) = templates_of(english)
    return found


@pytest.mark.parametrize(
    ("english", "text", "gaps"),
    [
        ("{1} rose from {#2} to {#3}", "val loss rose from 0.2 to 1.4e+03", {1: "val loss", 2: "0.2", 3: "1.4e+03"}),
        ("{#1} of {#2} samples", "1,234 of 5,000 samples", {1: "1,234", 2: "5,000"}),
        ("{1} ({#2} of it)", "loss (x) (12% of it)", {1: "loss (x)", 2: "12%"}),
        ("{1} of {#2} rows", "sum of a of 3 rows", {1: "sum of a", 2: "3"}),
        ("{1}: {#2} training", "split: 10% of all: 3 training", {1: "split: 10% of all", 2: "3"}),
        ("{1} {#2}", "a 1 b 2", {1: "a 1 b", 2: "2"}),
        ("it stands{1}", "it stands, for a while", {1: ", for a while"}),
        ("it stands{1}", "it stands", {1: ""}),
        ("{#1} drawn{2} with seed {3}", "6000 drawn with seed 42", {1: "6000", 2: "", 3: "42"}),
        ("no {1} is named", "no loss of 'ce' is named", {1: "loss of 'ce'"}),
    ],
)
def test_what_stands_in_the_gaps(english: str, text: str, gaps: dict[int, str]) -> None:
    assert only(english).match(text) == gaps


@pytest.mark.parametrize(
    ("english", "text"),
    [
        ("{1} rose from {#2} to {#3}", "loss rose from 0.2 to the top"),
        ("{#1} rows", "many rows"),
        ("it stands{1}", "it standstill"),
        ("sampler (no order{1})", "sampler (no order), collapse (cosine 1)"),
        ("{1} is {#2}", ""),
    ],
)
def test_another_text_is_none_of_it(english: str, text: str) -> None:
    assert only(english).match(text) is None


def test_a_plural_may_be_there_or_not() -> None:
    one, many = templates_of("{#1} check(s) in {#2} s")
    assert one.match("1 check in 0.1 s") == {1: "1", 2: "0.1"}
    assert many.match("12 checks in 0.1 s") == {1: "12", 2: "0.1"}
    assert one.match("12 checks in 0.1 s") is None


def test_gaps_that_touch_share_what_stands_there() -> None:
    template = only("{1}{2} stands at {#3}")
    assert template.touching == [(1, 2)]
    assert template.match("loss, times 2 stands at 4") == {1: "", 2: "loss, times 2", 3: "4"}


def test_a_hostile_text_is_soon_left() -> None:
    template = only("{1} a {2} b {3} c {4} d {5} e {6} f {#7}")
    text = "x " + "a b c d e " * 20_000
    began = time.perf_counter()
    assert template.match(text) is None
    assert time.perf_counter() - began < 1.0
