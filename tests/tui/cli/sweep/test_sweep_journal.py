"""The journal that all workers share: no trial too many, none twice, none lost, whoever dies and whatever is torn."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from trainctl.engine.errors import UserError
from trainctl.tui.cli.sweep.choosing import grid_size
from trainctl.tui.cli.sweep.course import Objective
from trainctl.tui.cli.sweep.journal import Journal, LostTrialError
from trainctl.tui.cli.sweep.space import Parameter, Space
from trainctl.tui.cli.sweep.study import Pruner, Sampler, Study, join, read_study
from trainctl.tui.cli.sweep.verdict import Verdict
from trainctl.tui.run.trial import TrialState

pytest.importorskip("optuna")
LR = Parameter("optimizer.lr", 1e-5, 1e-1, log=True)
NAME = Parameter("optimizer.name", choices=("adamw", "sgd", None))
BETAS = Parameter("optimizer.betas", choices=([0.9, 0.99], [0.8, 0.9]))
BATCH = Parameter("train.batch_size", 16, 48, step=16, whole=True)
COMPLETE, PRUNED, FAILED = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED


def a_study(folder: Path, *parameters: Parameter, **options: Any) -> Study:
    study = Study(
        name="s",
        folder=folder / "sweeps" / "s",
        preset="eyes/balanced",
        scale="small",
        data=None,
        objective=Objective("f1", "max"),
        space=Space(parameters or (LR, NAME)),
        sampler=Sampler.TPE,
        pruner=Pruner.MEDIAN,
        seed=0,
        values={"train.epochs": 10, "optimizer.lr": 1e-3},
    )
    return replace(study, **options)


def begun(folder: Path, *parameters: Parameter, **options: Any) -> Journal:
    study = a_study(folder, *parameters, **options)
    join(study)
    return Journal(study, {"pid": 1})


def nobody_gone(worker: Any, run: str, began: float) -> bool:
    return not worker


def drain(journal: Journal, most: int) -> list[dict[str, Any]]:
    """Take and tell until nothing is left."""
    found: list[dict[str, Any]] = []
    while given := journal.take(most, nobody_gone):
        found.append(dict(given.params))
        journal.tell(given.number, Verdict(COMPLETE, 0.1 * given.number, 1))
    return found


def test_the_total_is_the_study_s_not_a_worker_s(tmp_path: Path) -> None:
    journals = [begun(tmp_path) for _ in range(4)]
    numbers: list[int] = []

    def work(journal: Journal) -> None:
        while given := journal.take(13, nobody_gone):
            numbers.append(given.number)
            journal.tell(given.number, Verdict(COMPLETE, 0.5, 1))

    threads = [threading.Thread(target=work, args=(journal,)) for journal in journals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(13))
    assert len(Journal(a_study(tmp_path)).trials()) == 13


def test_workers_of_one_seed_draw_different_values(tmp_path: Path) -> None:
    one, other = begun(tmp_path), begun(tmp_path)
    taken = [journal.take(99, nobody_gone) for journal in (one, other, one, other)]
    rates = [given.params["optimizer.lr"] for given in taken if given]
    assert len(set(rates)) == 4 and all(1e-5 <= rate <= 1e-1 for rate in rates)


def test_one_worker_draws_the_same_again(tmp_path: Path) -> None:
    assert drain(begun(tmp_path / "a"), 12) == drain(begun(tmp_path / "b"), 12)
    assert drain(begun(tmp_path / "c", seed=1), 3) != drain(begun(tmp_path / "d", seed=2), 3)


def test_a_grid_visits_every_point_once(tmp_path: Path) -> None:
    study = a_study(tmp_path, BATCH, BETAS, sampler=Sampler.GRID)
    assert grid_size(study) == 6
    found = drain(begun(tmp_path, BATCH, BETAS, sampler=Sampler.GRID), 6)
    assert sorted((one["train.batch_size"], one["optimizer.betas"]) for one in found) == [
        (batch, betas) for batch in (16, 32, 48) for betas in ([0.8, 0.9], [0.9, 0.99])
    ]


def test_a_trial_that_is_left_is_taken_over_before_a_new_one(tmp_path: Path) -> None:
    journal = begun(tmp_path)
    first = journal.take(2, nobody_gone)
    assert first is not None and not first.taken
    journal.note_run(first.number, "20260101-120000-a-00aa")
    journal.note_pruned(first.number)
    journal.let_go(first.number)
    assert journal.left(nobody_gone) == [first.number]
    again = Journal(a_study(tmp_path), {"pid": 2}).take(2, nobody_gone)
    assert again is not None
    assert (again.number, again.run, again.params) == (first.number, "20260101-120000-a-00aa", first.params)
    assert (again.taken, again.is_pruned, again.is_worn) == (1, True, False)
    for _ in range(2):
        journal.let_go(first.number)
        again = journal.take(2, nobody_gone)
    assert again is not None and again.is_worn
    assert journal.left(nobody_gone) == []


def test_what_another_worker_has_told_is_not_told_again(tmp_path: Path) -> None:
    one, other = begun(tmp_path), begun(tmp_path)
    given = one.take(5, nobody_gone)
    assert given is not None
    other.tell(given.number, Verdict(FAILED, 0.4, 2, "killed"))
    with pytest.raises(LostTrialError):
        one.report(given.number, 3, 0.9)
    with pytest.raises(LostTrialError):
        one.tell(given.number, Verdict(COMPLETE, 0.9, 3))
    one.let_go(given.number)
    ((_, trial),) = one.trials()
    assert (trial.state, trial.value, trial.epoch, trial.reason) == (FAILED, 0.4, 2, "killed")


def test_the_median_ends_what_is_worse_and_spares_the_first(tmp_path: Path) -> None:
    journal = begun(tmp_path)
    answers: list[bool] = []
    for value in (0.5, 0.6, 0.7, 0.8, 0.9, 0.1, 0.95):
        given = journal.take(99, nobody_gone)
        assert given is not None
        answers.append([journal.report(given.number, epoch, value) for epoch in (1, 2, 3)][-1])
        journal.tell(given.number, Verdict(PRUNED if answers[-1] else COMPLETE, value, 3, "after epoch 3"))
    assert answers == [False] * 5 + [True, False]
    assert journal.trials()[5][1].state is PRUNED


@pytest.mark.parametrize("pruner", [Pruner.HYPERBAND, Pruner.NONE])
def test_other_pruners_are_asked_the_same_way(tmp_path: Path, pruner: Pruner) -> None:
    journal = begun(tmp_path, pruner=pruner)
    ended = 0
    for number in range(12):
        given = journal.take(99, nobody_gone)
        assert given is not None
        ended += any(journal.report(given.number, epoch, 0.9 - 0.05 * number) for epoch in range(1, 11))
        journal.tell(given.number, Verdict(COMPLETE, 0.5, 1))
    assert (ended > 0) == (pruner is Pruner.HYPERBAND)


@pytest.mark.slow  # it imports scikit-learn
def test_importance_waits_for_enough_trials(tmp_path: Path) -> None:
    journal = begun(tmp_path)
    drain(journal, 9)
    assert journal.importance() == {}
    drain(journal, 20)
    shares = journal.importance()
    assert set(shares) == {"optimizer.lr", "optimizer.name"} and sum(shares.values()) == pytest.approx(1)


def test_a_line_torn_by_a_kill_costs_nothing(tmp_path: Path) -> None:
    journal = begun(tmp_path)
    drain(journal, 2)
    path = a_study(tmp_path).journal
    with path.open("ab") as file:
        file.write(b'{"op_code":5,"worker_id":"x","trial_id":1,"par')
    drain(begun(tmp_path), 4)
    assert [trial.number for _, trial in Journal(a_study(tmp_path)).trials()] == [0, 1, 2, 3]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_who_looks_writes_nothing(tmp_path: Path) -> None:
    drain(begun(tmp_path), 2)
    before = a_study(tmp_path).journal.read_bytes()
    assert len(Journal(a_study(tmp_path)).trials()) == 2
    assert a_study(tmp_path).journal.read_bytes() == before


@pytest.mark.parametrize(
    "damage", [b"not JSON\n", b'{"op_code": 4}\n', b'{"op_code": 99, "worker_id": ""}\n', b"\x00\xff\n", b"[]\n"]
)
def test_a_damaged_journal_is_one_line_and_stays_as_it_is(tmp_path: Path, damage: bytes) -> None:
    drain(begun(tmp_path), 2)
    path = a_study(tmp_path).journal
    content = path.read_bytes() + damage + path.read_bytes()
    path.write_bytes(content)
    line = content[: content.index(damage)].count(b"\n") + 1
    with pytest.raises(
        UserError, match=rf"journal\.log is damaged: line {line} is none of ours; .*begin another study with --name"
    ):
        Journal(a_study(tmp_path))
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"scale": "full"}, "scale small, not full"),
        (
            {"space": Space((replace(LR, high=1.0), NAME))},
            r"another space: optimizer.lr \{low: 1.0e-05, high: 0.1, log: true\}, not",
        ),
        ({"space": Space((LR,))}, r"another space: optimizer.name \{choices: \[adamw, sgd, null\]\}, not without"),
        ({"space": Space((LR, NAME, BATCH))}, r"another space: no train.batch_size, not \{low: 16, high: 48"),
        ({"values": {"train.epochs": 12, "optimizer.lr": 1e-3}}, "train.epochs 10, not 12"),
        ({"objective": Objective("loss", "min")}, "metric f1, not loss"),
        ({"sampler": Sampler.RANDOM}, "sampler tpe, not random"),
        ({"seed": 3}, "seed 0, not 3"),
        ({"data": "/there"}, "data null, not /there"),
    ],
)
def test_a_worker_that_wants_something_else_is_refused(tmp_path: Path, options: Any, says: str) -> None:
    assert join(a_study(tmp_path)) and not join(a_study(tmp_path))
    with pytest.raises(UserError, match=f"the study s was begun with {says}"):
        join(a_study(tmp_path, **options))
    assert read_study(a_study(tmp_path).folder) == replace(a_study(tmp_path), space=Space((LR, NAME)))


def test_workers_of_the_same_instant_begin_one_study(tmp_path: Path) -> None:
    ready = threading.Barrier(6)
    new: list[bool] = []

    def arrive() -> None:
        ready.wait()
        new.append(join(a_study(tmp_path)))

    threads = [threading.Thread(target=arrive) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(new) == [False] * 5 + [True]
    assert sorted(path.name for path in a_study(tmp_path).folder.iterdir()) == ["space.yaml", "study.json"]
