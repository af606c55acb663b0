"""What only a GPU can show: nothing in the loop waits for it, and a bad update is skipped on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from toy import Poisoned, ToyTask, reader_of, resolved, run_toy

from trainctl.engine.data.batch import Batch
from trainctl.engine.errors import ExitCode
from trainctl.engine.tasks.configured import resolve
from trainctl.engine.tasks.eyes.task import EyesTask
from trainctl.engine.tasks.task import StepOutput
from trainctl.engine.training.loop import trainer

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
CUDA: dict[str, Any] = {"runtime": {"device": "cuda"}}


def forbid_waiting(monkeypatch: pytest.MonkeyPatch, after: int = 5) -> list[int]:
    """Make every step but the first few fail when it waits for the device; returns the steps that were watched."""
    watched: list[int] = []
    plain = trainer.Trainer._step

    def step(self: trainer.Trainer, group: Any, batches: Any) -> None:
        if self.state.progress.step < after:
            return plain(self, group, batches)
        watched.append(self.state.progress.step)
        torch.cuda.set_sync_debug_mode("error")
        try:
            return plain(self, group, batches)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(trainer.Trainer, "_step", step)
    return watched


@pytest.mark.parametrize("amp", ["off", "bf16", "fp16"])
def test_no_step_waits_for_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, amp: str) -> None:
    watched = forbid_waiting(monkeypatch)
    config = resolved(
        **CUDA,
        train={"epochs": 6, "batch_size": 16, "accumulation": 2},
        precision={"amp": amp},
        clip={"grad_norm": 1.0},
        ema={"decay": 0.9},
    )
    assert run_toy(tmp_path / "run", config).code == ExitCode.OK
    assert len(watched) > 10
    records = reader_of(tmp_path / "run").steps.all()
    assert records["step"].tolist() == list(range(1, len(records) + 1))
    assert np.isfinite(records["loss"]).all()


def test_no_step_of_the_eyes_waits_for_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = forbid_waiting(monkeypatch)
    overrides = ["runtime.device=cuda", "train.epochs=2", "data.samples=1000", "train.batch_size=64"]
    overrides += ["augment.crop_padding=4", "augment.clahe=0.1", "augment.mixup_alpha=0.2"]
    assert run_toy(tmp_path / "run", resolve("balanced", overrides=overrides), task_type=EyesTask).code == ExitCode.OK
    assert len(watched) > 10


def test_a_nonfinite_update_is_skipped_on_the_device(tmp_path: Path) -> None:
    weights: list[torch.Tensor] = []

    class Watched(Poisoned):
        def build_model(self, splits: Any) -> nn.Module:
            model = super().build_model(splits)
            weights.extend(model.parameters())
            return model

    ending = run_toy(tmp_path / "run", resolved(**CUDA, train={"epochs": 4000, "batch_size": 16}), task_type=Watched)
    assert ending.code == ExitCode.RUN_FAILED
    assert "not finite at step 8" in ending.reason
    assert all(torch.isfinite(w).all() for w in weights)


def test_fp16_skips_an_overflowing_step_and_goes_on(tmp_path: Path) -> None:
    class Overflowing(ToyTask):
        def step(self, model: nn.Module, batch: Batch) -> StepOutput:
            output = super().step(model, batch)
            return StepOutput({name: term * 1e4 for name, term in output.terms.items()}, output.columns)

    config = resolved(**CUDA, train={"epochs": 4, "batch_size": 16}, precision={"amp": "fp16"})
    assert run_toy(tmp_path / "run", config, task_type=Overflowing).code == ExitCode.OK
    records = reader_of(tmp_path / "run").steps.all()
    assert records["amp_scale"][-1] < records["amp_scale"][0]
    assert (records["nonfinite"] > 0).any()


def test_a_run_resumes_on_the_gpu(tmp_path: Path) -> None:
    config = resolved(**CUDA, train={"epochs": 4, "batch_size": 16})
    assert run_toy(tmp_path / "run", config, signal_at=7).code == ExitCode.TERMINATED
    assert run_toy(tmp_path / "run", config, resume=True).code == ExitCode.OK
    assert reader_of(tmp_path / "run").steps.all()["step"].tolist() == list(range(1, 21))


def test_compiled_networks_train(tmp_path: Path) -> None:
    config = resolved(**CUDA, train={"epochs": 2, "batch_size": 16}, precision={"compile": True}, ema={"decay": 0.9})
    assert run_toy(tmp_path / "run", config).code == ExitCode.OK
