"""Every word for where a run stands has a symbol, and a meaning unless nothing is known yet."""

from __future__ import annotations

from trainctl.engine.runs.states import RunState
from trainctl.tui.words.runs import SEVERITY_WORDS, SYMBOLS
from trainctl.tui.words.styles import SEVERITIES, SHADES


def test_every_state_is_a_word_of_the_list() -> None:
    assert {str(state) for state in RunState} <= set(SYMBOLS)


def test_every_word_but_the_first_has_a_meaning_that_both_tables_colour() -> None:
    assert set(SYMBOLS) - set(SEVERITY_WORDS) == {"starting"}
    assert set(SEVERITY_WORDS.values()) <= set(SEVERITIES) & set(SHADES)
