"""Several trainings in one log, and rows of a header that is missing: which rows are judged, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from courses import grave
from log_files import first_line

from trainctl.engine.diagnosis.logs.facts import LogFacts, read_facts
from trainctl.engine.diagnosis.logs.reading import parse_log

Course = Callable[[int], float]


def read(text: str) -> LogFacts:
    return read_facts(parse_log(text.encode(), "log"))


def falling(epoch: int) -> float:
    return 0.9 * 0.85**epoch


def overfitting(epoch: int) -> float:
    return 0.6 + 0.02 * epoch**2


def healthy(epoch: int) -> float:
    return 0.8 * 0.9**epoch


def as_rows(epochs: Iterable[int], validation: Course = healthy) -> str:
    return "".join(f"{epoch},{falling(epoch):.4f},{validation(epoch):.4f}\n" for epoch in epochs)


def as_lines(epochs: Iterable[int], validation: Course = healthy) -> str:
    return "".join(f"Epoch {epoch} loss {falling(epoch):.4f} val_loss {validation(epoch):.4f}\n" for epoch in epochs)


def as_bars(epochs: Iterable[int], validation: Course = healthy) -> str:
    line = "Epoch {0}/12\n63/63 [======] - 5s - loss: {1:.4f} - val_loss: {2:.4f}\n"
    return "".join(line.format(epoch, falling(epoch), validation(epoch)) for epoch in epochs)


def as_table(*parts: str) -> str:
    return "epoch,loss,val_loss\n" + "".join(parts)


@pytest.mark.parametrize("written", [as_rows, as_lines, as_bars])
def test_the_last_training_is_judged(written: Callable[..., str]) -> None:
    head = "epoch,loss,val_loss\n" * (written is as_rows)
    faulty, sound = written(range(1, 13), overfitting), written(range(1, 13))
    assert "R801" in grave(head + sound + faulty)
    assert not grave(head + faulty + sound)
    log = read(head + faulty + sound + sound)
    assert log.table.num_rows == 12
    assert log.table.notes == ("3 trainings one after the other; the last, epochs 1 to 12, is judged",)


def test_a_last_training_that_is_too_short_is_not_judged() -> None:
    log = read(as_table(as_rows(range(12)), as_rows(range(3))))
    assert log.table.num_rows == 12
    (note,) = log.table.notes
    assert (
        note == "2 trainings one after the other; number 1, epochs 0 to 11, is judged, as those after it are too short"
    )


def test_of_short_trainings_the_longest_is_judged() -> None:
    log = read(as_table(as_rows(range(4)), as_rows(range(3))))
    assert log.table.num_rows == 4
    assert log.table.notes == ("2 trainings one after the other; the longest, number 1, epochs 0 to 3, is judged",)


@pytest.mark.parametrize(
    "text",
    [
        as_table(as_rows(range(1, 21)), as_rows(range(15, 30))),
        as_lines([*range(1, 13), *range(9, 16)]),
        "".join(f"rank {rank} epoch {epoch} loss {falling(epoch)}\n" for epoch in range(12) for rank in range(4)),
        as_lines([1, 2, 1, 3, 2, 4, 3, 5, 4, 6, 5, 7]),
        "".join(f"{part} epoch {epoch} loss: 0.5\n" for part in ("train", "val") for epoch in range(12)),
        "".join(f"epoch {epoch} step {step} loss {falling(epoch)}\n" for epoch in range(4) for step in range(0, 50, 5)),
    ],
    ids=first_line,
)
def test_what_is_one_training(text: str) -> None:
    log = read(text)
    assert not log.table.notes
    assert sum(len(one.values) for one in log.series) >= text.count("loss ")


def test_steps_that_begin_anew_within_epochs_go_on() -> None:
    line = "step {0} loss {1:.4f}\n"
    steps = range(0, 100, 5)
    within = "".join(line.format(step, 2 / (1 + step / 50 + 4 * part)) for part in range(4) for step in steps)
    anew = "".join(line.format(step, 2 / (1 + step / 50)) for _ in range(3) for step in steps)
    assert not read(within).table.notes
    assert read(anew).table.notes == ("3 trainings one after the other; the last, steps 0 to 95, is judged",)


def test_rows_of_a_missing_header_are_left_out_and_said() -> None:
    wide = "".join(f"{epoch},0.0,0.5,0.5,0.25\n" for epoch in range(4))
    log = read(as_table(as_rows(range(12)), wide))
    assert log.table.num_rows == 12
    assert log.table.notes == (
        "4 of 16 rows are left out: they have 5 cells under a header of 3",
        "the newest rows are of another header, which is missing: it has to stand above them",
    )
    assert read(as_table(as_rows(range(12)))).table.notes == ()


def test_wide_rows_before_the_newest_ask_for_no_header() -> None:
    log = read(as_table(as_rows(range(6)), "6,0.5,0.5,0.5\n", as_rows(range(7, 12))))
    assert log.table.notes == ("1 of 12 rows are left out: they have 4 cells under a header of 3",)


def test_cells_behind_the_last_name_that_are_empty_are_none() -> None:
    log = read("epoch,loss,val_loss\n" + "".join(f"{epoch},0.5,0.5,\n" for epoch in range(8)))
    assert log.table.notes == ()
