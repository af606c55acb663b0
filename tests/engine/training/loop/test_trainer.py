"""What the loop does: records, validates, keeps two checkpoints, obeys, and stops before a non-finite update."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from toy import NUM_TRAIN, NUM_VAL, Poisoned, ToyTask, reader_of, resolved, run_toy

from trainctl.engine.data.batch import Batch
from trainctl.engine.errors import ExitCode, UserError
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import RunState
from trainctl.engine.training.state.checkpoint import load_checkpoint

TRAIN = {"epochs": 3, "batch_size": 16}


def events(root: Path, kind: EventKind) -> list[Any]:
    return [event for event in reader_of(root).events if event.kind is kind]


def test_every_step_is_recorded_with_what_it_was(tmp_path: Path) -> None:
    run_toy(tmp_path / "run", resolved(train=TRAIN, loss_weights={"size": 0.5}, ema={"decay": 0.9}))
    reader = reader_of(tmp_path / "run")
    records, layout = reader.steps.all(), reader.steps.layout
    assert layout is not None
    assert (layout.terms, layout.scalars, layout.classes) == (("ce", "size"), ("margin",), ("a", "b", "c"))
    assert records["step"].tolist() == list(range(1, 3 * (NUM_TRAIN // 16) + 1))
    np.testing.assert_allclose(records["loss"], records["term.ce"] + 0.5 * records["term.size"], rtol=1e-6)
    groups = sum(records[f"grad_norm.{name}"].astype(float) ** 2 for name in layout.groups)
    np.testing.assert_allclose(records["grad_norm"].astype(float) ** 2, groups, rtol=1e-5)
    assert (records["classes"].sum(1) == 16).all()
    assert (records["num_classes"] == (records["classes"] > 0).sum(1)).all()
    assert np.isfinite(records["update_ratio"]).all()  # the first fifty steps are measured densely
    assert (records["nonfinite"] == 0).all()
    assert np.isnan(records["clip"]).all()


def test_the_recorded_norm_is_the_norm_before_clipping(tmp_path: Path) -> None:
    run_toy(tmp_path / "free", resolved(train={**TRAIN, "max_steps": 1}))
    run_toy(tmp_path / "clipped", resolved(train={**TRAIN, "max_steps": 1}, clip={"grad_norm": 1e-3}))
    free, clipped = (reader_of(tmp_path / name).steps.all()[0] for name in ("free", "clipped"))
    assert free["grad_norm"] == clipped["grad_norm"] > 1e-3
    assert clipped["clip"] == np.float32(1e-3)


def test_clipping_bounds_what_sgd_changes(tmp_path: Path) -> None:
    options = {"name": "sgd", "lr": 1.0, "momentum": 0.0}
    run_toy(tmp_path / "run", resolved(train={**TRAIN, "max_steps": 1}, optimizer=options, clip={"grad_norm": 1e-3}))
    torch.manual_seed(42)
    task = ToyTask(resolved().config)
    start = torch.cat([p.flatten() for p in task.build_model(task.load()).parameters()])
    state = load_checkpoint(RunPaths(tmp_path / "run").latest)["state"]["model"]
    end = torch.cat([value.flatten() for name, value in state.items() if name.split(".")[1] in ("weight", "bias")])
    assert (end - start).norm().item() == pytest.approx(1e-3, rel=1e-3)


def test_epoch_means_are_the_means_of_the_records(tmp_path: Path) -> None:
    run_toy(tmp_path / "run", resolved(train=TRAIN))
    records = reader_of(tmp_path / "run").steps.all()
    for event in events(tmp_path / "run", EventKind.EPOCH):
        part = records[records["epoch"] == event.data["epoch"]]
        assert event.data["train"]["ce"] == pytest.approx(part["term.ce"].mean(), rel=1e-6)


def test_both_raw_and_averaged_weights_are_validated(tmp_path: Path) -> None:
    run_toy(tmp_path / "run", resolved(train=TRAIN, ema={"decay": 0.9}))
    found = events(tmp_path / "run", EventKind.VALIDATION)
    assert [event.data["epoch"] for event in found] == [1, 2, 3]
    assert {(event.data["monitor"], event.data["monitor_mode"]) for event in found} == {("accuracy", "max")}
    assert all({"loss", "ce", "size", "accuracy"} == set(event.data[w]) for event in found for w in ("raw", "ema"))


def test_there_are_exactly_two_checkpoints_and_a_summary(tmp_path: Path) -> None:
    ending = run_toy(tmp_path / "run", resolved(train=TRAIN))
    assert (ending.state, ending.code) == (RunState.FINISHED, ExitCode.OK)
    assert sorted(p.name for p in (tmp_path / "run").glob("*.pth")) == ["best_model.pth", "latest_model.pth"]
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    wanted = {"schema", "state", "steps", "epochs", "seconds", "samples_per_s", "metrics", "best", "findings"}
    judged = {"num_checks", "not_judged", "verdict", "looked_at"}
    assert wanted | judged | {"checkpoint", "exit_reason"} == set(summary)
    best = max(event.data["raw"]["accuracy"] for event in events(tmp_path / "run", EventKind.VALIDATION))
    assert summary["best"]["value"] == pytest.approx(best)
    assert summary["steps"] == 3 * (NUM_TRAIN // 16)


def test_commands_are_obeyed_and_acknowledged_with_their_step(tmp_path: Path) -> None:
    commands = [
        ("set", {"name": "lr", "op": "set", "value": 0.125}),
        ("set", {"name": "weight", "term": "size", "op": "mul", "value": 0.5}),
        ("set", {"name": "weight", "term": "nothing", "op": "set", "value": 1.0}),
        ("set", {"name": "epochs", "op": "set", "value": 5000}),
        ("validate", {}),
        ("pause", {}),
        ("resume", {}),
        ("checkpoint", {}),
        ("stop", {}),
    ]
    ending = run_toy(tmp_path / "run", resolved(train={"epochs": 4000, "batch_size": 16}), commands=commands)
    assert (ending.state, ending.code) == (RunState.STOPPED, ExitCode.STOPPED)
    acknowledged = events(tmp_path / "run", EventKind.COMMAND)
    effects = [event.data["effect"] for event in acknowledged]
    assert effects[0].endswith("-> 0.125")
    assert effects[1] == "weight.size 1 -> 0.5"
    assert effects[2].startswith("refused: no loss term 'nothing'")
    assert effects[3] == "epochs 4000 -> 5000"
    assert effects[4].startswith("validated: accuracy")
    assert effects[5:] == ["paused", "resumed", "checkpoint written", "stopping after this step"]
    records = reader_of(tmp_path / "run").steps.all()
    changed_at = acknowledged[0].step
    after = records[records["step"] > changed_at]
    assert len(after) == 0 or set(after["lr"][:, 0]) == {0.125}


def test_a_refused_number_of_epochs_leaves_the_plan(tmp_path: Path) -> None:
    commands = [("set", {"name": "epochs", "op": "set", "value": 1})]
    run_toy(tmp_path / "run", resolved(train={"epochs": 400, "batch_size": 16}), commands=[*commands, ("stop", {})])
    effect = events(tmp_path / "run", EventKind.COMMAND)[0].data["effect"]
    assert effect.startswith("refused") or effect == "epochs 400 -> 1"


@pytest.mark.parametrize("implementation", ["fused", "foreach"])
def test_a_nonfinite_update_is_skipped_and_the_run_stops(tmp_path: Path, implementation: str) -> None:
    config = resolved(
        train={"epochs": 4000, "batch_size": 16}, optimizer={"lr": 0.01, "implementation": implementation}
    )
    weights: list[torch.Tensor] = []

    class Watched(Poisoned):
        def build_model(self, splits: Any) -> nn.Module:
            model = super().build_model(splits)
            weights.extend(model.parameters())
            return model

    ending = run_toy(tmp_path / "run", config, task_type=Watched)
    assert (ending.state, ending.code) == (RunState.FAILED, ExitCode.RUN_FAILED)
    assert "not finite at step 8" in ending.reason
    assert all(torch.isfinite(w).all() for w in weights)
    records = reader_of(tmp_path / "run").steps.all()
    assert np.isnan(records["loss"][records["step"] == 8]).all()
    assert [event.step for event in events(tmp_path / "run", EventKind.NONFINITE)] == [8]


def test_an_exception_in_the_task_ends_the_run_with_its_place(tmp_path: Path, capsys: Any) -> None:
    class Broken(ToyTask):
        def metrics(self, columns: Any) -> dict[str, float]:
            return {"accuracy": 1 / 0}

    ending = run_toy(tmp_path / "run", resolved(train=TRAIN), task_type=Broken)
    assert ending.code == ExitCode.RUN_FAILED
    assert ending.reason.startswith("ZeroDivisionError: division by zero (test_trainer.py:")
    assert "Traceback" in capsys.readouterr().err
    assert reader_of(tmp_path / "run").state is RunState.FAILED


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"loss_weights": {"cee": 1.0}}, "no loss term 'cee'.*ce, size"),
        ({"train": {**TRAIN, "monitor": "f1"}}, "no validation metric 'f1'.*accuracy"),
        ({"schedule": {"name": "plateau", "metric": "f1"}, "train": TRAIN}, "schedule.metric: no validation"),
        ({"train": {"batch_size": 1000}}, "fewer than one batch of 1000"),
        ({"freeze": ["encoder"]}, "no module 'encoder'"),
        ({"runtime": {"device": "cuda:7"}}, "not available on this machine"),
        ({"runtime": {"device": "gpu0"}}, "is no device"),
    ],
)
def test_options_that_cannot_work_are_named(tmp_path: Path, sections: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        run_toy(tmp_path / "run", resolved(**sections))


def test_early_stopping_ends_a_run_that_does_not_improve(tmp_path: Path) -> None:
    config = resolved(
        train={"epochs": 500, "batch_size": 16},
        optimizer={"lr": 1e-12},
        early_stopping={"patience": 3},
    )
    ending = run_toy(tmp_path / "run", config)
    assert (ending.code, ending.state) == (ExitCode.OK, RunState.FINISHED)
    assert ending.reason.startswith("early stopping: accuracy has not improved for 3")


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_mixed_precision_trains_and_records_its_scale(tmp_path: Path, amp: str) -> None:
    """As the full precision does, step by step.

    Over six seeds the losses are at most 1.3 % apart, on any CPU; a network that stood still is 7 to 11 % off. Whether
    the loss falls within 15 steps is luck, and so not asked (for one seed in five it does not).
    """
    for name in (amp, "off"):
        run_toy(tmp_path / name, resolved(train=TRAIN, precision={"amp": name}))
    records, exact = (reader_of(tmp_path / name).steps.all() for name in (amp, "off"))
    assert np.isfinite(records["amp_scale"]).all() == (amp == "fp16")
    np.testing.assert_allclose(records["loss"], exact["loss"], rtol=0.03)


def test_accumulation_is_the_larger_batch(tmp_path: Path) -> None:
    """Without dropout and batch statistics two half batches give the gradient of the whole."""

    class Plain(ToyTask):
        def build_model(self, splits: Any) -> nn.Module:
            return nn.Linear(8, 3)

        def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
            return batch

    sgd = {"name": "sgd", "lr": 0.1}
    whole = {"epochs": 2, "batch_size": 30}
    halves = {"epochs": 2, "batch_size": 15, "accumulation": 2}
    for name, train in (("whole", whole), ("halves", halves)):
        run_toy(tmp_path / name, resolved(train=train, optimizer=sgd), task_type=Plain)
    a, b = (reader_of(tmp_path / name).steps.all() for name in ("whole", "halves"))
    assert len(a) == len(b) == 2 * NUM_TRAIN // 30
    np.testing.assert_allclose(a["loss"], b["loss"], rtol=1e-5)
    np.testing.assert_allclose(a["grad_norm"], b["grad_norm"], rtol=1e-4)
    assert (b["batch_size"] == 30).all()


def test_validation_sees_every_sample_once(tmp_path: Path) -> None:
    seen: list[int] = []

    class Counting(ToyTask):
        def metrics(self, columns: Any) -> dict[str, float]:
            seen.append(len(columns["hit"]))
            return super().metrics(columns)

    run_toy(tmp_path / "run", resolved(train={**TRAIN, "eval_batch_size": 7}), task_type=Counting)
    assert set(seen) == {NUM_VAL}
