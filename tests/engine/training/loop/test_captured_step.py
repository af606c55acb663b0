"""A step that is recorded and launched is the step that is written: same records, weights and answers to changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from forks import TRAIN, assert_goes_on_like, fork_toy, sections
from same_run import SCHEDULES, assert_same_run
from tape import TapeRecording
from torch import nn
from toy import ToyTask, reader_of, resolved, run_toy
from two_groups import Rivals

from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.data.samplers.sampler import RandomSampler, Sampler
from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.tasks.configured import resolve
from trainctl.engine.tasks.emotion.task import EmotionTask
from trainctl.engine.tasks.eyes.task import EyesTask
from trainctl.engine.tasks.quality.task import QualityTask
from trainctl.engine.tasks.task import StepOutput, Task, Turn
from trainctl.engine.tasks.weld.task import WeldTask
from trainctl.engine.training.loop import capturing
from trainctl.engine.training.state.checkpoint import load_checkpoint

TOLERANCE = 1e-4
"""Relative. The rate and the share of the average are float32 on the device, double in Python; the rest is the same."""
COLUMNS = ("loss", "grad_norm", "update_ratio", "lr", "clip")


@pytest.fixture
def tape(monkeypatch: pytest.MonkeyPatch) -> TapeRecording:
    """What records on this CPU."""
    recording = TapeRecording()
    monkeypatch.setattr(capturing, "make_recording", lambda *_: recording)
    return recording


class Blobs(ToyTask):
    """The toy task without a bias in front of BatchNorm: its gradient is rounding, which Adam makes steps of."""

    def build_model(self, splits: Splits) -> nn.Module:
        model = super().build_model(splits)
        assert isinstance(model, nn.Sequential)
        model[0] = nn.Linear(8, 16, bias=False)
        return model


def captured(mode: str = "on", **sections: Any) -> Any:
    train = {"epochs": 6, "batch_size": 16} | sections.pop("train", {})
    return resolved(**sections, train=train, precision={"capture": mode})


def notes_of(root: Path) -> list[str]:
    return [event.data["text"] for event in reader_of(root).current_events() if event.kind is EventKind.NOTE]


def assert_alike(one: Path, other: Path) -> None:
    """Same records within the tolerance, and same weights."""
    a, b = (reader_of(root).steps.all() for root in (one, other))
    assert a["step"].tolist() == b["step"].tolist()
    for name in COLUMNS:
        np.testing.assert_allclose(b[name], a[name], rtol=TOLERANCE, err_msg=name)
    models = [load_checkpoint(RunPaths(root).latest)["state"]["model"] for root in (one, other)]
    for name, weight in models[0].items():
        torch.testing.assert_close(models[1][name], weight, rtol=TOLERANCE, atol=1e-5)


CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "average": {"ema": {"decay": 0.9}},
    "average-copied": {"ema": {"decay": 0.9, "ramp": False, "buffers": "copy"}},
    "clipped": {"clip": {"grad_norm": 0.3}},
    "accumulated": {"train": {"accumulation": 2}},
    "odd-last-batch": {"train": {"drop_last": False}},
    "ramped-weights": {"weighting": {"ramp": {"size": 4}}, "loss_weights": {"size": 0.3}},
    "adaptive-weights": {"weighting": {"adaptive": True}},
    "sgd": {"optimizer": {"name": "sgd", "lr": 0.05}},
    "adam": {"optimizer": {"name": "adam", "weight_decay": 0.1}},
    **{f"schedule-{name}": {"schedule": schedule} for name, schedule in SCHEDULES.items()},
}


@pytest.mark.few(2)
@pytest.mark.parametrize("case", CASES)
def test_a_captured_run_is_the_eager_run(tmp_path: Path, tape: TapeRecording, case: str) -> None:
    run_toy(tmp_path / "eager", captured("off", **CASES[case]), task_type=Blobs)
    assert tape.num_recorded == 0
    run_toy(tmp_path / "captured", captured("on", **CASES[case]), task_type=Blobs)
    assert tape.num_launched > 10
    assert_alike(tmp_path / "eager", tmp_path / "captured")


def test_validations_give_the_same_metrics(tmp_path: Path, tape: TapeRecording) -> None:
    def metrics(root: Path) -> list[Any]:
        events = reader_of(root).current_events()
        return [
            {name: event.data[name] for name in ("raw", "ema")}
            for event in events
            if event.kind is EventKind.VALIDATION
        ]

    for mode in ("off", "on"):
        run_toy(tmp_path / mode, captured(mode, ema={"decay": 0.9}, train={"eval_batch_size": 7}), task_type=Blobs)
    found, expected = metrics(tmp_path / "on"), metrics(tmp_path / "off")
    assert len(found) == 6
    for one, other in zip(found, expected, strict=True):
        for weights in ("raw", "ema"):
            assert one[weights] == pytest.approx(other[weights], rel=1e-3)


def test_groups_of_their_own_pace_are_captured_for_each_set_that_is_due(tmp_path: Path, tape: TapeRecording) -> None:
    class Paced(Rivals):
        every = 2

    for mode in ("off", "on"):
        run_toy(tmp_path / mode, captured(mode), task_type=Paced)
    assert tape.num_recorded >= 2
    assert_alike(tmp_path / "off", tmp_path / "on")


def test_live_changes_are_heard_by_a_captured_step(
    tmp_path: Path, tape: TapeRecording, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainctl.engine.training.loop.orders import Orders

    plain = Orders.listen

    def listen(self: Any) -> None:
        plain(self)
        state = self._state
        if state.progress.step == 12:
            state.plan.scale, state.clip = 0.5, 0.2
            state.weights["size"] = 3.0
        if state.progress.step == 20:
            state.clip = None

    monkeypatch.setattr(Orders, "listen", listen)
    for mode in ("off", "on"):
        run_toy(tmp_path / mode, captured(mode, clip={"grad_norm": 1.0}), task_type=Blobs)
    assert tape.num_launched > 15
    assert_alike(tmp_path / "off", tmp_path / "on")


@pytest.mark.few(2)
@pytest.mark.parametrize("steps", [2, 3, 7, 10])
def test_a_resumed_captured_run_is_the_uninterrupted_one(tmp_path: Path, tape: TapeRecording, steps: int) -> None:
    more: dict[str, Any] = {"ema": {"decay": 0.9}, "clip": {"grad_norm": 1.0}, "schedule": SCHEDULES["cosine"]}
    run_toy(tmp_path / "whole", captured(**more))
    assert run_toy(tmp_path / "parts", captured(**more, train={"max_steps": steps})).code == ExitCode.OK
    run_toy(tmp_path / "parts", captured(**more), resume=True)
    assert tape.num_recorded >= 2
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize("steps", [3, 7])
def test_a_fork_of_a_captured_run_takes_its_next_steps(tmp_path: Path, tape: TapeRecording, steps: int) -> None:
    on = {"precision": {"capture": "on"}}
    whole, part = sections(**on), sections(**on, train={**TRAIN, "max_steps": steps})
    run_toy(tmp_path / "whole", resolved(**whole))
    run_toy(tmp_path / "parent", resolved(**part))
    assert fork_toy(tmp_path / "fork", tmp_path / "parent", part, whole).code == ExitCode.OK
    assert tape.num_recorded >= 2
    assert_goes_on_like(tmp_path / "whole", tmp_path / "fork", steps)


def test_a_checkpoint_of_a_captured_run_is_that_of_an_eager_one(tmp_path: Path, tape: TapeRecording) -> None:
    for mode in ("off", "on"):
        run_toy(tmp_path / mode, captured(mode))
    assert tape.num_recorded > 0
    groups = [load_checkpoint(RunPaths(tmp_path / mode).latest)["state"]["optimizer"] for mode in ("off", "on")]
    one, other = (group["param_groups"][0] for group in groups)
    assert other["lr"] == pytest.approx(one["lr"])
    assert {**one, "lr": 0} == {**other, "lr": 0}
    assert run_toy(tmp_path / "on", captured("off", train={"epochs": 7}), resume=True).code == ExitCode.OK


class LateTrouble(ToyTask):
    """One sample is infinite; it is in the last batch of the third epoch only."""

    def load(self) -> Splits:
        splits = super().load()
        splits.train.tensors["x"][-1, 0] = float("inf")
        return splits

    def sampler(self, split: Split) -> Sampler:
        class Late(RandomSampler):
            def batches(self, epoch: int) -> list[torch.Tensor]:
                order = torch.arange(80).split(16)
                return [*order[:4], torch.arange(74, 90)] if epoch == 2 else [*order]

        return Late(len(split), 16, 0, drop_last=True)

    def build_model(self, splits: Splits) -> nn.Module:
        self.built = super().build_model(splits)
        LateTrouble.last = self.built
        return self.built

    last: ClassVar[nn.Module]


def test_a_parameter_that_no_step_uses_has_no_state_in_the_checkpoint(tmp_path: Path, tape: TapeRecording) -> None:
    class WithSpare(Blobs):
        def build_model(self, splits: Splits) -> nn.Module:
            model = super().build_model(splits)
            model.register_parameter("spare", nn.Parameter(torch.ones(3)))
            return model

    for mode in ("off", "on"):
        run_toy(tmp_path / mode, captured(mode), task_type=WithSpare)
    assert tape.num_recorded > 0
    kept = [load_checkpoint(RunPaths(tmp_path / mode).latest)["state"]["optimizer"]["state"] for mode in ("off", "on")]
    assert kept[0].keys() == kept[1].keys()


def test_an_update_that_is_not_finite_is_skipped_within_the_recording(tmp_path: Path, tape: TapeRecording) -> None:
    ending = run_toy(tmp_path / "run", captured(), task_type=LateTrouble)
    assert ending.code == ExitCode.RUN_FAILED
    assert "not finite at step 15" in ending.reason
    assert tape.num_launched > 10
    assert all(torch.isfinite(weight).all() for weight in LateTrouble.last.parameters())


def test_a_network_that_a_task_changes_between_epochs_is_recorded_anew(tmp_path: Path, tape: TapeRecording) -> None:
    class Replaced(Blobs):
        def end_epoch(self, turn: Turn) -> Any:
            assert isinstance(turn.model, nn.Sequential)
            first = turn.model[1]
            assert isinstance(first, nn.BatchNorm1d)
            assert first.running_mean is not None
            first.running_mean = torch.full_like(first.running_mean, 0.1 * turn.epoch)
            first.momentum = 0.1 + 0.05 * turn.epoch
            return {"text": "statistics replaced"}

    for mode in ("off", "on"):
        run_toy(tmp_path / mode, captured(mode, train={"epochs": 3}), task_type=Replaced)
    assert tape.num_recorded >= 2
    assert_alike(tmp_path / "off", tmp_path / "on")


class Asking(Blobs):
    """Reads a tensor into Python at each step."""

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        output = super().step(model, batch)
        assert output.terms["ce"].item() == output.terms["ce"]
        return output


def test_a_task_that_waits_for_the_device_is_not_captured_and_one_line_says_why(
    tmp_path: Path, tape: TapeRecording
) -> None:
    assert run_toy(tmp_path / "run", captured("auto"), task_type=Asking).code == ExitCode.OK
    said = [text for text in notes_of(tmp_path / "run") if "CUDA graph" in text]
    assert len(said) == 1
    assert "waits for the device" in said[0]
    run_toy(tmp_path / "eager", captured("off"), task_type=Asking)
    assert_alike(tmp_path / "eager", tmp_path / "run")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"optimizer": {"name": "rmsprop"}}, "RMSprop cannot skip a non-finite update"),
        ({"optimizer": {"name": "adagrad", "implementation": "foreach"}, "health": {"stop_on_nonfinite": False}}, "no"),
    ],
)
def test_an_optimiser_that_cannot_be_captured_is_named(
    tmp_path: Path, tape: TapeRecording, options: dict[str, Any], words: str
) -> None:
    run_toy(tmp_path / "run", captured("auto", **options))
    said = [text for text in notes_of(tmp_path / "run") if "CUDA graph" in text]
    assert len(said) == 1
    assert words in said[0]


def test_only_who_asks_for_it_is_told_that_a_cpu_has_no_graphs(tmp_path: Path) -> None:
    for mode in ("auto", "on", "off"):
        assert run_toy(tmp_path / mode, captured(mode)).code == ExitCode.OK
    assert [len([t for t in notes_of(tmp_path / mode) if "CUDA" in t]) for mode in ("auto", "on", "off")] == [0, 1, 0]
    assert_same_run(tmp_path / "auto", tmp_path / "off")


TASKS: dict[str, tuple[type[Task], list[str]]] = {
    # CLAHE computes exactly the rows it needs on a CPU, and waits for their number; a GPU does otherwise.
    "eyes/balanced": (EyesTask, ["data.samples=200", "augment.clahe=0", "augment.crop_padding=2", "train.epochs=3"]),
    "weld/repaired": (WeldTask, ["data.samples=96", "train.epochs=3"]),
    "quality/repaired": (
        QualityTask,
        ["train.max_steps=6", "data.references=8", "data.images=200", "data.image_size=16", "train.batch_size=32"],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("preset", TASKS)
def test_the_built_in_tasks_can_be_captured(tmp_path: Path, tape: TapeRecording, preset: str) -> None:
    task_type, options = TASKS[preset]
    for mode in ("off", "on"):
        overrides = ["runtime.device=cpu", f"precision.capture={mode}", *options]
        run_toy(tmp_path / mode, resolve(preset, scale="small", overrides=overrides), task_type=task_type)
    assert tape.num_launched >= 2
    losses = [reader_of(tmp_path / mode).steps.all()["loss"] for mode in ("off", "on")]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-2)


@pytest.mark.slow
def test_dialogues_of_many_lengths_are_trained_kernel_by_kernel(tmp_path: Path, tape: TapeRecording) -> None:
    options = ["runtime.device=cpu", "train.max_steps=5"]
    run_toy(tmp_path / "run", resolve("emotion/repaired", scale="small", overrides=options), task_type=EmotionTask)
    assert any("waits for the device" in text for text in notes_of(tmp_path / "run"))
