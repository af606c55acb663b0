"""Every message of the diagnosis is there in Chinese, and no entry of the tables outlives its English."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from english import ZH, in_vain, lacking, lines, messages, paragraphs

from trainctl.engine.languages.tables import Tables, digest, read_entries, read_tables

GAP = re.compile(r"\{#?(\d+)\*?\}")
MOST_SHOWN = 40


@pytest.fixture(scope="module")
def tables() -> Tables:
    return read_tables(ZH)


def test_every_message_has_an_entry(tables: Tables) -> None:
    missing = lines(lacking(tables))
    if missing:
        pytest.fail("\n".join(["add to engine/languages/zh, each with its translation below:", *missing[:MOST_SHOWN]]))


def test_every_entry_has_a_message(tables: Tables) -> None:
    assert in_vain(tables) == {}


def test_a_translation_has_no_gap_that_its_english_lacks() -> None:
    wrong = [
        f"{path.name}, line {line}: {english}"
        for path in ZH.glob("*.txt")
        for line, english, translated in read_entries(path)
        if not set(GAP.findall(translated)) <= set(GAP.findall(english))
    ]
    assert wrong == []


def test_a_translation_is_chinese(tables: Tables) -> None:
    """Names that are no words of English may stay: JSON lines, focal loss."""
    kept = {key for key, text in tables.phrases.items() if not re.search("[\u4e00-\u9fff]", text)}
    assert all(len(re.findall("[a-z]{2,}", key)) <= 2 for key in kept), sorted(kept)


def test_digests_tell_paragraphs_apart() -> None:
    assert max(Counter(digest(text) for text in paragraphs()).values()) == 1


def test_messages_are_read_out_of_the_sources() -> None:
    """A few of each kind: a plural, an optional ending, alternatives, a constant, a gap for a figure."""
    course, report = messages("course"), messages("report")
    assert "{#1} spike(s) of {2}{3}" in course and "not recovered from" in course
    assert {"{1} is exactly 0", "{1} are exactly 0"} <= set(course)
    assert "a tenth of the learning rate, a warmup, and clip the gradient" in course
    assert "{#1} check(s) in {#2} s" in report and "not checked" in report
    assert not any("docstring" in template or "re.compile" in template for template in course)
