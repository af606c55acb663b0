"""The rival tools get a log under names they know, answer in a process of their own, and are counted by one table."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.trainfault import rival_logs, rival_worker
from benchmarks.trainfault.cases import all_cases
from benchmarks.trainfault.rival_input import prepare
from benchmarks.trainfault.rival_labels import BY_RIVAL, FAMILIES, OURS, families, plausible
from benchmarks.trainfault.rivals import GRADES, PYTHON, Grade, Label, Rivals
from trainctl.engine.diagnosis.catalogue import every_rule

FALLING = "epoch,train_loss,valid_loss,learning_rate\n" + "".join(
    f"{epoch},{2 / epoch},{2.2 / epoch},0.001\n" for epoch in range(1, 31)
)
PRETENDER = """
import json, pathlib, time
def main(arguments):
    log = pathlib.Path(arguments[1])
    if "slow" in log.name:
        time.sleep(60)
    if "odd" in log.name:
        raise TypeError("what is this?")
    print(json.dumps([{"findings": [{"check": "non_finite", "severity": "critical"}] * 2}] if "nan" in log.read_text()
          else [{"findings": []}]))
"""


@pytest.fixture
def pretender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rivals]:
    """A process that has one tool, which is ours."""
    home = tmp_path / "site"
    (home / "runmedic").mkdir(parents=True)
    (home / "runmedic/__init__.py").touch()
    (home / "runmedic/cli.py").write_text(PRETENDER)
    (home / "runmedic-9.9.dist-info").mkdir()
    (home / "runmedic-9.9.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: runmedic\nVersion: 9.9\n")
    monkeypatch.setenv("PYTHONPATH", str(home))
    with Rivals(sys.executable, limit_s=0.5) as rivals:
        yield rivals


@pytest.fixture(scope="module")
def installed() -> Iterator[Rivals]:
    """The tools themselves."""
    with Rivals() as rivals:
        if set(rivals.versions) != set(BY_RIVAL):
            pytest.skip(f"needs the rival tools, here or where {PYTHON} says")
        yield rivals


def rows_of(log: Path, folder: Path) -> list[dict[str, float]]:
    """The rows as JSON lines have them, which are those of the CSV."""
    as_csv, as_json = prepare(log, folder)
    rows = [json.loads(line) for line in as_json.read_text().splitlines()]
    with as_csv.open(newline="") as file:
        told = [{name: value for name, value in row.items() if value} for row in csv.DictReader(file)]
    assert told == [{name: str(value) for name, value in row.items()} for row in rows]
    return rows


def write(folder: Path, text: str, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_log_gets_the_names_that_all_tools_know(tmp_path: Path) -> None:
    rows = rows_of(write(tmp_path, FALLING), tmp_path)
    assert [row["step"] for row in rows] == list(range(1, 31))
    assert rows[3] == {"step": 4, "loss": 0.5, "val_loss": 0.55, "lr": 0.001}


def test_what_is_not_finite_is_handed_on(tmp_path: Path) -> None:
    rows = rows_of(write(tmp_path, "step,loss,val_loss\n1,2.0,\n2,nan,inf\n"), tmp_path)
    assert "val_loss" not in rows[0]
    assert math.isnan(rows[1]["loss"]) and rows[1]["val_loss"] == math.inf


def test_terms_without_a_total_are_summed(tmp_path: Path) -> None:
    rows = rows_of(write(tmp_path, "step,box_loss,cls_loss\n1,2.0,1.0\n2,1.5,0.5\n"), tmp_path)
    assert [row["loss"] for row in rows] == [3.0, 2.0]
    assert rows[0]["box_loss"] == 2.0


def test_what_rivals_lose_is_not_summed(tmp_path: Path) -> None:
    rows = rows_of(write(tmp_path, "step,generator_loss,discriminator_loss\n1,2.0,1.0\n2,1.5,0.5\n"), tmp_path)
    assert "loss" not in rows[0]


def test_training_rows_that_share_an_epoch_are_counted_and_a_validation_stands_where_the_last_one_does(
    tmp_path: Path,
) -> None:
    text = "epoch,loss,val_loss\n1,2.0,\n1,1.9,\n1,,2.1\n2,1.8,\n2,1.7,\n2,,2.0\n"
    rows = rows_of(write(tmp_path, text), tmp_path)
    assert [row["step"] for row in rows] == [1, 2, 2, 3, 4, 4]


def test_a_tool_answers_one_log_after_another(pretender: Rivals, tmp_path: Path) -> None:
    assert pretender.versions == {"runmedic": "9.9"}
    assert pretender.judge_log(write(tmp_path, FALLING)) == {"runmedic": []}
    broken = write(tmp_path, "step,loss\n1,2.0\n2,nan\n3,nan\n")
    assert pretender.judge_log(broken) == {"runmedic": [Label("runmedic", "non_finite", Grade.ERROR)]}


@pytest.mark.parametrize(("name", "why"), [("odd.csv", "TypeError: what is this?"), ("slow.csv", "longer than 0.5 s")])
def test_a_tool_that_fails_has_not_judged_and_answers_the_next_log(
    pretender: Rivals, tmp_path: Path, name: str, why: str
) -> None:
    (label,) = pretender.judge_log(write(tmp_path, FALLING, name))["runmedic"]
    assert label.grade is Grade.UNJUDGED and why in label.code
    assert not label.is_alarm and not label.families
    assert pretender.judge_log(write(tmp_path, FALLING)) == {"runmedic": []}


def test_every_tool_that_is_asked_has_a_table_and_every_kind_is_named_by_one() -> None:
    assert set(BY_RIVAL) == set(rival_worker.TOOLS)
    named = {family for labels in BY_RIVAL.values() for kinds in labels.values() for family in kinds}
    assert set(FAMILIES) - named == {"composition", "other"}


def test_a_kind_of_fault_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="slowness"):
        families("nan slowness")


def test_our_codes_are_those_of_the_catalogue_and_every_truth_of_a_planted_fault_has_kinds() -> None:
    truths = {code for case in all_cases().values() for code in case.near}
    assert truths <= set(OURS) <= set(every_rule()) | truths
    assert all(OURS.values())
    assert plausible("trainctl", "R801") == {"overfitting"}
    assert plausible("trainctl", "X999") == set()


def test_a_label_that_no_table_knows_is_an_error() -> None:
    with pytest.raises(KeyError):
        plausible("runmedic", "a check of tomorrow")


def judged(wrong: str, *labels: Label) -> rival_logs.Judged:
    by_tool: dict[str, list[Label]] = {}
    for label in labels:
        by_tool.setdefault(label.tool, []).append(label)
    return rival_logs.Judged("a.log", families(wrong), by_tool)


def test_the_table_counts_hits_false_alarms_and_what_was_not_judged() -> None:
    cases = [
        judged("nan", Label("trainctl", "N901", Grade.ERROR), Label("runwise", "plateau", Grade.WARNING)),
        judged("overfitting", Label("trainctl", "R801", Grade.INFO), Label("runwise", "no loss", Grade.UNJUDGED)),
        judged("", Label("runwise", "spike", Grade.WARNING)),
        judged("", Label("trainctl", "D113", Grade.INFO)),
    ]
    assert rival_logs.table(cases, {"runwise": "0.4.0"})[2:] == [
        "| trainctl | 1 | 2 | 1 | 0 | 0 |",
        "| runwise 0.4.0 | 0 | 0 | 1 | 1 | 1 |",
    ]
    assert "  trainctl: N901 (error)*" in rival_logs.each(cases)


def test_ours_stand_beside_them(tmp_path: Path) -> None:
    write(tmp_path, "step,loss\n" + "".join(f"{k},{'nan' if k > 20 else 2 - k / 20}\n" for k in range(1, 31)))
    truth = rival_logs.read_truth(write(tmp_path, "log,families\nlog.csv,nan lr_too_high\n", "truth.csv"))
    (label,) = rival_logs.our_labels(tmp_path / "log.csv")
    assert label.code == "N901" and label.families & truth["log.csv"]


def test_each_tool_names_a_loss_that_is_no_number(installed: Rivals, tmp_path: Path) -> None:
    text = "step,loss\n" + "".join(f"{k},{'nan' if k > 30 else 2 - k / 40}\n" for k in range(1, 61))
    for tool, labels in installed.judge_log(write(tmp_path, text)).items():
        assert any(label.is_alarm and "nan" in label.families for label in labels), tool


def test_each_tool_has_nothing_to_say_of_a_loss_that_falls(installed: Rivals, tmp_path: Path) -> None:
    told = installed.judge_log(write(tmp_path, FALLING))
    assert set(told) == set(BY_RIVAL)
    assert not [label for labels in told.values() for label in labels if label.grade is Grade.UNJUDGED]
    assert not [label for label in (*told["runmedic"], *told["runwise"], *told["trainproof"]) if label.is_alarm]


def test_every_word_of_a_tool_has_a_grade() -> None:
    assert {GRADES[word] for word in ("critical", "FAIL", "WARN", "weak")} == {Grade.ERROR, Grade.WARNING, Grade.INFO}
