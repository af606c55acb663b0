"""Rows that say in a word of which part of the training, or of which figure, their values are."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from courses import grave

from trainctl.engine.diagnosis.logs.facts import LogFacts, read_facts
from trainctl.engine.diagnosis.logs.names import Kind
from trainctl.engine.diagnosis.logs.reading import parse_log

Row = dict[str, str | float]
EPOCHS = 16


def read(text: str) -> LogFacts:
    return read_facts(parse_log(text.encode(), "log"))


def learning(epoch: int) -> float:
    return 2 * 0.85**epoch


def held_out(epoch: int) -> float:
    return 0.2 + 2 * 0.87**epoch


def overfitting(epoch: int) -> float:
    return 1.2 - 0.1 * min(epoch, 5) + 0.1 * max(epoch - 5, 0)


def as_json(rows: list[Row]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def as_csv(rows: list[Row]) -> str:
    return "\n".join([",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]) + "\n"


def in_parts(name: str, words: tuple[str, str], validation: Callable[[int], float]) -> list[Row]:
    courses = ((words[0], learning), (words[1], validation))
    return [
        {name: word, "epoch": k, "lr": 0.1, "loss": round(course(k), 4)}
        for k in range(EPOCHS)
        for word, course in courses
    ]


@pytest.mark.parametrize("written", [as_json, as_csv])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("phase", ("train", "val")),
        ("split", ("training", "test")),
        ("mode", ("train", "eval")),
        ("Set", ("Train", "Dev")),
    ],
)
def test_a_word_says_the_part(written: Callable[[list[Row]], str], name: str, words: tuple[str, str]) -> None:
    healthy, faulty = (written(in_parts(name, words, course)) for course in (held_out, overfitting))
    log = read(healthy)
    assert {one.name for one in log.of(Kind.TOTAL)} == {"loss (train)", "loss (val)"} or words[1] == "test"
    assert [len(one.values) for one in log.of(Kind.TOTAL)] == [EPOCHS, EPOCHS]
    assert [len(one.values) for one in log.of(Kind.LR)] == [2 * EPOCHS]
    assert not grave(healthy)
    assert "R801" in grave(faulty)


def test_words_that_say_no_part_divide_nothing() -> None:
    rows: list[Row] = [{"kind": kind, "epoch": k, "loss": 0.9**k} for k in range(8) for kind in ("train", "checkpoint")]
    assert [len(one.values) for one in read(as_json(rows)).of(Kind.TOTAL)] == [16]


@pytest.mark.parametrize("written", [as_json, as_csv])
@pytest.mark.parametrize("name", ["metric", "tag", "name", "key"])
def test_a_word_says_the_figure(written: Callable[[list[Row]], str], name: str) -> None:
    def rows(validation: Callable[[int], float]) -> list[Row]:
        told = (("train/loss", learning), ("val/loss", validation))
        return [{"step": k, name: word, "value": round(of(k), 4)} for k in range(EPOCHS) for word, of in told]

    log = read(written(rows(held_out)))
    assert [(one.name, one.meaning.split) for one in log.of(Kind.TOTAL)] == [
        ("train/loss", "train"),
        ("val/loss", "val"),
    ]
    assert not grave(written(rows(held_out)))
    assert "R801" in grave(written(rows(overfitting)))


def test_the_figure_and_the_part_may_both_be_said() -> None:
    rows: list[Row] = [
        {"epoch": k, "split": split, "metric": name, "value": 0.5 + 0.01 * k}
        for k in range(6)
        for split in ("train", "val")
        for name in ("loss", "accuracy")
    ]
    assert {(one.name, len(one.values)) for one in read(as_csv(rows)).series} == {
        (f"{name} ({split})", 6) for split in ("train", "val") for name in ("loss", "accuracy")
    }
