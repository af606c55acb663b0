"""`trainctl sweep` as it is typed, its trainings played: what is told, kept, taken over, ended and refused."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path
from typing import Any

import pytest
from fake_trials import COMMON, NAME, FakeProcess, FakeTrainer, Sweep, space_file, trials

from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.commands import send_command
from trainctl.engine.runs.index import run_names
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.tasks.configured import resolve
from trainctl.tui.cli.main import run_command_line
from trainctl.tui.cli.sweep.verdict import Verdict
from trainctl.tui.run.trial import RunTrial, TrialState, read_trial, trials_of

pytest.importorskip("optuna")


def test_trials_are_runs_and_the_table_has_the_best_first(sweep: Sweep, trainer: FakeTrainer) -> None:
    code, out, err = sweep(*COMMON, "-n", "6", "--pruner", "none", "train.epochs=3")
    assert code == ExitCode.OK
    assert err.startswith(f"study {NAME}: begun, 0 of 6 trials are done\ntrial 0: f1 ")
    assert err.count("\n") == 7 and "\x1b" not in out + err
    assert "f1, more is better; sampler tpe" in out and "6 trials: 6 complete" in out
    found = trials()
    assert [one.number for one in found] == list(range(6)) and all(one.state == "complete" for one in found)
    best = max(found, key=lambda one: one.value or 0)
    assert best.epoch == 3 and f"\n*  {best.number} " in out
    assert (
        f"trainctl run --preset balanced --scale small train.epochs=3 optimizer.lr={best.params['optimizer.lr']}" in out
    )
    assert [one["optimizer.lr"] for one in trainer.started] == [one.params["optimizer.lr"] for one in found]
    assert all("eyes-balanced-space-t00" in name for name in run_names(Path("runs")))


def test_the_same_command_goes_on_and_ends_at_the_total(sweep: Sweep, trainer: FakeTrainer) -> None:
    sweep(*COMMON, "-n", "4")
    code, out, err = sweep(*COMMON, "-n", "4")
    assert (code, err) == (0, f"study {NAME}: joined, 4 of 4 trials are done\n")
    assert "4 trials: 4 complete" in out and len(trainer.started) == 4
    assert sweep(*COMMON, "-n", "6")[0] == 0 and len(trainer.started) == 6


def test_the_document_says_the_same(sweep: Sweep) -> None:
    code, out, _ = sweep(*COMMON, "-n", "3", "--json")
    document = json.loads(out)
    assert code == 0 and document["best"] in (0, 1, 2) and document["left"] == []
    assert [trial["state"] for trial in document["trials"]] == ["complete"] * 3
    assert document["space"] == {"optimizer.lr": {"low": 1e-5, "high": 0.1, "log": True, "int": False}}
    assert json.loads(sweep("status", "--json")[1]) == document
    assert sweep("status", NAME)[1].count("complete") == 4


def test_the_best_becomes_a_preset_that_is_never_written_over(sweep: Sweep, tmp_path: Path) -> None:
    code, out, _ = sweep(*COMMON, "-n", "5", "train.epochs=3", "--write-best", "best.yaml")
    assert code == 0 and "wrote best.yaml" in out
    best = max(trials(), key=lambda one: one.value or 0)
    values = resolve(str(tmp_path / "best.yaml"), scale="small").values()
    varied = resolve("balanced", scale="small", overrides=["train.epochs=3"]).values()
    assert values == varied | {"optimizer.lr": best.params["optimizer.lr"]}
    code, out, err = sweep(*COMMON, "-n", "5", "train.epochs=3", "--write-best", "best.yaml")
    assert (code, out) == (2, "") and "best.yaml is there already" in err


def test_failed_trials_are_told_with_their_reason(sweep: Sweep, trainer: FakeTrainer) -> None:
    def formula(params: Any, epoch: int) -> float:
        if params["optimizer.lr"] > 1e-3 and epoch == 2:
            raise ArithmeticError("the loss is not finite")
        return math.nan if params["optimizer.lr"] < 1e-4 else 0.5

    trainer.formula = formula
    code, out, err = sweep(*COMMON, "-n", "12", "--sampler", "random")
    assert code == 0
    for one in trials():
        rate = one.params["optimizer.lr"]
        assert one.state == ("failed" if rate > 1e-3 or rate < 1e-4 else "complete")
        if rate > 1e-3:
            assert (one.reason, one.value) == ("the loss is not finite", 0.5)
        elif rate < 1e-4:
            assert one.reason == "f1 was never finite"
    assert "failed: the loss is not finite (f1 0.5)" in err and "the loss is not finite  [" in out


def test_where_nothing_but_failures_comes_it_is_ended(sweep: Sweep, trainer: FakeTrainer) -> None:
    def formula(params: Any, epoch: int) -> float:
        raise ArithmeticError("no data there")

    trainer.formula = formula
    code, out, err = sweep(*COMMON, "-n", "40")
    assert (code, out, len(trainer.started)) == (2, "", 5)
    assert err.endswith("trainctl: error: 5 trials failed one after the other, the last: no data there; mend that\n")


def test_a_metric_that_no_run_has_ends_it_at_the_first_validation(sweep: Sweep, trainer: FakeTrainer) -> None:
    code, _, err = sweep(*COMMON, "-n", "5", "--metric", "accuracy")
    assert code == 2 and len(trainer.started) == 1
    assert "has no validation metric 'accuracy'; it has: f1, loss" in err.splitlines()[-1]
    assert [one.state for one in trials()] == [TrialState.FAILED]


def test_a_trial_worse_than_the_others_is_stopped_through_its_command_file(sweep: Sweep, trainer: FakeTrainer) -> None:
    trainer.formula = lambda params, epoch: 0.9 if len(trainer.started) <= 5 else 0.1
    code, out, err = sweep(*COMMON, "-n", "6", "train.epochs=3")
    assert code == 0 and "trial 5: pruned after epoch 1 (f1 0.1)" in err and "5 complete, 1 pruned" in out
    ((run, last),) = trials_of(Path("runs"), NAME)[5:]
    assert (last.state, last.value) == (TrialState.PRUNED, 0.1)
    (command,) = [json.loads(line) for line in run.commands.read_text().splitlines()]
    assert (command["verb"], command["sender"]) == ("stop", "sweep")


def test_a_trial_that_somebody_stops_counts_as_far_as_it_came(sweep: Sweep, trainer: FakeTrainer) -> None:
    def stop(process: FakeProcess) -> None:
        if process.epoch == 2:
            send_command(process.run.paths, "stop", {})

    trainer.meanwhile = stop
    assert sweep(*COMMON, "-n", "1")[0] == ExitCode.RUN_FAILED
    assert [(one.state, one.reason) for one in trials()] == [("pruned", "stopped by somebody after epoch 2")]


def test_a_grid_ends_when_every_point_was_tried(sweep: Sweep, trainer: FakeTrainer, tmp_path: Path) -> None:
    space_file(tmp_path, "optimizer.lr: {choices: [1e-3, 1e-2]}\ntrain.batch_size: {low: 16, high: 48, step: 16}\n")
    code, out, err = sweep(*COMMON, "--sampler", "grid", "-n", "100", "--pruner", "none")
    assert code == 0 and "0 of 6 trials are done" in err and "6 trials: 6 complete" in out
    points = {(one["optimizer.lr"], one["train.batch_size"]) for one in trainer.started}
    assert len(points) == len(trainer.started) == 6


def test_a_study_of_something_else_is_not_joined(sweep: Sweep, trainer: FakeTrainer, tmp_path: Path) -> None:
    sweep(*COMMON, "-n", "2")
    space_file(tmp_path, "optimizer.lr: {low: 1e-4, high: 1e-1, log: true}\n")
    code, out, err = sweep(*COMMON, "-n", "4")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "was begun with another space: optimizer.lr {low: 1.0e-05, high: 0.1, log: true}, not {low: 0.0001," in err
    assert sweep(*COMMON, "-n", "2", "--name", "other")[0] == 0
    space_file(tmp_path)
    assert "was begun with train.epochs 16, not 4" in sweep(*COMMON, "-n", "4", "train.epochs=4")[2]
    assert len(trainer.started) == 4


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--preset", "balanced"], "what is to be varied?; name a file with --space FILE"),
        (["--preset", "balanced", "--scale", "small", "--space", "none.yaml"], "file not found: none.yaml"),
        (["--preset", "balancd", "--scale", "small", "--space", "space.yaml"], "balancd"),
        ([*COMMON, "optimizer.lr=3"], "optimizer.lr is set on the command line as well"),
        ([*COMMON, "optimizer.lrr=3"], "unknown key optimizer.lrr"),
        ([*COMMON, "balanced"], "'balanced' is not KEY=VALUE"),
        ([*COMMON, "--name", "../up"], "--name ../up: not a name for a study"),
        ([*COMMON, "--sampler", "grid"], "optimizer.lr is a range without steps"),
        ([*COMMON, "--sampler", "cmaes"], "'cmaes' is not one of 'tpe', 'random', 'grid'"),
        ([*COMMON, "-n", "0"], "invalid value for '--trials'"),
        ([*COMMON, "--metric", "wer_of_mine"], "is more of it better, or less?; say --direction max or min"),
        ([*COMMON, "--write-best", "space.yaml"], "space.yaml is there already"),
        ([*COMMON, "--write-best", "none/best.yaml"], "no folder none"),
        ([*COMMON, "--runs-dir", "space.yaml"], "Not a directory"),
        ([*COMMON, "--runs-dir", "/proc/none"], "cannot write /proc/none"),
        (["status"], "no study in runs; begin one with --space FILE"),
        (["status", "none"], "no study 'none' in runs"),
        (["status", "a", "b"], "a and b: one study at a time"),
    ],
)
def test_what_cannot_be_swept_is_one_line_and_starts_nothing(
    sweep: Sweep, trainer: FakeTrainer, words: list[str], says: str
) -> None:
    code, out, err = sweep(*words)
    assert (code, out, err.count("\n")) == (ExitCode.USAGE, "", 1), err
    assert says in err and trainer.started == [] and not Path("runs/sweeps").exists()


def test_a_damaged_study_is_one_line(sweep: Sweep, trainer: FakeTrainer) -> None:
    sweep(*COMMON, "-n", "2")
    file = Path("runs/sweeps") / NAME / "journal.log"
    file.write_bytes(b"{]\n" + file.read_bytes())
    code, out, err = sweep(*COMMON, "-n", "4")
    assert (code, out, err.count("\n")) == (2, "", 1) and "journal.log is damaged" in err
    (file.parent / "study.json").write_text("{}")
    code, out, err = sweep(*COMMON, "-n", "4")
    assert (code, out, err.count("\n")) == (2, "", 1) and "study.json" in err and len(trainer.started) == 2


def test_without_the_extra_it_says_what_to_install(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainctl.tui.cli.sweep import journal as journal_module

    real = importlib.util.find_spec
    monkeypatch.setattr(journal_module, "find_spec", lambda name: None if name == "optuna" else real(name))
    code, _, err = sweep(*COMMON)
    assert code == 2 and err == (
        "trainctl: error: trainctl sweep needs the extra `sweep`; install it: pip install 'trainctl-cockpit[sweep]'\n"
    )


def test_a_loss_that_its_own_weights_change_is_warned_of(sweep: Sweep, tmp_path: Path) -> None:
    space_file(tmp_path, "loss_weights.bce: {low: 0.1, high: 2}\n")
    _, _, err = sweep(*COMMON, "-n", "1", "--metric", "loss")
    assert "loss_weights.bce changes what loss is, by which the trials are ranked" in err


def test_trials_are_compared_by_the_name_of_their_study(
    sweep: Sweep, trainer: FakeTrainer, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(*COMMON, "-n", "7", "--pruner", "none")
    assert run_command_line(["compare", "--study", NAME]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[0].split() == ["#", "f1", "epoch", "lr", "state", "run"] and len(lines[1].split()) == 7
    figures = next(line for line in lines if line.startswith("FIGURES"))
    assert len(figures.split()) == 6, "the best five"
    assert run_command_line(["compare", "--study", NAME, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert len(document["trials"]) == 7 and len(document["runs"]) == 5
    assert run_command_line(["compare", "--study", "none"]) == 2
    assert f"there is: {NAME}" in capsys.readouterr().err


def test_of_a_study_with_one_run_there_is_a_table_alone(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    sweep(*COMMON, "-n", "1")
    assert run_command_line(["compare", "--study", NAME]) == 0
    assert capsys.readouterr().out.count("\n") == 2


def test_a_verdict_is_kept_in_the_run_s_folder(tmp_path: Path) -> None:
    from trainctl.tui.run.trial import write_trial

    run = RunPaths(tmp_path)
    assert read_trial(run) is None
    whole = RunTrial("s", 3, {"a.b": [1, None, "x"]}, TrialState.PRUNED, "f1", "max", 0.5, 2, "after epoch 2")
    write_trial(run, whole)
    assert read_trial(run) == whole
    assert Verdict(TrialState.FAILED).value is None


def test_where_no_command_is_obeyed_a_trial_is_ended_as_ctrl_c_does(
    sweep: Sweep, trainer: FakeTrainer, tmp_path: Path
) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs").chmod(0o770)  # whoever may write here could command a run
    trainer.formula = lambda params, epoch: 0.9 if len(trainer.started) <= 5 else 0.1
    code, out, _ = sweep(*COMMON, "-n", "6", "train.epochs=3")
    assert code == 0 and "5 complete, 1 pruned" in out
    run, last = trials_of(Path("runs"), NAME)[5]
    assert last.reason == "after epoch 1" and not run.commands.exists()


def test_a_preset_of_ones_own_is_swept_and_extended(sweep: Sweep, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "mine.yaml").write_text("extends: eyes/balanced\noptimizer: {weight_decay: 0.5}\n")
    words = ["--preset", "sub/mine.yaml", "--space", "space.yaml", "--scale", "small", "-n", "2"]
    code, _, err = sweep(*words, "--write-best", "best.yaml")
    assert code == 0 and err.startswith("study sub-mine-space: begun")
    values = resolve(str(tmp_path / "best.yaml"), scale="small").values()
    assert values["optimizer.weight_decay"] == 0.5
    ((_, trial), *_) = sorted(trials_of(Path("runs"), "sub-mine-space"), key=lambda pair: -(pair[1].value or 0))
    assert values["optimizer.lr"] == trial.params["optimizer.lr"]
