"""The words for where a value comes from."""

from __future__ import annotations

from typing import cast, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainctl.engine.config.sources import Kind, Source, parse_source


@given(st.sampled_from(get_args(Kind)), st.text())
def test_a_source_is_read_back_from_its_text(kind: str, where: str) -> None:
    source = Source(cast("Kind", kind), where)
    assert parse_source(str(source)) == source


@pytest.mark.parametrize("text", ["", "moon", "default (", "preset()"])
def test_other_text_is_no_source(text: str) -> None:
    with pytest.raises(ValueError, match="not a source"):
        parse_source(text)
