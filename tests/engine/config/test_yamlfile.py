"""YAML with positions: the core schema, lines, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainctl.engine.config.yamlfile import (
    dump,
    format_value,
    parse_document,
    parse_value,
    read_document,
)
from trainctl.engine.errors import UserError

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"])),
)
KEYS = st.text("abc.\x85", min_size=1, max_size=4)
VALUES = st.recursive(
    SCALARS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=3),
    max_leaves=6,
)
FEW = settings(max_examples=60, deadline=None)


def refusal(text: str) -> str:
    with pytest.raises(UserError) as caught:
        parse_document(text, "my.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3e-4", 3e-4),
        ("1e-3", 1e-3),
        ("2.5E+3", 2500.0),
        (".9", 0.9),
        ("5.", 5.0),
        ("-7", -7),
        ("010", 10),
        ("0x1F", 31),
        (".inf", math.inf),
        ("-.inf", -math.inf),
        ("off", "off"),
        ("yes", "yes"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("true", True),
        ("null", None),
        ("~", None),
        ("'3e-4'", "3e-4"),
        ("[.9, .99]", [0.9, 0.99]),
        ("{a: 1e-2}", {"a": 1e-2}),
        ("", ""),
        ("[a-z", "[a-z"),
        ("a: b: c", "a: b: c"),
    ],
)
def test_values_follow_the_core_schema(text: str, value: Any) -> None:
    parsed = parse_value(text)
    assert parsed == value
    assert type(parsed) is type(value)


def test_nan_is_a_number() -> None:
    assert math.isnan(parse_value(".nan"))


@FEW
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_python_float_reads_as_the_same_number(value: float) -> None:
    assert parse_value(repr(value)) == value


@FEW
@given(st.dictionaries(KEYS, VALUES, max_size=3))
def test_dump_reads_back_to_equal_values_of_equal_types(values: dict[str, Any]) -> None:
    again = parse_document(dump(values), "dumped").values
    assert again == values
    assert repr(again) == repr(values)


@FEW
@given(VALUES)
def test_a_formatted_value_is_one_line_that_reads_back(value: Any) -> None:
    text = format_value(value)
    assert "\n" not in text
    assert parse_value(text) == value


def test_every_key_knows_its_line() -> None:
    document = parse_document("# note\noptimizer:\n  lr: 1\n\n  betas:\n    - 1\nseed: 2\n", "my.yaml")
    assert document.at(("optimizer", "lr")) == "my.yaml:3"
    assert document.at(("seed",)) == "my.yaml:7"
    assert document.at(("optimizer", "unset")) == "my.yaml:2"
    assert document.at(("absent",)) == "my.yaml"


def test_a_key_given_twice_names_both_lines() -> None:
    message = refusal("optimizer:\n  lr: 1\n  lr: 2\n")
    assert message == "my.yaml:3: key optimizer.lr given twice (first on line 2)"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [1\nb: 2\n", 2),
        ("a:\n\tb: 1\n", 2),
        ("a: 'open\n", 2),
        ("- 1\n- 2\n", 1),
        ("\njust text\n", 2),
        ("a: 1\nb: !!python/object:os.system x\n", 2),
        ("a: 1\nb: *nobody\n", 2),
        ("a: 1\nb: &b [*b]\n", 2),
        ("a: 1\n? [x]\n: 2\n", 2),
        ("a: 1\n---\nb: 2\n", 2),
        ("a: 1\nb: !!int x\n", 2),
    ],
)
def test_what_is_no_plain_mapping_is_refused_with_its_line(text: str, line: int) -> None:
    message = refusal(text)
    assert message.startswith(f"my.yaml:{line}:")
    assert "\n" not in message


def test_an_empty_file_sets_nothing() -> None:
    assert parse_document("# only a comment\n", "my.yaml").values == {}


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"file not found: .*absent\.yaml"):
        read_document(tmp_path / "absent.yaml")
    with pytest.raises(UserError, match="cannot read"):
        read_document(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"a: \xff\xfe")
    with pytest.raises(UserError, match="not UTF-8"):
        read_document(tmp_path / "binary.yaml")
