"""What names mean beside each other, and by what the user says."""

from __future__ import annotations

import pytest

from trainctl.engine.diagnosis.logs.facts import LogFacts, read_facts
from trainctl.engine.diagnosis.logs.names import Kind
from trainctl.engine.diagnosis.logs.reading import parse_log
from trainctl.engine.diagnosis.logs.roles import parse_roles
from trainctl.engine.errors import UserError


def read(names: str, columns: str = "", rows: int = 3) -> LogFacts:
    width = names.count(",") + 1
    text = names + "\n" + "".join(",".join([str(row)] + [f"{row}.5"] * (width - 1)) + "\n" for row in range(rows))
    return read_facts(parse_log(text.encode(), "log"), roles=parse_roles(columns) if columns else ())


def meant(log: LogFacts) -> dict[str, tuple[Kind, str]]:
    return {series.name: (series.meaning.kind, series.meaning.split) for series in log.series}


@pytest.mark.parametrize("names", ["loss_t,loss_v", "T_Loss,V_Loss", "loss.t,loss.v"])
def test_two_letters_beside_each_other_are_training_and_validation(names: str) -> None:
    train, val = names.split(",")
    assert meant(read(f"step,{names}")) == {train: (Kind.TOTAL, "train"), val: (Kind.TOTAL, "val")}
    assert meant(read(f"step,{train}"))[train] == (Kind.TERM, "")


def test_a_term_has_the_letter_behind_its_own() -> None:
    log = read("step,loss_t,loss_ct,loss_v,loss_cv")
    assert meant(log)["loss_cv"] == (Kind.TERM, "val")
    assert {series.meaning.term for series in log.of(Kind.TERM)} == {"c"}


def test_several_evaluation_sets_each_have_a_total() -> None:
    log = read("step,loss,eval_a_loss,dev-clean-loss,valid_1 auc")
    assert {series.name: series.meaning.part for series in log.of(Kind.TOTAL, split="val")} == {
        "eval_a_loss": "a",
        "dev-clean-loss": "clean",
    }
    assert log.of(Kind.RATE)[0].meaning.part == "1"


def test_terms_that_training_has_too_stay_terms() -> None:
    assert meant(read("step,loss,a_loss,val_a_loss"))["val_a_loss"] == (Kind.TERM, "val")


def test_terms_that_leave_out_the_word_loss() -> None:
    assert meant(read("epoch,box,obj,cls,labels"))["obj"] == (Kind.TERM, "")
    assert meant(read("epoch,box,lr"))["box"] == (Kind.OTHER, "")
    assert meant(read("epoch,D_A,G_A,cycle_A"))["cycle_A"] == (Kind.TERM, "")


def test_the_loss_of_every_step_is_the_course_and_not_the_one_at_evaluations() -> None:
    lines = [f"iter {step}: loss {2 - step / 99:.4f}\n" for step in range(40)]
    lines.insert(20, "step 20: train loss 1.5, val loss 1.75\n")
    log = read_facts(parse_log("".join(lines).encode(), "log"))
    assert [series.name for series in log.of(Kind.TOTAL, split="train")] == ["loss", "train loss"]


@pytest.mark.parametrize(
    ("names", "unit", "left"),
    [
        ("time/total_timesteps,time/iterations,loss", "iteration", ["time/total_timesteps", "loss"]),
        ("Episode,Total_Reward", "episode", ["Total_Reward"]),
        ("trainer/global_step,loss", "step", ["loss"]),
        ("elapsed,loss", "second", ["loss"]),
        ("epoch,elapsed,loss", "step", ["elapsed", "loss"]),
    ],
)
def test_what_is_counted(names: str, unit: str, left: list[str]) -> None:
    log = read(names)
    assert log.table.step_unit == unit
    assert [series.name for series in log.series] == left


def test_a_counter_that_never_moves_is_no_step() -> None:
    table = parse_log(b"iterations,loss\n5,1.5\n5,1.25\n", "log")
    assert [column.name for column in table.columns] == ["iterations", "loss"]


def test_the_user_says_what_names_are() -> None:
    log = read("time,a,b,loss,rate,ep", "train=a,val=b,lr=rate,epoch=ep,ignore=time")
    assert meant(log) == {
        "a": (Kind.TOTAL, "train"),
        "b": (Kind.TOTAL, "val"),
        "loss": (Kind.OTHER, ""),
        "rate": (Kind.LR, ""),
    }
    assert log.table.epochs.tolist() == [0.5, 1.5, 2.5]
    assert log.table.epoch_name == "ep"


def test_a_metric_that_is_said_to_be_of_validation_stays_a_metric() -> None:
    assert meant(read("step,loss,acc", "val=acc"))["acc"] == (Kind.RATE, "val")


def test_steps_may_be_ignored_or_read_from_another_name() -> None:
    assert read("step,count,loss", "step=count").table.steps.tolist() == [0.5, 1.5, 2.5]
    assert not (read("step,loss", "ignore=step").table.steps >= 0).any()


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("train=los", "no los; the nearest name is loss"),
        ("train", "not ROLE=NAME"),
        ("training=loss", "roles: train, val, test"),
        ("train=", "not ROLE=NAME"),
    ],
)
def test_a_role_that_cannot_be(columns: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        read("step,loss,acc", columns)
