"""`trainctl import`, and commands that take what other tools recorded in place of a run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from foreign_files import course, write_csv, write_events, write_mlflow

from trainctl.engine.runs.index import run_names
from trainctl.tui.cli import opening
from trainctl.tui.cli.main import run_command_line

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRAINCTL_RUNS_DIR", raising=False)
    return tmp_path


def test_a_log_becomes_a_run_that_every_command_opens(here: Path, capsys: Capture) -> None:
    write_csv(here / "good.csv", course(200))
    assert run_command_line(["import", "good.csv"]) == 0
    (name,) = run_names(here / "runs")
    assert capsys.readouterr().out == f"imported good (csv, 200 rows to step 199) as {name}\n"
    for words in (["runs"], ["tail", "good"], ["diagnose", "good"], ["export", "good", "-o", "out.csv"]):
        assert run_command_line(words) == 0, words
    out = capsys.readouterr().out
    assert "finished" in out
    assert (here / "out.csv").read_text().startswith("step,lr[0],loss,grad_norm\n0,")
    assert "step 199" in out


def test_what_needs_a_network_or_a_configuration_of_ours_says_why_not(here: Path, capsys: Capture) -> None:
    write_mlflow(here / "mlflow.db", {"a": course(30)}, {"lr": "0.001"})
    assert run_command_line(["import", "mlflow.db"]) == 0
    capsys.readouterr()
    commands = (
        *(["run", "--resume", "mlflow-a"], ["run", "--fork", "mlflow-a"], ["evaluate", "mlflow-a"]),
        *(["diagnose", "mlflow-a", "--preflight"], ["export", "mlflow-a", "--to", "onnx"]),
    )
    for words in commands:
        assert run_command_line(words) == 2, words
        assert "was imported: it has no network" in capsys.readouterr().err


def test_its_steps_are_told_without_the_times_that_nobody_knows(here: Path, capsys: Capture) -> None:
    write_csv(here / "a.csv", course(5))
    assert run_command_line(["import", "a.csv"]) == 0
    capsys.readouterr()
    assert run_command_line(["tail", "csv-a", "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["time"] for one in told if one["kind"] == "step"] == [None] * 5


def test_a_second_time_it_says_so(here: Path, capsys: Capture) -> None:
    write_csv(here / "good.csv", course(20))
    assert run_command_line(["import", "good.csv"]) == 0
    capsys.readouterr()
    assert run_command_line(["import", "good.csv"]) == 0
    assert "already imported: good is" in capsys.readouterr().out
    assert run_command_line(["import", "good.csv", "--force"]) == 0
    assert len(run_names(here / "runs")) == 2


def test_all_that_a_folder_holds(here: Path, capsys: Capture) -> None:
    for seed in (1, 2, 3):
        write_events(here / "tb" / f"seed-{seed}" / "events.out.tfevents.1.host", course(20))
    (here / "tb" / "seed-3" / "events.out.tfevents.1.host").write_bytes(b"broken")
    assert run_command_line(["import", "tb", "--json"]) == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert [run["source_name"] for run in told["runs"]] == ["seed-1", "seed-2"]
    assert told["runs"][0]["results"] == {"loss": "val/loss", "acc": "val/acc"}
    assert len(told["refused"]) == 1
    assert "warning" in captured.err
    assert len(run_names(here / "runs")) == 2


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["import", "nowhere.csv"], "no such file"),
        (["import", "empty.csv"], "is empty"),
        (["import", "prose.txt"], "no figures"),
        (["import", "good.csv", "--columns", "loss"], "not ROLE=NAME"),
        (["import", "good.csv", "--columns", "train=lose"], "has no lose; the nearest name is"),
        (["import", "tb", "--name", "x"], "there are 2 trainings"),
    ],
)
def test_mistakes_are_one_line_and_code_2(here: Path, capsys: Capture, words: list[str], why: str) -> None:
    write_csv(here / "good.csv", course(20))
    (here / "empty.csv").write_text("")
    (here / "prose.txt").write_text("once upon a time\n")
    for seed in (1, 2):
        write_events(here / "tb" / str(seed) / "events.out.tfevents.1.host", course(5))
    assert run_command_line(words) == 2
    err = capsys.readouterr().err
    assert why in err
    assert err.count("\n") == 1
    assert not (here / "runs").exists()


def test_names_are_the_users_own(here: Path, capsys: Capture) -> None:
    write_csv(here / "metrics.csv", course(20))
    assert run_command_line(["import", "metrics.csv", "--name", "my best"]) == 0
    assert "-csv-my-best-" in run_names(here / "runs")[0]
    capsys.readouterr()


def test_runs_of_two_tools_side_by_side_with_their_settings(here: Path, capsys: Capture) -> None:
    write_mlflow(here / "mlflow.db", {"slow": course(40), "fast": course(60)}, {"lr": "1e-3", "opt": "adam"})
    assert run_command_line(["compare", "mlflow.db"]) == 0
    out = capsys.readouterr().out
    assert "slow" in out
    assert "nothing differs" in out
    other = write_csv(here / "other.csv", course(30))
    assert run_command_line(["compare", "mlflow.db", str(other), "--metric", "acc"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("slow", "fast", "other"))
    assert not (here / "runs").exists()


def test_an_export_of_a_log(here: Path, capsys: Capture) -> None:
    write_csv(here / "a.csv", course(30))
    assert run_command_line(["export", "a.csv", "--to", "jsonl"]) == 0
    rows = [json.loads(line) for line in (here / "a-exported.jsonl").read_text().splitlines()]
    assert rows[3] == {"step": 3, "loss": pytest.approx(rows[3]["loss"]), "lr": [pytest.approx(9e-4)]} | {
        "grad_norm": pytest.approx(rows[3]["grad_norm"])
    }
    write_mlflow(here / "two.db", {"a": course(5), "b": course(5)})
    assert run_command_line(["export", "two.db"]) == 2
    assert "holds 2 trainings" in capsys.readouterr().err


def test_what_is_exported_for_trackio_comes_back(here: Path, capsys: Capture) -> None:
    write_mlflow(here / "mlflow.db", {"a": course(30)}, {"lr": "0.001"})
    assert run_command_line(["import", "mlflow.db"]) == 0
    assert run_command_line(["export", "-o", "back.db", "--to", "trackio", "mlflow-a"]) == 0
    assert "trackio show --project back" in capsys.readouterr().out
    assert run_command_line(["import", "back.db", "--json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert (run["tool"], run["rows"], run["loss"]) == ("trackio", 30, "loss")
    assert run["results"] == {"loss": "val/loss", "acc": "val/acc"}
    assert "lr: 0.001" in (Path(run["path"]) / "config.yaml").read_text()


# --- ui -------------------------------------------------------------------------------------------------------


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the cockpit was opened with, while the run is there."""
    calls: list[dict[str, Any]] = []

    def open_cockpit(run: Any, request: Any, **options: Any) -> int:
        calls.append({"run": run, "request": request, "names": run_names(request.runs_dir), **options})
        return 0

    monkeypatch.setattr(opening, "open_cockpit", open_cockpit)
    monkeypatch.setattr(opening, "check_terminal", lambda: None)
    return calls


@pytest.mark.parametrize(
    "words", [["ui", "a.csv"], ["ui", "a.csv", "--columns", "ignore=lr"], ["ui", "./a.csv", "--ascii"]]
)
def test_ui_opens_a_log_read_only_and_leaves_nothing(
    here: Path, opened: list[dict[str, Any]], words: list[str]
) -> None:
    write_csv(here / "a.csv", course(30))
    assert run_command_line(words) == 0
    (call,) = opened
    assert call["readonly"] is True
    assert call["names"] == [call["run"].root.name]
    assert (
        call["left"]
        == f"{Path(words[1])} was only read. Keep it among your runs with: trainctl import {Path(words[1])}"
    )
    assert not call["run"].root.exists()
    assert [path.name for path in here.iterdir()] == ["a.csv"]


def test_ui_finds_mistakes_before_the_screen_is_taken(
    here: Path, opened: list[dict[str, Any]], capsys: Capture
) -> None:
    (here / "prose.txt").write_text("once upon a time\n")
    assert run_command_line(["ui", "prose.txt"]) == 2
    assert run_command_line(["ui", "latest", "--columns", "train=x"]) == 2
    err = capsys.readouterr().err
    assert "no figures" in err
    assert "--columns goes with a log" in err
    assert opened == []


def test_a_run_that_is_called_so_goes_before_a_folder_here(here: Path, opened: list[dict[str, Any]]) -> None:
    write_csv(here / "best.csv", course(30))
    assert run_command_line(["import", "best.csv"]) == 0
    shutil.copytree(here / "runs", here / "best")
    assert run_command_line(["ui", "best"]) == 0
    assert opened[0]["run"].root.parent.resolve() == here / "runs"
    assert opened[0]["readonly"] is False
