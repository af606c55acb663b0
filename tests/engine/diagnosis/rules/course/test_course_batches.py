"""What a log says of its batches: one class in each, a term of the last sample, a loss of equal embeddings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from courses import epochs, falling, found, grave, noise, steps
from log_files import Row

from trainctl.engine.diagnosis.finding import Confidence, Severity
from trainctl.engine.diagnosis.logs.batches import told_batch_size
from trainctl.engine.diagnosis.logs.facts import read_facts
from trainctl.engine.diagnosis.logs.reading import parse_log

RANDOM = np.random.default_rng(3)
SIZES = RANDOM.integers(8, 110, 120)
"""Utterances of the last dialogue of each batch."""


def counted(rows: list[dict[str, int]], **columns: Any) -> list[Row]:
    """Rows by step that count the classes of their batch."""
    named = [{f"classes.{name}": count for name, count in row.items()} for row in rows]
    return [{**row, **more} for row, more in zip(steps(**columns), named, strict=True)]


def drawn(shares: tuple[float, ...], size: int, count: int = 100) -> list[dict[str, int]]:
    """Batches drawn at random from classes with these shares."""
    table = np.random.default_rng(5).multinomial(size, shares, count)
    return [dict(zip("abcdefghijkl", row.tolist(), strict=False)) for row in table]


def test_batches_of_the_only_class_that_is_ever_seen_are_found_before_the_loss_is_blamed() -> None:
    rows = counted(
        [{"good": 16, "bad": 0, "worse": 0}] * 100, supcon=math.log(15) + noise(100, 1e-4), batch_size=[16] * 100
    )
    told = found(rows)
    assert told["D101"].primary and told["D101"].severity is Severity.ERROR
    assert told["D101"].confidence is Confidence.PROVEN
    assert "all 100 batches hold only 'good'" in told["D101"].summary and "2.7081" in told["D101"].why
    assert told["K401"].consequence_of == "D101"


def test_batches_of_one_class_each_are_found_though_all_classes_come() -> None:
    one_each = [{"cat": 8 * (k % 2), "dog": 8 * ((k + 1) % 2)} for k in range(60)]
    told = found(counted(one_each, loss=falling(60)))
    assert "60 of 60 batches hold one class" in told["D101"].summary
    assert "negatives" not in told["D101"].why


@pytest.mark.parametrize(
    ("shares", "size"),
    [((0.5, 0.5), 16), ((0.99, 0.01), 16), ((0.95, 0.05), 4), ((1 / 12,) * 12, 2), ((0.6, 0.4), 3)],
    ids=["even", "rare class", "small batches", "pairs of twelve", "threes"],
)
def test_batches_that_chance_explains_are_no_fault(shares: tuple[float, ...], size: int) -> None:
    assert "D101" not in found(counted(drawn(shares, size), loss=falling(100)))


def test_counts_of_something_else_are_not_taken_for_classes() -> None:
    rows = steps(loss=falling(60), num_classes=[1.0] * 60)
    assert "D101" not in found(rows)
    shares = [{**row, "classes.a": 1.0, "classes.b": 0.25} for row in rows]
    assert "D101" not in found(shares)


def jumping(*, of_last: bool = True) -> list[Row]:
    """A reconstruction that is the sum over the last dialogue of each batch, or the mean over all of them."""
    level = falling(120, 400.0)
    recon = level * (SIZES if of_last else 1.0) * np.exp(noise(120, 0.02))
    nll = falling(120) * np.exp(noise(120, 0.02, 1))
    columns = {"units": 1600 + RANDOM.integers(-200, 200, 120), "units.last": SIZES}
    return steps(loss=nll + 0.05 * recon, **{"term.nll": nll, "term.encoder": recon}, **columns)


def test_a_term_of_the_last_sample_follows_its_size() -> None:
    finding = found(jumping())["C313"]
    assert finding.primary and finding.severity is Severity.ERROR
    assert finding.summary.startswith("term.encoder follows units.last")
    assert float(finding.figures["by_last.term.encoder"]) > 0.95
    assert abs(float(finding.figures.get("by_last.term.nll", 0.0))) < 0.5


def test_a_mean_over_the_batch_does_not() -> None:
    assert "C313" not in found(jumping(of_last=False))


def test_a_sum_over_the_whole_batch_is_none_of_its_last_sample() -> None:
    """Batches of one dialogue: what is the last is the whole."""
    rows = [{**row, "units": row["units.last"]} for row in jumping()]
    assert "C313" not in found(rows)


def test_without_a_count_of_the_last_sample_nothing_is_said() -> None:
    rows = [{name: value for name, value in row.items() if not name.startswith("units")} for row in jumping()]
    assert "C313" not in found(rows)


@pytest.mark.parametrize("value", [math.log(15), 2.7081, 2.708])
def test_a_loss_of_any_name_at_what_equal_embeddings_give_is_told_where_the_batch_is_known(value: float) -> None:
    rows = epochs(**{"Training Loss": [round(value, 4)] * 8})
    finding = found(rows, batch_size=16)["K401"]
    assert finding.primary and "ln(16−1) = 2.7081" in finding.summary
    assert "K401" not in found(rows) and "K401" not in found(rows, batch_size=32)


def test_a_loss_that_passes_there_or_stands_near_it_is_another_matter() -> None:
    assert "K401" not in found(epochs(loss=[3.1, 2.9, 2.7081, 2.5, 2.2, 2.0]), batch_size=16)
    assert "K401" not in found(epochs(loss=2.72 + noise(12, 0.004)), batch_size=16)
    assert "K401" not in grave(steps(loss=[2.7081] * 8), batch_size=16)


def test_the_size_of_the_batches_is_read_where_it_is_printed() -> None:
    def size(rows: list[Row]) -> int | None:
        names = list(rows[0])
        text = "\n".join([",".join(names), *(",".join(str(row[name]) for name in names) for row in rows)])
        table = parse_log(text.encode(), "log")
        assert read_facts(table).batch_size == told_batch_size(table)
        return told_batch_size(table)

    assert size(steps(loss=falling(40), batch_size=[32.0] * 39 + [7.0])) == 32
    assert size(steps(loss=falling(40), batch_size=[32.0, 16.0] * 20)) is None
    assert size(steps(loss=falling(40), batch_size=[0.5] * 40)) is None
    assert size(steps(loss=falling(40), batch=list(range(40)))) is None
