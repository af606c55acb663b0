"""Promises in figures held against synthetic measurements."""

from __future__ import annotations

import math
from typing import Any

import pytest
from test_over_seeds import column, run

from trainctl.engine.config.presets import load_preset, preset_names
from trainctl.engine.errors import UserError
from trainctl.tui.compare.columns import Column
from trainctl.tui.compare.intervals import Estimate
from trainctl.tui.compare.verdicts import Judged, Word, judgements, verdict


@pytest.mark.parametrize(
    ("low", "high", "bounds", "word"),
    [
        (12, 18, (10, 20), Word.CONFIRMED),
        (25, 30, (10, 20), Word.CONFIRMED),  # better than promised
        (10, 20, (10, 20), Word.CONFIRMED),
        (5, 15, (10, 20), Word.NOT_CONFIRMED),
        (1, 5, (10, 20), Word.NOT_CONFIRMED),  # better than the reference, less than promised
        (-5, 5, (10, 20), Word.NOT_CONFIRMED),
        (-5, 0, (10, 20), Word.NOT_CONFIRMED),
        (-9, -1, (10, 20), Word.CONTRADICTED),
        (-9, -1, (-10, 0), Word.CONFIRMED),  # it was allowed to be worse
        (-30, -20, (-10, 0), Word.CONTRADICTED),
        (1, 3, (None, 5), Word.CONFIRMED),  # at most
        (6, 9, (None, 5), Word.CONTRADICTED),
    ],
)
def test_changes(low: float, high: float, bounds: tuple[float | None, float | None], word: Word) -> None:
    measured = Estimate((low + high) / 2, (high - low) / 2, 3)
    assert verdict(measured, bounds, more_is_better=True, is_change=True) is word


@pytest.mark.parametrize(
    ("low", "high", "bounds", "more", "both", "word"),
    [
        (0.76, 0.8, (0.75, 0.85), True, False, Word.CONFIRMED),
        (0.9, 0.95, (0.75, 0.85), True, False, Word.CONFIRMED),
        (0.9, 0.95, (0.75, 0.85), True, True, Word.CONTRADICTED),
        (0.7, 0.8, (0.75, 0.85), True, False, Word.NOT_CONFIRMED),
        (0.1, 0.2, (0.75, 0.85), True, False, Word.CONTRADICTED),
        (0.1, 0.2, (0.75, None), True, False, Word.CONTRADICTED),
        (0.01, 0.04, (None, 0.05), False, False, Word.CONFIRMED),
        (0.04, 0.06, (None, 0.05), False, False, Word.NOT_CONFIRMED),
        (0.2, 0.3, (None, 0.05), False, False, Word.CONTRADICTED),
        (1.0, 1.1, (2.1, 2.3), False, False, Word.CONFIRMED),
        (-1.0, -0.99, (-0.95, -0.7), False, True, Word.CONTRADICTED),
        (-0.9, -0.8, (-0.95, -0.7), False, True, Word.CONFIRMED),
        (-0.97, -0.8, (-0.95, -0.7), False, True, Word.NOT_CONFIRMED),
    ],
)
def test_values(
    low: float, high: float, bounds: tuple[float | None, float | None], more: bool, both: bool, word: Word
) -> None:
    measured = Estimate((low + high) / 2, (high - low) / 2, 3)
    assert verdict(measured, bounds, more_is_better=more, both_sides=both) is word


def judged(promised: dict[str, Any], *columns: Column) -> Judged:
    """The promise of the last column."""
    about: dict[str, Any] = {"promised": [promised]}
    last = columns[-1]
    column = Column(last.name, last.preset, last.runs, about)
    (found,) = judgements(column, [*columns[:-1], column])
    return found


SEEDS = (1, 2, 3)
BASE = column("base", *(run(seed, (0.5, 0.3, 0.2 + seed / 1000), f1=0.8) for seed in SEEDS))
QUICK = column("quick", *(run(seed, (0.2, 0.15, 0.1 + seed / 1000), f1=0.9) for seed in SEEDS))
SLOW = column("slow", *(run(seed, (0.9, 0.8, 0.7 + seed / 1000), f1=0.7) for seed in SEEDS))


def test_an_improvement_is_positive_whatever_the_sense_of_the_figure() -> None:
    metric = judged({"figure": "best_metric", "change": [10, 15]}, BASE, QUICK)
    assert metric.word is Word.CONFIRMED and metric.measured.mean == pytest.approx(12.5)
    loss = judged({"figure": "final_loss", "change": [40, 60]}, BASE, QUICK)
    assert loss.word is Word.CONFIRMED and loss.measured.mean == pytest.approx(49.5, abs=0.1)
    assert judged({"figure": "final_loss", "change": [40, 60]}, BASE, SLOW).word is Word.CONTRADICTED
    epochs = judged({"figure": "epochs_to_reference_loss", "change": [30, 70]}, BASE, QUICK)
    assert epochs.word is Word.CONFIRMED and epochs.measured.mean == pytest.approx(200 / 3)


def test_a_curve_may_be_that_of_a_term_which_other_losses_share() -> None:
    def of(name: str, nll: tuple[float, ...], weight: float) -> Column:
        terms = tuple((k, {"loss": 1.0, "nll": value}) for k, value in enumerate(nll, 1))
        return column(name, *(run(k, config={"loss_weights.aux": weight}, epoch_terms=terms) for k in SEEDS))

    slow, quick = of("slow", (1.0, 0.8, 0.6, 0.4), 0.1), of("quick", (0.9, 0.4, 0.35, 0.3), 0.2)
    asked = {"figure": "epochs_to_reference_loss", "change": [15, 25]}
    assert judged(asked, slow, quick).why == "losses of different kinds"
    found = judged(asked | {"name": "nll"}, slow, quick)
    assert (found.word, found.measured.mean) == (Word.CONFIRMED, pytest.approx(50.0))
    assert found.promised == "epochs to reference loss of nll 15 to 25 %"
    assert judged(asked | {"name": "nll"}, quick, slow).why == "3 of 3 runs did not reach that loss"
    assert judged(asked | {"name": "focal"}, slow, quick).why == "the figure has a value in 0 of 3 runs"


def test_a_loss_that_was_never_reached_is_not_confirmed_and_counted() -> None:
    found = judged({"figure": "epochs_to_reference_loss", "change": [30, 70]}, BASE, SLOW)
    assert found.word is Word.NOT_CONFIRMED and found.why == "3 of 3 runs did not reach that loss"


@pytest.mark.parametrize(
    ("promised", "columns", "why"),
    [
        ({"figure": "best_metric", "change": [1, 2]}, (BASE, column("two", run(1), run(2))), "fewer than 3 seeds"),
        ({"figure": "epoch_loss", "at": 9, "value": [0, 1]}, (BASE, QUICK), "no run has the figure at epoch 9"),
        ({"figure": "final_term", "name": "no", "value": [0, 1]}, (BASE, QUICK), "a value in 0 of 3 runs"),
        ({"figure": "best_metric", "change": [1, 2], "against": "weld/x"}, (BASE, QUICK), "about weld/x, which is not"),
        ({"figure": "best_metric", "change": [1, 2]}, (QUICK,), "cannot be compared with itself"),
        ({"figure": "best_metric", "name": "odd", "value": [1, 2]}, (BASE, QUICK), "more or less of it is better"),
        (
            {"figure": "final_loss", "change": [1, 2]},
            (BASE, column("other", *(run(seed, config={"loss.name": "focal"}) for seed in SEEDS))),
            "losses of different kinds",
        ),
        (
            {"figure": "best_metric", "change": [1, 2]},
            (
                column("one", *(run(seed, data_id={"val": "a"}) for seed in SEEDS)),
                column("other", *(run(seed, data_id={"val": "b"}) for seed in SEEDS)),
            ),
            "validated on different samples",
        ),
    ],
)
def test_what_is_not_measurable_says_why(promised: dict[str, Any], columns: tuple[Column, ...], why: str) -> None:
    found = judged(promised, *columns)
    assert found.word is Word.NOT_MEASURABLE and why in found.why


def test_a_promise_may_name_what_it_is_relative_to() -> None:
    found = judged({"figure": "best_metric", "change": [10, 15], "against": "weld/base"}, SLOW, BASE, QUICK)
    assert found.word is Word.CONFIRMED


def test_a_term_is_judged_by_its_last_epoch() -> None:
    terms = ((1, {"balance": 0.5}), (2, {"balance": 0.01}))
    runs = column("a", *(run(seed, epoch_terms=terms) for seed in SEEDS))
    found = judged({"figure": "final_term", "name": "balance", "value": [None, 0.05]}, runs)
    assert (found.word, found.measured.mean, found.measured.half) == (Word.CONFIRMED, 0.01, 0)


def test_words_are_listed_and_not_judged_and_what_a_stranger_wrote_is_no_traceback() -> None:
    about: dict[str, Any] = {"promises": ["stable"], "promised": [{"figure": "x"}, 7, None]}
    found = judgements(Column("a", "a", {}, about), [BASE])
    assert {one.word for one in found} == {Word.NOT_MEASURABLE} and len(found) == 4
    assert (found[-1].text, found[-1].why) == ("stable", "not stated in figures")


def test_a_promise_in_words_that_is_stated_in_figures_too_is_judged_there_alone() -> None:
    stated = {"figure": "best_metric", "change": [10, 15], "against": BASE.preset, "text": "10 % better"}
    about: dict[str, Any] = {"promised": [stated], "promises": ["10 % better", "stable"]}
    found = judgements(Column("quick", "q", QUICK.runs, about), [BASE, QUICK])
    assert [(one.text, one.word) for one in found] == [("10 % better", Word.CONFIRMED), ("stable", Word.NOT_MEASURABLE)]
    assert judgements(Column("a", "a", {}, {"promised": "many", "promises": 3}), [BASE]) == []


@pytest.mark.parametrize(
    ("promise", "said"),
    [
        ("{figure: speed, value: [0, 1]}", "got speed"),
        ("{figure: final_loss}", "either change or value"),
        ("{figure: final_loss, value: [0, 1], change: [0, 1]}", "either change or value"),
        ("{figure: final_loss, value: [2, 1]}", "from <= to"),
        ("{figure: final_loss, value: [null, null]}", "from <= to"),
        ("{figure: final_loss, value: [1, .inf]}", "finite"),
        ("{figure: final_loss, value: [1]}", "a list of 2 values"),
        ("{figure: final_loss, at: 3, value: [0, 1]}", "at is the epoch of an epoch_ figure"),
        ("{figure: epoch_loss, value: [0, 1]}", "at is the epoch of an epoch_ figure"),
        ("{figure: final_term, value: [0, 1]}", "name says which loss term"),
        ("{figure: final_loss, change: [0, 1], both_sides: true}", "both_sides is about a value"),
        ("{figure: final_loss, valeu: [0, 1]}", "valeu"),
    ],
)
def test_a_promise_that_is_none_is_one_line(tmp_path: Any, promise: str, said: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"extends: weld/stuck\nabout:\n  promised:\n    - {promise}\n")
    with pytest.raises(UserError) as caught:
        load_preset(str(path))
    assert said in str(caught.value) and "mine.yaml:" in str(caught.value)


def test_documents_that_state_figures_are_held_to_them() -> None:
    stated = {name: len(load_preset(name).about.promised) for name in preset_names()}
    assert stated["weld/batch-32"] == 4 and stated["weld/warmup"] == 5 and stated["quality/balanced"] == 3
    assert not any(count for name, count in stated.items() if name.startswith("eyes/"))


def test_nothing_measured_is_said_as_such() -> None:
    found = judged({"figure": "final_loss", "value": [0, 1]}, Column("a", "a", {}))
    assert found.measured_words == "-" and math.isnan(found.measured.mean)
