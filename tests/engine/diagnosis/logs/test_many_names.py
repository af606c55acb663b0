"""Logs of very many names: no header is too long, what is remembered is what is found anew, and the rest is named."""

from __future__ import annotations

import time

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.logs.course import training_loss, validation_loss
from trainctl.engine.diagnosis.logs.evidence import log_lines
from trainctl.engine.diagnosis.logs.facts import MOST_OF_A_KIND, LogFacts, read_facts
from trainctl.engine.diagnosis.logs.names import Kind
from trainctl.engine.diagnosis.logs.reading import parse_log

MANY = 4_000


def wide(count: int, rows: int = 12) -> LogFacts:
    """A loss, and a norm of each of many layers under a long name."""
    names = ["step", "train_loss", "val_loss", *(f"accuracy/layer_{k:05}" for k in range(count))]
    lines = [",".join(names)]
    lines += [",".join([str(row), f"{1 / (row + 1):.4f}", f"{1.1 / (row + 1):.4f}", *["0.5"] * count])
              for row in range(rows)]  # fmt: skip
    return read_facts(parse_log("\n".join(lines).encode(), "log.csv"))


def test_a_header_longer_than_any_field_may_be_keeps_its_names() -> None:
    log = wide(MANY)
    assert len(log.series) >= MANY + 2 and log.series[-1].name == f"accuracy/layer_{MANY - 1:05}"


def test_of_very_many_names_of_a_kind_the_first_are_judged_and_the_rest_is_named_as_not_judged() -> None:
    log = wide(MANY)
    started = time.process_time()
    report = diagnose(Evidence(log=log))
    assert time.process_time() - started < 10  # it grows with the square of what is judged
    assert len(log.of(Kind.RATE)) == MOST_OF_A_KIND and report.checked
    (named,) = [line for line in log_lines(log) if line.startswith("not judged")]
    assert f"and {MANY - MOST_OF_A_KIND - 8:d} more" in named
    few = wide(MOST_OF_A_KIND)
    assert len(few.of(Kind.RATE)) == MOST_OF_A_KIND
    assert not any(line.startswith("not judged") for line in log_lines(few))


def test_what_is_remembered_of_a_log_is_what_is_found_anew() -> None:
    log = wide(3)
    assert log.of(Kind.RATE) is log.of(Kind.RATE)
    assert log.of(Kind.RATE) == log.find((Kind.RATE,), None) != log.of(Kind.RATE, split="val")
    assert training_loss(log) is training_loss(log) and validation_loss(log) is not training_loss(log)
