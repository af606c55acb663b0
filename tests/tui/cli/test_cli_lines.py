"""How records and events become lines: folded where there is little room, and the same words everywhere."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from trainctl.engine.runs.events import Event, EventKind
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Status
from trainctl.tui.cli.live.block import live_block
from trainctl.tui.cli.live.lines import LEAST_WIDTH, class_line, event_line, fold
from trainctl.tui.words.events import event_words
from trainctl.tui.words.verdict import Severity

METRICS = {"loss": 0.25, "accuracy": 0.8, "precision": 0.75, "recall": 0.9373, "f1": 0.8277, "auroc": 0.8865}


def event(kind: EventKind, **data: object) -> Event:
    return Event(kind, 7, 0.0, data)


@given(st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), max_size=200), st.integers(1, 120))
def test_folding_keeps_to_the_width_and_loses_nothing(text: str, width: int) -> None:
    lines = fold(text, width)
    if width >= LEAST_WIDTH:
        assert all(cell_len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_figures_that_do_not_fit_continue_under_the_first_figure() -> None:
    line = event_line(event(EventKind.VALIDATION, epoch=3, raw=METRICS, ema=METRICS, best=True))
    assert line is not None
    assert fold(line[1], 60) == [
        "epoch 3  val    loss 0.25  accuracy 0.8  precision 0.75",
        "                recall 0.9373  f1 0.8277  auroc 0.8865",
        "                ema: loss 0.25  accuracy 0.8  precision 0.75",
        "                recall 0.9373  f1 0.8277  auroc 0.8865",
        "                (best so far)",
    ]
    assert fold(line[1], 500) == [line[1]]


@pytest.mark.parametrize(
    ("made", "severity", "words"),
    [
        (
            event(EventKind.EPOCH, epoch=2, train={"loss": 0.5, "bce": 0.5}, samples_per_s=1234.5, seconds=61.0),
            Severity.NOTE,
            "epoch 2  train  loss 0.5  1234 samples/s  in 1 min 1 s",
        ),
        (
            event(EventKind.EPOCH, epoch=2, train={"loss": 0.5, "a": 0.4, "b": 0.1}),
            Severity.NOTE,
            "epoch 2  train  loss 0.5  a 0.4  b 0.1",
        ),
        (event(EventKind.VALIDATION, epoch=1, raw={"f1": None}), Severity.NOTE, "epoch 1  val    f1 nan"),
        (event(EventKind.COMMAND, verb="set", effect="lr 1 -> 2"), Severity.OK, "set: lr 1 -> 2 (step 7)"),
        (event(EventKind.COMMAND, verb="set", effect="refused: no"), Severity.WARNING, "! set: refused: no (step 7)"),
        (event(EventKind.NONFINITE, text="loss is NaN"), Severity.ERROR, "× loss is NaN"),
        (event(EventKind.NOTE, text="2 files skipped"), Severity.NOTE, "note: 2 files skipped"),
        (event(EventKind.RESUME, from_step=9, dropped=0), Severity.NOTE, "resumed after step 9"),
        (
            event(EventKind.RESUME, from_step=9, dropped=3),
            Severity.NOTE,
            "resumed after step 9  3 later steps had no checkpoint and are taken again",
        ),
        (event(EventKind.END, state="failed", exit_reason="disk full"), Severity.ERROR, "× failed: disk full"),
    ],
)
def test_an_event_is_a_line(made: Event, severity: Severity, words: str) -> None:
    assert event_line(made) == (severity, words)


@pytest.mark.parametrize("kind", EventKind)
def test_every_event_has_words_even_with_little_data(kind: EventKind) -> None:
    assert event_words(event(kind, text="said"))[1]


def record(layout: RecordLayout, counts: tuple[int, ...]) -> np.void:
    out = np.zeros(1, layout.dtype)
    out["step"], out["epoch"], out["loss"], out["lr"], out["classes"] = 30, 2, 1.5, 1e-3, counts
    return out[0]


def test_few_classes_keep_their_order_and_of_many_the_most_frequent_come_first() -> None:
    two = RecordLayout(terms=("ce",), classes=("closed", "open"))
    assert class_line(record(two, (3, 9)), two) == "closed 3  open 9"
    assert class_line(record(two, (0, 9)), two) == "open 9  1 missing"
    many = RecordLayout(terms=("ce",), classes=tuple("abcdefghijkl"))
    shown = class_line(record(many, (1, 1, 1, 1, 1, 1, 9, 1, 1, 1, 1, 0)), many)
    assert shown.startswith("g 9  ")
    assert shown.endswith("+3 more  1 missing")


STATUS = Status(
    state=RunState.RUNNING,
    pid=1,
    host="h",
    step=30,
    epoch=2,
    epochs=4,
    total_steps=80,
    started=0.0,
    heartbeat=0.0,
    steps_per_s=12.5,
    samples_per_s=800.0,
    eta_s=125.0,
    device="cpu",
    preset="p",
)


def block(width: int, encoding: str = "utf-8") -> list[str]:
    layout = RecordLayout(terms=("ce", "size"), classes=("closed", "open"))
    lines = live_block(STATUS, layout, record(layout, (30, 34)), width, encoding)
    return ["".join(text for text, _ in line) for line in lines]


def test_the_live_block_shows_everything_aligned() -> None:
    assert block(80) == [
        f"running  epoch 2/4  {'━' * 16}{'╌' * 16}  step 30/80  ETA 2 min 5 s",
        "  loss    total 1.5  ce 0  size 0",
        "  step    lr 0.001  grad norm 0  12.5 steps/s  800 samples/s",
        "  batch   closed 30  open 34",
    ]


@pytest.mark.parametrize("width", [1, 5, 19, 20, 30, 40, 60, 79, 80, 120, 300])
def test_the_live_block_is_narrower_than_the_terminal(width: int) -> None:
    if width >= LEAST_WIDTH + 1:
        assert max(map(cell_len, block(width))) < width
    assert "running"[: max(width - 1, 1)] in block(width)[0]


def test_the_bar_needs_no_characters_the_terminal_lacks() -> None:
    assert block(80, "ascii")[0].isascii()
    assert block(80, "no such encoding")[0].isascii()


def test_a_run_without_a_speed_yet_has_no_figure_for_it() -> None:
    layout = RecordLayout(terms=("ce",), classes=("closed", "open"))
    young = dataclasses.replace(STATUS, steps_per_s=0.0, samples_per_s=0.0, eta_s=None)
    lines = live_block(young, layout, record(layout, (1, 1)), 80, "utf-8")
    text = "\n".join("".join(text for text, _ in line) for line in lines)
    assert "steps/s" not in text
    assert "ETA -" in text
    assert "  loss    ce 0" in text
