"""What applying a fix means: for the run that goes on, for a new run, for a fork."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trainctl.engine.errors import UserError
from trainctl.engine.runs.commands import Verb, check_args
from trainctl.engine.runs.events import Event, EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.tasks.configured import load_resolved, resolve
from trainctl.tui import presets
from trainctl.tui.health.fixes import live_commands, plan_fix
from trainctl.tui.processes.launch import LaunchRequest

VALUES = {"optimizer": {"lr": 2e-3}, "clip": {"grad_norm": None}, "train": {"epochs": 10}, "loss_weights": {}}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"optimizer.lr": 2e-4}, {"name": "lr", "op": "mul", "value": pytest.approx(0.1)}),
        ({"clip.grad_norm": 1.0}, {"name": "clip", "op": "set", "value": 1.0}),
        ({"train.epochs": 30}, {"name": "epochs", "op": "set", "value": 30}),
        ({"loss_weights.aux": 0.1}, {"name": "weight", "term": "aux", "op": "set", "value": 0.1}),
    ],
)
def test_what_a_run_can_change_while_it_goes_on_is_sent_as_a_command(
    settings: dict[str, Any], words: dict[str, object]
):
    commands = live_commands(settings, VALUES)
    assert commands is not None
    assert commands == [(Verb.SET, words)]
    check_args(*commands[0])


@pytest.mark.parametrize("settings", [{"train.drop_last": True}, {"optimizer.lr": 1e-4, "freeze": []}, {}])
def test_a_fix_of_which_any_part_needs_a_new_run_is_not_sent(settings: dict[str, Any]):
    assert live_commands(settings, VALUES) is None


def lr_command(effect: str, **args: Any) -> Event:
    """A change of the learning rate that took effect, or was refused."""
    return Event(EventKind.COMMAND, 5, 0.0, {"verb": "set", "args": {"name": "lr", **args}, "effect": effect})


def test_a_fix_that_is_asked_for_twice_is_done_once():
    fix = {"optimizer.lr": 2e-4}
    ((_, first),) = live_commands(fix, VALUES) or []
    assert first["value"] == pytest.approx(0.1)
    done = lr_command("lr 0.002 -> 0.0002", op="mul", value=first["value"])
    assert live_commands(fix, VALUES, [done]) == []
    assert live_commands(fix, VALUES, [lr_command("refused: no", op="mul", value=0.1)]) == [(Verb.SET, first)]


def test_a_fix_starts_from_what_is_in_force_not_from_what_was_configured():
    halved = lr_command("lr 0.002 -> 0.001", op="mul", value=0.5)
    ((_, args),) = live_commands({"optimizer.lr": 2e-4}, VALUES, [halved]) or []
    assert args["value"] == pytest.approx(0.2)
    in_decay = lr_command("lr 0.001 -> 0.0002", op="set", value=2e-4)  # a fifth, wherever the schedule stood
    ((_, args),) = live_commands({"optimizer.lr": 2e-4}, VALUES, [in_decay]) or []
    assert args["value"] == pytest.approx(0.5)
    clip = Event(EventKind.COMMAND, 5, 0.0, {"verb": "set", "args": {"name": "clip", "op": "set", "value": 1.0}})
    assert live_commands({"clip.grad_norm": 1.0}, VALUES, [clip]) == []


@pytest.fixture
def configured(empty_run: RunPaths):
    """A run of eyes/conservative, small, with a learning rate of its own."""
    resolved = resolve("eyes/conservative", scale="small", overrides=["optimizer.lr=0.004"])
    empty_run.config.write_text(resolved.to_yaml())
    return empty_run


def test_a_new_run_is_like_the_present_one_but_for_the_fix(configured: RunPaths, tmp_path: Path):
    request = LaunchRequest(tmp_path, preset="eyes/balanced", environ={"HOME": "/"})
    plan = plan_fix({"optimizer.lr": 4e-4}, configured, {"data": "/some/data"}, request)
    assert plan.changes == [("optimizer.lr", 0.004, 0.0004)]
    assert plan.request.data == Path("/some/data") and plan.request.scale == "small"
    assert plan.request.label == "eyes/conservative"
    new, present = presets.resolved(plan.request), load_resolved(configured.config)
    assert new.values() == {**present.values(), "optimizer.lr": 0.0004}


def test_a_run_that_was_started_from_here_keeps_its_way_of_starting(configured: RunPaths, tmp_path: Path):
    request = LaunchRequest(
        tmp_path, preset="eyes/conservative", scale="small", overrides=("optimizer.lr=0.004",), environ={}
    )
    plan = plan_fix({"train.drop_last": False}, configured, {"data": None}, request)
    assert plan.request.preset == "eyes/conservative"
    assert plan.request.overrides == ("optimizer.lr=0.004", "train.drop_last=false")
    assert plan.changes == [("train.drop_last", True, False)]


def test_a_fork_takes_the_fix_alone(configured: RunPaths, tmp_path: Path):
    plan = plan_fix({"optimizer.lr": 4e-4}, configured, {}, LaunchRequest(tmp_path, environ={"A": "b"}))
    fork = plan.fork(configured, best=True)
    assert fork.fork == configured.root and fork.fork_from == "best" and fork.preset is None
    assert fork.overrides == plan.overrides and fork.environ == {"A": "b"}


def test_the_users_own_task_is_not_imported(configured: RunPaths, tmp_path: Path):
    text = configured.config.read_text().replace("task: eyes", "task: /no/such/file.py:Task")
    configured.config.write_text(text)
    plan = plan_fix({"optimizer.lr": 4e-4}, configured, {}, LaunchRequest(tmp_path))
    assert plan.changes == [("optimizer.lr", 0.004, 0.0004)]
    assert plan.request.preset == str(configured.config.resolve())


def test_a_fix_that_does_not_fit_the_configuration_is_refused(configured: RunPaths, tmp_path: Path):
    with pytest.raises(UserError, match=r"optimizer\.lr"):
        plan_fix({"optimizer.lr": -1.0}, configured, {}, LaunchRequest(tmp_path))


def test_a_run_without_a_configuration_cannot_be_fixed(empty_run: RunPaths, tmp_path: Path):
    with pytest.raises(UserError, match="not found"):
        plan_fix({"optimizer.lr": 1e-4}, empty_run, {}, LaunchRequest(tmp_path))
