"""Columns of several seeds: who belongs to which, their figures, what is said of what cannot be compared."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from test_comparison import RUN, row

from trainctl.tui.compare.columns import Asked, Column, by_epoch, figure_of, grouped, why_not_comparable
from trainctl.tui.compare.comparison import epoch_rows, figure_rows, not_ranked
from trainctl.tui.compare.facts import RunFacts
from trainctl.tui.compare.over_seeds import difference_rows, mean_rows, notes, plus_minus, seed_figures


def run(seed: int, losses: tuple[float, ...] = (0.5, 0.3, 0.2), f1: float = 0.9, **more: Any) -> RunFacts:
    """A finished run of three epochs."""
    config = {"seed": seed, "optimizer.lr": 0.1} | more.pop("config", {})
    validations = tuple((k, 10 * k, "raw", {"f1": f1, "loss": loss + 0.1}) for k, loss in enumerate(losses, 1))
    epochs = tuple(enumerate(losses, 1))
    facts = replace(RUN, config=config, last_loss=losses[-1], epoch_losses=epochs, validations=validations)
    return replace(facts, **more)


def column(name: str, *runs: RunFacts) -> Column:
    return Column(name, f"weld/{name}", {one.seed or 0: one for one in runs})


def test_runs_that_differ_in_their_seed_alone_are_one_column() -> None:
    other = {"optimizer.lr": 0.2}
    runs = [run(2), run(1, config=other), run(1), run(2, config=other), run(3, is_fork=True, name="f"), run(2)]
    found = grouped(runs, list("abcdef"))
    assert [sorted(one.runs) for one in found] == [[1, 2], [1, 2], [3], [2]]
    assert [one.name for one in found] == ["eyes/balanced", "eyes/balanced (2)", "e", "f"]


@pytest.mark.parametrize("change", [{"is_set": True}, {"data": "/elsewhere"}, {"config": None}])
def test_what_is_another_thing_stands_alone(change: dict[str, Any]) -> None:
    assert len(grouped([run(1), replace(run(2), name="other", **change)], ["a", "b"])) == 2


def test_figures_of_columns_are_means_and_differences_are_paired() -> None:
    a = column("a", run(1, f1=0.8), run(2, f1=0.9))
    b = column("b", run(2, f1=0.96), run(1, f1=0.84), run(3, f1=0.1))
    figures = seed_figures([a, b])
    best = next(one for one in figures if one.label == "best f1")
    assert [one.mean for one in best.estimates] == pytest.approx([0.85, (0.96 + 0.84 + 0.1) / 3])
    assert (best.differences[1].mean, best.differences[1].n) == (pytest.approx(0.05), 2)
    assert best.best == {0}
    assert row(mean_rows([a, b], figures), "runs").cells == ("2 finished", "3 finished")
    assert row(difference_rows(figures), "best f1").cells[0].startswith("+0.05 ± 0.13  p 0.13  n 2")


def test_a_loss_that_is_not_reached_is_counted_by_the_run_of_the_same_seed() -> None:
    a = column("a", run(1), run(2, (0.5, 0.4, 0.3)), run(3))
    b = column("b", run(1, (0.4, 0.2, 0.1)), run(2, (0.9, 0.8, 0.7)), run(3, (0.2, 0.1, 0.1)))
    figures = seed_figures([a, b])
    reach = next(one for one in figures if one.asked.figure == "epochs_to_reference_loss")
    assert dict(reach.values[0]) == {1: 3, 2: 3, 3: 3}
    assert reach.values[1][1] == 2 and math.isnan(reach.values[1][2]) and reach.values[1][3] == 1
    assert reach.missed == (0, 1) and reach.best == frozenset()
    assert "n 2, 1 not reached" in row(mean_rows([a, b], figures), reach.label).cells[1]


def test_losses_of_other_kinds_are_not_compared() -> None:
    a = column("a", run(1, config={"loss.name": "bce"}), run(2, config={"loss.name": "bce"}))
    b = column("b", run(1, config={"loss.name": "focal"}), run(2, config={"loss.name": "focal"}))
    figures = {one.label: one for one in seed_figures([a, b])}
    assert figures["final training loss"].not_compared[1] == "losses of different kinds"
    assert figures["final training loss"].best == frozenset()
    assert figures["best f1"].not_compared == ("", "")
    assert notes([a, b], list(figures.values())) == ["the losses are of different kinds and are not ranked"]


def test_where_losses_are_of_other_kinds_the_reference_s_first_term_is_compared() -> None:
    def of(seed: int, nll: tuple[float, ...], **config: Any) -> RunFacts:
        terms = tuple((k, {"loss": 9.0, "nll": value, "aux": 1.0}) for k, value in enumerate(nll, 1))
        return run(seed, config={"loss_weights.aux": 0.1} | config, epoch_terms=terms)

    a = column("a", of(1, (1.0, 0.6, 0.5)), of(2, (1.0, 0.6, 0.4)))
    b = column("b", *(of(k, (0.9, 0.4, 0.6), **{"loss_weights.aux": 0.2}) for k in (1, 2)))
    c = column("c", *(run(k, config={"loss_weights.aux": 0.3}, epoch_terms=((1, {"focal": 1.0}),)) for k in (1, 2)))
    figures = {one.label: one for one in seed_figures([a, b, c])}
    assert figures["final training loss"].not_compared[1] == "losses of different kinds"
    reach = figures["epochs to reference's nll"]
    assert dict(reach.values[1]) == {1: 2, 2: 2} and reach.missed == (0, 0, 0) and reach.estimates[2].n == 0
    assert [one.mean for one in figures["final training nll"].estimates[:2]] == pytest.approx([0.45, 0.6])
    assert figures["fluctuation of nll"].estimates[1].mean == pytest.approx(0.35)
    assert not any("nll" in one.label for one in seed_figures([a, a]))


def test_other_validation_samples_are_not_compared() -> None:
    c = column("c", *(run(seed, f1=0.99, data_id={"val": f"other {seed}"}) for seed in (1, 2)))
    d = column("d", *(run(seed, data_id={"val": f"one {seed}"}) for seed in (1, 2)))
    best = next(one for one in seed_figures([c, d]) if one.label == "best f1")
    assert best.not_compared[1] == "validated on different samples" and best.best == frozenset()
    assert best.differences[1].n == 0
    # A split that depends on the seed differs between seeds, not between the columns.
    same = column("same", *(run(seed, f1=0.95, data_id={"val": f"one {seed}"}) for seed in (1, 2)))
    assert next(one for one in seed_figures([d, same]) if one.label == "best f1").best == {1}


def test_rise_and_fluctuation() -> None:
    swinging = run(1, (0.5, 0.2, 0.6, 0.4))
    assert figure_of(swinging, Asked("largest_rise")) == pytest.approx(0.4)
    assert figure_of(run(1), Asked("largest_rise")) == 0
    assert math.isnan(figure_of(run(1, (0.5,)), Asked("largest_rise")))
    assert figure_of(run(1), Asked("epoch_loss", at=2)) == 0.3
    assert math.isnan(figure_of(run(1), Asked("epoch_loss", at=7)))


def test_of_two_validations_of_an_epoch_the_last_counts_and_of_two_weights_the_better() -> None:
    validations = (
        (1, 10, "raw", {"f1": 0.9}),
        (1, 10, "raw", {"f1": 0.5}),
        (1, 10, "ema", {"f1": 0.6}),
        (2, 20, "raw", {"f1": math.nan}),
        (2, 20, "ema", {"f1": 0.7}),
    )
    assert by_epoch(replace(RUN, validations=validations), "f1") == {1: 0.6, 2: 0.7}


def test_runs_without_anything_make_no_trouble() -> None:
    empty = replace(run(1), epoch_losses=(), validations=(), last_loss=math.nan)
    nothing = Column("nothing", "p", {})
    figures = seed_figures([column("a", empty), nothing])
    assert row(mean_rows([column("a", empty), nothing], figures), "runs").cells == ("1 finished", "no run")
    assert difference_rows(figures) == []


@pytest.mark.parametrize(
    ("mean", "half", "text"),
    [
        (0.95432, 0.0123, "0.954 ± 0.012"),
        (12.3456, 3.4, "12.3 ± 3.4"),
        (1234.5, 120.0, "1234 ± 120"),
        (0.5, math.nan, "0.5"),
        (0.5, 0.0, "0.5 ± 0"),
        (math.nan, math.nan, "-"),
    ],
)
def test_the_interval_says_how_many_digits(mean: float, half: float, text: str) -> None:
    assert plus_minus(mean, half) == text


def test_training_losses_on_other_samples_are_not_compared() -> None:
    a = column("a", *(run(seed, data_id={"train": f"one {seed}", "val": "v"}) for seed in (1, 2)))
    b = column("b", *(run(seed, (0.4, 0.2, 0.1), 0.99, data_id={"train": "other", "val": "v"}) for seed in (1, 2)))
    figures = {one.label: one for one in seed_figures([a, b])}
    for label in ("final training loss", "fluctuation", "largest rise", "epochs to reference's loss"):
        assert figures[label].not_compared[1] == "trained on different samples" and not figures[label].best
    assert figures["best f1"].best == {1} and figures["best f1"].differences[1].n == 2
    words = "the runs were trained on different samples, so their training losses are not ranked"
    assert notes([a, b], list(figures.values())) == [words]
    assert why_not_comparable(b, a, Asked("final_term", "aux")) == "trained on different samples"
    assert not why_not_comparable(a, a, Asked("final_loss"))
    first, second = a.facts[0], b.facts[0]
    rows = {one.label: one for one in figure_rows([first, second])}
    assert not rows["training loss"].best and rows["best f1"].best == {1} and not_ranked([first, second]) == [words]


def test_epochs_of_other_validation_samples_are_not_ranked() -> None:
    same = [run(1, f1=0.8), run(1, f1=0.9)]
    assert all(one.best == {1} for one in epoch_rows(same, "f1"))
    other = [replace(one, data_id={"val": str(k)}) for k, one in enumerate(same)]
    assert [one.values for one in epoch_rows(other, "f1")] == [(0.8, 0.9)] * 3
    assert not any(one.best for one in epoch_rows(other, "f1"))
