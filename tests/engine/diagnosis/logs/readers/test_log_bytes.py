"""Bytes of logs: compression, cut ends, tables of columns, and whatever else a file may hold."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainctl.engine.diagnosis.logs.facts import read_facts
from trainctl.engine.diagnosis.logs.numbers import half_unit, half_units
from trainctl.engine.diagnosis.logs.readers import content
from trainctl.engine.diagnosis.logs.reading import parse_log, read_log
from trainctl.engine.errors import UserError

CSV = "step,loss,lr\n" + "".join(f"{step},{2 - step / 64:.6f},0.001\n" for step in range(20))


def columns(data: bytes) -> dict[str, list[float]]:
    return {series.name: series.values.tolist() for series in read_facts(parse_log(data, "log")).series}


def test_gzip_is_known_by_its_content_and_may_have_parts(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(gzip.compress(CSV[:100].encode()) + gzip.compress(CSV[100:].encode()))
    assert len(read_log(path).columns[0].values) == 20


def test_gzip_that_is_still_written_to_is_read_as_far_as_it_goes() -> None:
    text = "".join(f"loss: {1 / (1 + step):.6f}\n" for step in range(5000))
    found = columns(gzip.compress(text.encode())[:-400])["loss"]
    assert 100 < len(found) < 5000
    assert found[:2] == [1.0, 0.5]


def test_damaged_gzip_is_said_in_one_line() -> None:
    with pytest.raises(UserError, match="cannot be unpacked"):
        parse_log(b"\x1f\x8b" + b"\xff" * 60, "log")


def test_what_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "MOST_BYTES", 1000)
    with pytest.raises(UserError, match="larger than"):
        parse_log(gzip.compress(b"loss: 0.5\n" * 1000), "log")


@pytest.mark.parametrize(
    ("whole", "cut"),
    [
        ("loss: 0.5125\nloss: 0.4875\n", "loss: 0.4"),
        ("step,loss\n1,0.51250000\n2,0.48750000\n", "3,0.46"),
        ("step,loss\n1,0.51250000\n2,0.48750000\n", "3,4.6e"),
    ],
)
def test_a_last_figure_that_was_cut_short_is_left_out(whole: str, cut: str) -> None:
    assert columns((whole + cut).encode())["loss"] == [0.5125, 0.4875]


def test_a_last_figure_with_all_its_digits_counts_without_a_line_break() -> None:
    assert columns(b"loss: 0.5125\nloss: 0.4875")["loss"] == [0.5125, 0.4875]


def test_a_counter_that_was_cut_short_is_no_step() -> None:
    table = parse_log(b"step,loss\n98,0.5\n99,0.4\n1", "log")
    assert [step for step in table.steps.tolist() if step == step] == [98, 99]


def test_lines_before_the_header_are_no_table() -> None:
    head = "2026-01-02 10:11 - INFO - targets: a,b,c\n# seed 5\n"
    assert columns((head + CSV).encode())["loss"][:2] == [2.0, 1.984375]
    assert columns((head + "Epoch 1 loss: 0.5\nEpoch 2 loss: 0.25\n").encode()) == {"loss": [0.5, 0.25]}


def test_a_run_that_was_appended_with_other_names() -> None:
    table = parse_log(b"step,loss\n1,2.5\n2,2.25\nstep,acc,loss\n1,0.5,2.0\n", "log")
    assert {column.name: column.values.tolist() for column in table.columns} == {"loss": [2.5, 2.25, 2.0], "acc": [0.5]}
    assert table.columns[1].rows.tolist() == [2]
    assert table.steps.tolist() == [1, 2, 1]


@pytest.mark.parametrize(
    "text",
    [
        "Epoch   Train Loss   Valid Loss\n  1       2.5          2.25\n  2       1.5          1.25\n",
        "   epoch  Train Loss  Valid Loss\n0      1        2.50        2.25\n1      2        1.50        1.25\n",
        "| epoch | Train Loss | Valid Loss |\n|---|---|---|\n| 1 | 2.5 | 2.25 |\n| 2 | 1.5 | 1.25 |\n",
        "epoch , Train Loss , Valid Loss\n1 , 2.5 , 2.25\n2 , 1.5 , 1.25\n",
        "epoch;Train Loss;Valid Loss\n1;2,5;2,25\n2;1,5;1,25\n",
        "epoch  Train Loss  Valid Loss\n-----  ----------  ----------\n    1         2.5   2.25\n    2   1.5  1.25\n",
    ],
)
def test_tables_as_people_print_them(text: str) -> None:
    table = parse_log(text.encode(), "log")
    assert {column.name: column.values.tolist() for column in table.columns} == {
        "Train Loss": [2.5, 1.5],
        "Valid Loss": [2.25, 1.25],
    }
    assert [epoch for epoch in table.epochs.tolist() if epoch == epoch] == [1, 2]


def test_numbers_that_json_holds_as_text() -> None:
    assert columns(b'{"epoch": 1, "loss": "6.5", "host": "a1"}\n{"epoch": 2, "loss": "5.5", "host": "a1"}\n') == {
        "loss": [6.5, 5.5]
    }


def test_blocks_of_lines_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    text = CSV.replace(",0.001\n", ",\n", 3).encode()
    whole = parse_log(text, "log")
    monkeypatch.setattr(content, "BLOCK", 50)
    parts = parse_log(text, "log")
    assert parts.steps.tolist() == whole.steps.tolist()
    for one, other in zip(parts.columns, whole.columns, strict=True):
        assert one.values.tolist() == other.values.tolist()
        assert (one.rows.tolist(), one.lines.tolist()) == (other.rows.tolist(), other.lines.tolist())


def test_cells_that_are_more_than_a_number() -> None:
    found = columns(b"step,loss,acc,host,id\n1,tensor(0.5),50%,a,1_0\n2,0.25,60 %,b,2_0\n")
    assert found == {"loss": [0.5, 0.25], "acc": [50.0, 60.0]}


@given(st.lists(st.from_regex(r"[-+]?[0-9]{1,4}(\.[0-9]{0,6})?([eE][-+]?[0-9]{1,3})?", fullmatch=True), max_size=8))
def test_half_units_of_a_column_are_those_of_its_cells(texts: list[str]) -> None:
    values = np.array([float(text) for text in texts], np.float64)
    expected = [half_unit(text) if np.isfinite(value) else 0.0 for text, value in zip(texts, values, strict=True)]
    np.testing.assert_allclose(half_units(texts, values), expected, rtol=1e-12)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        assert parse_log(data, "log").num_values > 0
    except UserError as err:
        assert "\n" not in str(err)


LINES = ("epoch,loss\n", "1,0.5\n", "Epoch 1/9\n", "loss: 1e999\n", "| a/ | |\n", "| loss | 1 |\n", "-----\n", "val:\n")
MORE_LINES = (
    '{"a": {"loss": NaN}}\n',
    "[3] x-auc:0.5\r",
    "\x1f\x8b",
    "\ufeff",
    "\0",
    "loss 1,0\n",
    "acc: 5/9 (55%)\n",
    "'",
)


@given(st.lists(st.sampled_from(LINES + MORE_LINES), max_size=12), st.integers(0, 40))
def test_any_mixture_of_formats_is_read_or_refused(parts: list[str], cut: int) -> None:
    data = "".join(parts).encode()
    try:
        read_facts(parse_log(data[: max(len(data) - cut, 0)], "log"))
    except UserError as err:
        assert "\n" not in str(err)
