"""Lines of a layout that was seen before are taken apart as any other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trainctl.engine.diagnosis.logs.facts import read_facts
from trainctl.engine.diagnosis.logs.readers.layouts import Lexer
from trainctl.engine.diagnosis.logs.readers.lexing import lex
from trainctl.engine.diagnosis.logs.reading import parse_log

PIECES = (
    "epoch 1",
    "12:30:05",
    "2026-01-02",
    "loss=0.5",
    "nan",
    "inf",
    "-1e-05",
    "1,234",
    "acc@5",
    "valid_0's",
    "a.py:12",
)
PIECES_MORE = (
    " ",
    "\t",
    "'",
    "\x1b[0m",
    "\r",
    "|",
    "10%|█| 1/9",
    "٣",
    "：",
    "node3: ",
    "# 5",
    "tensor(2.5)",
    "[7]",
    "x",
)


@given(st.lists(st.sampled_from(PIECES + PIECES_MORE), max_size=8), st.permutations("0123456789"))
def test_a_remembered_layout_changes_nothing(pieces: list[str], digits: list[str]) -> None:
    lexer = Lexer()
    line = "".join(pieces)
    other = line.translate(str.maketrans("0123456789", "".join(digits)))
    for text in (line, line, line, other, line):
        fast, slow = lexer.lex(text), lex(text)
        assert (fast.template, fast.numbers, fast.indent) == (slow.template, slow.numbers, slow.indent)


@given(st.lists(st.tuples(st.floats(-1e9, 1e9), st.floats(0, 1)), min_size=2, max_size=12), st.sampled_from("efg"))
def test_printed_values_are_read_back_exactly(rows: list[tuple[float, float]], form: str) -> None:
    printed = [[format(value, f".5{form}") for value in row] for row in rows]
    for text in (
        "".join(
            f"2026-01-02 10:11:12 loop.py:7] epoch {k} | loss: {a} | lr = {b}\n" for k, (a, b) in enumerate(printed)
        ),
        "epoch,loss,lr\n" + "".join(f"{k},{a},{b}\n" for k, (a, b) in enumerate(printed)),
        "".join(f'{{"epoch": {k}, "loss": {float(a)!r}, "lr": {float(b)!r}}}\n' for k, (a, b) in enumerate(printed)),
    ):
        loss, rate = read_facts(parse_log(text.encode(), "log")).series
        assert loss.values.tolist() == [float(a) for a, _ in printed]
        assert rate.values.tolist() == [float(b) for _, b in printed]
