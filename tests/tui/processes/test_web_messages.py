"""What is sent to the server of the page is a message of the page, within bounds, or nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainctl.tui.processes.web_messages import LARGEST, Focused, Message, Pinged, Resized, Typed, read_message

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('["stdin", "a日"]', Typed("a日".encode())),
        ('["stdin", "\\ud800"]', Typed("\ufffd".encode())),
        ('["resize", {"width": 80, "height": 24}]', Resized(80, 24)),
        ('["resize", {"width": 1000000000, "height": -5}]', Resized(LARGEST, 2)),
        ('["ping", [1]]', Pinged([1])),
        ('["focus"]', Focused(True)),
        ('["blur", null]', Focused(False)),
    ],
)
def test_what_the_page_says_is_understood(text: str, message: Message) -> None:
    assert read_message(text) == message


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "{}", "[]", "3", "[" * 100_000, '["stdin"]', '["stdin", 3]', '["stdin", "a", "b"]', '["unknown"]'),
        *('["resize"]', '["resize", {}]', '["resize", {"width": "80", "height": 24}]', "[[]]", '["ping", Infinity]'),
        '["resize", {"width": 1e3, "height": 24}]',
        '["resize", {"width": 1' + "0" * 400 + ', "height": 24}]',
        "\ud800",
    ],
)
def test_what_the_page_would_not_say_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_message(text)


@given(JSON)
def test_anything_else_is_a_message_or_a_value_error(value: object) -> None:
    try:
        message = read_message(json.dumps(value))
    except ValueError:
        return
    assert isinstance(message, Typed | Resized | Pinged | Focused)
