"""A fork: the same steps as the parent under the same configuration, and what goes with it under another one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from forks import TRAIN, assert_goes_on_like, fork_toy, said, sections, state_of
from same_run import SCHEDULES, same
from torch import nn
from toy import NUM_TRAIN, ToyTask, reader_of, resolved, run_toy

from trainctl.engine.data.batch import Splits
from trainctl.engine.errors import ExitCode, UserError
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.tasks.task import Task
from trainctl.engine.training.fork import Origin, inherit
from trainctl.engine.training.setup import Assembly, assemble_run
from trainctl.engine.training.state.checkpoint import load_checkpoint

STEPS = NUM_TRAIN // 16


def snapshot(root: Path) -> dict[str, tuple[int, bytes]]:
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in root.iterdir()}


@pytest.mark.few(3)
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("step", [3, STEPS, 8])
def test_a_fork_without_changes_takes_the_steps_its_parent_would_have_taken(
    tmp_path: Path, schedule: str, step: int
) -> None:
    same_sections = sections(schedule=SCHEDULES[schedule])
    run_toy(tmp_path / "whole", resolved(**same_sections))
    assert run_toy(tmp_path / "parent", resolved(**same_sections), signal_at=step).code == ExitCode.TERMINATED
    before = snapshot(tmp_path / "parent")
    fork_toy(tmp_path / "fork", tmp_path / "parent", same_sections)
    assert_goes_on_like(tmp_path / "whole", tmp_path / "fork", step)
    assert snapshot(tmp_path / "parent") == before
    assert said(tmp_path / "fork", EventKind.WARNING) == []
    bests = [
        [event.step for event in reader_of(tmp_path / name).events if event.data.get("best")]
        for name in ("whole", "fork")
    ]
    assert bests[1] == [at for at in bests[0] if at > step or (at == step == STEPS)]


def test_a_fork_names_its_parent(tmp_path: Path) -> None:
    run_toy(tmp_path / "parent", resolved(**sections()), signal_at=7)
    now = sections(optimizer={"lr": 0.02})
    fork_toy(tmp_path / "fork", tmp_path / "parent", sections(), now)
    reader = reader_of(tmp_path / "fork")
    assert reader.meta is not None
    expected = {
        "run": "parent",
        "path": str(tmp_path / "parent"),
        "step": 7,
        "checkpoint": "latest_model.pth",
        "changed": {"optimizer.lr": [0.01, 0.02]},
    }
    assert reader.meta["forked_from"] == expected
    assert [(event.kind, event.step) for event in reader.events[:2]] == [(EventKind.START, 7), (EventKind.NOTE, 7)]
    assert reader.events[0].data["forked_from"] == expected
    assert reader.events[1].data["text"] == "forked from parent at step 7"
    assert int(reader.steps.all()["step"][0]) == 8


def test_a_fork_of_the_best_checkpoint_goes_on_from_there(tmp_path: Path) -> None:
    run_toy(tmp_path / "parent", resolved(**sections()))
    step = load_checkpoint(RunPaths(tmp_path / "parent").best)["about"]["step"]
    longer = sections(train={**TRAIN, "epochs": 6})
    fork_toy(tmp_path / "fork", tmp_path / "parent", sections(), longer, best=True)
    assert int(reader_of(tmp_path / "fork").steps.all()["step"][0]) == step + 1
    run_toy(tmp_path / "whole", resolved(**longer))  # constant and plateau plans do not look at the horizon
    assert_goes_on_like(tmp_path / "whole", tmp_path / "fork", step)


def test_the_best_so_far_comes_with_its_checkpoint_where_it_still_counts(tmp_path: Path) -> None:
    run_toy(tmp_path / "parent", resolved(**sections()))
    longer = sections(train={**TRAIN, "epochs": 5})
    fork_toy(tmp_path / "fork", tmp_path / "parent", sections(), longer)
    best = state_of(tmp_path / "fork")["best"]
    assert load_checkpoint(RunPaths(tmp_path / "fork").best)["about"]["step"] == best["step"]
    other = sections(train={**TRAIN, "epochs": 5}, clip={"grad_norm": 0.5})
    fork_toy(tmp_path / "other", tmp_path / "parent", sections(), other)
    assert state_of(tmp_path / "other")["best"]["step"] == 5 * STEPS
    assert "the best checkpoint and patience start anew with the changed configuration" in said(
        tmp_path / "other", EventKind.NOTE
    )


def test_a_best_that_the_parent_has_left_behind_is_not_taken_for_its_newest(tmp_path: Path) -> None:
    run_toy(tmp_path / "parent", resolved(**sections()))
    paths = RunPaths(tmp_path / "parent")
    content = load_checkpoint(paths.best)
    content["about"]["step"] = 10_000  # as if it had gone on and found a better one
    torch.save(content, paths.best)
    fork_toy(tmp_path / "fork", tmp_path / "parent", sections(), sections(train={**TRAIN, "epochs": 5}))
    assert state_of(tmp_path / "fork")["best"]["step"] == 5 * STEPS
    assert "the best checkpoint starts anew: the parent has gone on to a better one" in said(
        tmp_path / "fork", EventKind.NOTE
    )


@pytest.mark.parametrize("accumulation", [1, 2])
def test_with_another_batch_size_step_and_plan_are_those_of_the_new_configuration(
    tmp_path: Path, accumulation: int
) -> None:
    run_toy(tmp_path / "parent", resolved(**sections()), signal_at=8)
    schedule = {"name": "cosine", "interval": "step"}
    now = sections(train={"epochs": 4, "batch_size": 8, "accumulation": accumulation}, schedule=schedule)
    fork_toy(tmp_path / "fork", tmp_path / "parent", sections(), now)
    run_toy(tmp_path / "alone", resolved(**now))
    fork, alone = (reader_of(tmp_path / name).steps.all() for name in ("fork", "alone"))
    assert fork["step"].tolist() == alone["step"][8:].tolist()
    for name in ("lr", "epoch", "classes", "batch_size"):  # classes: the same samples in the same order
        np.testing.assert_array_equal(fork[name], alone[name][8:])


def lr_after(root: Path) -> float:
    return float(reader_of(root).steps.all()["lr"][0, 0])


def test_live_changes_go_with_a_fork_until_what_they_changed_is_configured_otherwise(tmp_path: Path) -> None:
    changes: Sequence[tuple[str, dict[str, Any]]] = [
        ("set", {"name": "lr", "op": "mul", "value": 0.5}),
        ("set", {"name": "weight", "term": "size", "op": "set", "value": 0.25}),
        ("set", {"name": "clip", "op": "set", "value": 0.3}),
        ("stop", {}),
    ]
    before = sections(schedule={"name": "constant"})
    run_toy(tmp_path / "parent", resolved(**before), commands=changes)
    fork_toy(tmp_path / "kept", tmp_path / "parent", before, {**before, "early_stopping": {"patience": 9}})
    kept = reader_of(tmp_path / "kept").steps.all()
    assert (lr_after(tmp_path / "kept"), float(kept["weight.size"][0])) == (0.005, 0.25)
    assert float(kept["clip"][0]) == pytest.approx(0.3)
    now = {**before, "optimizer": {"lr": 0.02}, "clip": {"grad_norm": 2.0}, "loss_weights": {"size": 0.75}}
    fork_toy(tmp_path / "new", tmp_path / "parent", before, now)
    new = reader_of(tmp_path / "new").steps.all()
    assert (lr_after(tmp_path / "new"), float(new["weight.size"][0]), float(new["clip"][0])) == (0.02, 0.75, 2.0)
    notes = said(tmp_path / "new", EventKind.NOTE)
    assert "the learning rate is the new plan's; its live factor 0.5 is left behind" in notes
    assert "the loss weight of size is 0.75, as configured; the parent's was 0.25" in notes


# --- the optimiser ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        {"lr": 0.5, "weight_decay": 0.1, "betas": (0.5, 0.6)},
        {"weight_decay": 0.1, "decay_all": False},  # two groups: other numbers for the same parameters
        {"implementation": "loop"},
    ],
)
def test_moments_go_with_their_parameters_and_constants_are_the_new_ones(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    run_toy(tmp_path / "parent", resolved(**sections()), signal_at=7)
    now = sections(optimizer={"lr": 0.01, **changed})
    assembly = inherit_toy(origin_of(tmp_path / "parent", sections()), now)
    theirs = state_of(tmp_path / "parent")
    names = [name for name, _ in assembly.state.model.named_parameters()]
    moments = dict(zip(names, theirs["optimizer"]["state"].values(), strict=True))
    for name, param in assembly.state.model.named_parameters():
        assert torch.equal(assembly.state.optimizer.state[param]["exp_avg"], moments[name]["exp_avg"]), name
    group = assembly.state.optimizer.param_groups[0]
    assert group["weight_decay"] == changed.get("weight_decay", 0)
    assert group["betas"] == changed.get("betas", (0.9, 0.999))


def origin_of(parent: Path, before: dict[str, Any]) -> Origin:
    return Origin(RunPaths(parent), RunPaths(parent).latest, resolved(**before), None)


def inherit_toy(origin: Origin, now: dict[str, Any]) -> Assembly:
    config = resolved(**now)
    assembly = assemble_run(config.config, ToyTask, None)
    inherit(origin, assembly, config, None)
    return assembly


def test_a_part_can_be_frozen_in_a_fork_and_thawed_in_the_next(tmp_path: Path) -> None:
    run_toy(tmp_path / "parent", resolved(**sections()), signal_at=7)
    frozen = sections(freeze=["0"])
    fork_toy(tmp_path / "frozen", tmp_path / "parent", sections(), frozen)
    parent, child = state_of(tmp_path / "parent"), state_of(tmp_path / "frozen")
    assert torch.equal(parent["model"]["0.weight"], child["model"]["0.weight"])
    assert not torch.equal(parent["model"]["4.weight"], child["model"]["4.weight"])
    assert said(tmp_path / "frozen", EventKind.WARNING) == []
    longer = sections(train={**TRAIN, "epochs": 6})
    fork_toy(tmp_path / "thawed", tmp_path / "frozen", frozen, longer)
    assert said(tmp_path / "thawed", EventKind.WARNING) == [
        "2 of 6 parameters start without moments: frozen in the parent"
    ]


def test_another_optimiser_starts_without_moments_and_says_so(tmp_path: Path) -> None:
    run_toy(tmp_path / "parent", resolved(**sections()), signal_at=7)
    fork_toy(tmp_path / "fork", tmp_path / "parent", sections(), sections(optimizer={"name": "sgd", "lr": 0.01}))
    assert said(tmp_path / "fork", EventKind.WARNING) == [
        "the optimiser starts without moments: the parent's is adamw, this one sgd"
    ]


def test_averages_start_from_the_parents_weights_where_it_kept_none(tmp_path: Path) -> None:
    without = sections(ema={})
    run_toy(tmp_path / "parent", resolved(**without), signal_at=7)
    assembly = inherit_toy(origin_of(tmp_path / "parent", without), sections())
    assert assembly.state.ema is not None
    assert same(dict(assembly.state.ema.module.state_dict()), dict(state_of(tmp_path / "parent")["model"]))


# --- data and random numbers ------------------------------------------------------------------------------


def test_another_seed_is_another_split_and_other_random_numbers(tmp_path: Path) -> None:
    run_toy(tmp_path / "parent", resolved(**sections()), signal_at=7)
    fork_toy(tmp_path / "fork", tmp_path / "parent", sections(), sections(seed=7))
    (warning,) = said(tmp_path / "fork", EventKind.WARNING)
    assert warning.startswith("the data or its split is not the parent's (seed 42 -> 7)")
    assembly = inherit_toy(origin_of(tmp_path / "parent", sections()), sections(seed=7))
    fresh = torch.Generator().manual_seed(7).get_state()
    assert torch.equal(assembly.state.generator.get_state(), fresh)


def test_random_numbers_of_another_kind_of_device_start_anew(tmp_path: Path) -> None:
    run_toy(tmp_path / "parent", resolved(**sections()), signal_at=7)
    latest = RunPaths(tmp_path / "parent").latest
    content = load_checkpoint(latest)
    content["state"]["generator"] = torch.zeros(16, dtype=torch.uint8)  # as large as a GPU's
    torch.save(content, latest)
    fork_toy(tmp_path / "fork", tmp_path / "parent", sections())
    assert "random numbers start anew: the parent trained on another kind of device" in said(
        tmp_path / "fork", EventKind.NOTE
    )


# --- refusals ---------------------------------------------------------------------------------------------


class Wider(ToyTask):
    """Another network."""

    def build_model(self, splits: Splits) -> nn.Module:
        return nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 3))


class OtherClasses(ToyTask):
    """Another meaning of the outputs."""

    def load(self) -> Splits:
        splits = super().load()
        return Splits(splits.train, splits.val, classes=("x", "y", "z"))


@pytest.mark.parametrize(
    ("task_type", "now", "message"),
    [
        (Wider, sections(), r"is of another network: 0.weight is 16x8 in it and 32x8 here; a fork keeps"),
        (OtherClasses, sections(), r"knows other classes: a, b, c; here: x, y, z"),
        (ToyTask, sections(train={**TRAIN, "epochs": 1}), r"step 7 .* end of the fork's 1 epochs .*train.epochs=2"),
        (ToyTask, sections(train={**TRAIN, "max_steps": 7}), r"end of the fork's 7 steps.*train.max_steps=14"),
    ],
)
def test_what_does_not_fit_is_refused_before_there_is_a_run(
    tmp_path: Path, task_type: type[Task], now: dict[str, Any], message: str
) -> None:
    run_toy(tmp_path / "parent", resolved(**sections()), signal_at=7)
    before = snapshot(tmp_path / "parent")
    with pytest.raises(UserError, match=message):
        fork_toy(tmp_path / "fork", tmp_path / "parent", sections(), now, task_type=task_type)
    assert not (tmp_path / "fork").exists()
    assert snapshot(tmp_path / "parent") == before


# --- afterwards -------------------------------------------------------------------------------------------


def test_a_fork_is_resumed_like_any_run_also_when_it_was_killed_before_its_first_step(tmp_path: Path) -> None:
    now = sections(optimizer={"lr": 0.02})
    run_toy(tmp_path / "parent", resolved(**sections()), signal_at=7)
    fork_toy(tmp_path / "whole", tmp_path / "parent", sections(), now)
    fork_toy(tmp_path / "fork", tmp_path / "parent", sections(), {**now, "train": {**TRAIN, "max_steps": 8}})
    paths = RunPaths(tmp_path / "fork")
    first = inherit_toy(origin_of(tmp_path / "parent", sections()), now).state.state_dict()
    content = load_checkpoint(paths.latest)
    torch.save({**content, "state": first}, paths.latest)  # killed in its second step, with only its first checkpoint
    (tmp_path / "parent").rename(tmp_path / "gone")  # a fork needs its parent no more
    run_toy(tmp_path / "fork", resolved(**now), resume=True)
    assert_goes_on_like_fork(tmp_path / "whole", tmp_path / "fork")
    resumes = [event.data for event in reader_of(tmp_path / "fork").events if event.kind is EventKind.RESUME]
    assert resumes == [{"from_step": 7, "from_epoch": 1, "dropped": 1}]
    assert reader_of(tmp_path / "fork").current_events()[0].kind is EventKind.START


def assert_goes_on_like_fork(one: Path, other: Path) -> None:
    records = [reader_of(root).steps.all() for root in (one, other)]
    assert records[0]["step"].tolist() == records[1]["step"].tolist() == list(range(8, 4 * STEPS + 1))
    np.testing.assert_array_equal(records[0]["loss"], records[1]["loss"])
    assert same(state_of(one)["model"], state_of(other)["model"])


def test_a_fork_that_lost_its_checkpoint_does_not_start_over_from_nothing(tmp_path: Path) -> None:
    run_toy(tmp_path / "parent", resolved(**sections()), signal_at=7)
    fork_toy(tmp_path / "fork", tmp_path / "parent", sections())
    RunPaths(tmp_path / "fork").latest.unlink()
    with pytest.raises(UserError, match="a fork cannot start over; fork again"):
        run_toy(tmp_path / "fork", resolved(**sections()), resume=True)


def test_a_fork_can_be_forked(tmp_path: Path) -> None:
    run_toy(tmp_path / "whole", resolved(**sections()))
    run_toy(tmp_path / "parent", resolved(**sections()), signal_at=3)
    limited = sections(train={**TRAIN, "max_steps": 9})
    fork_toy(tmp_path / "child", tmp_path / "parent", sections(), limited)
    fork_toy(tmp_path / "grandchild", tmp_path / "child", limited, sections())
    assert_goes_on_like(tmp_path / "whole", tmp_path / "grandchild", 9)
