"""What only a GPU can show of captured steps: real graphs give the eager run, and a resume the same bits.

The rest is held on the CPU, with a tape in the graph's place (`loop/test_captured_step.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from same_run import assert_same_run
from torch import nn
from toy import ToyTask, reader_of, resolved, run_toy

from trainctl.engine.data.batch import Batch
from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.events import EventKind
from trainctl.engine.tasks.configured import resolve
from trainctl.engine.tasks.registry import task_type
from trainctl.engine.tasks.task import StepOutput

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]

PRESETS: dict[str, list[str]] = {
    "eyes/balanced": ["data.samples=2000", "train.batch_size=64", "augment.clahe=0.1", "augment.mixup_alpha=0.2"],
    "quality/repaired": ["data.references=20", "data.images=1000"],
    "weld/repaired": [],
}


def configured(mode: str, **sections: Any) -> Any:
    train = {"epochs": 6, "batch_size": 16} | sections.pop("train", {})
    return resolved(runtime={"device": "cuda"}, precision={"capture": mode}, train=train, **sections)


def said(root: Path) -> list[str]:
    events = reader_of(root).current_events()
    return [event.data["text"] for event in events if event.kind is EventKind.NOTE and "CUDA" in event.data["text"]]


@pytest.mark.parametrize("preset", PRESETS)
def test_fifty_captured_steps_are_fifty_eager_ones(tmp_path: Path, preset: str) -> None:
    losses: dict[str, Any] = {}
    for mode in ("off", "on"):
        overrides = ["runtime.device=cuda", "runtime.deterministic=true", "train.max_steps=50", *PRESETS[preset]]
        config = resolve(preset, overrides=[*overrides, f"precision.capture={mode}"])
        assert run_toy(tmp_path / mode, config, task_type=task_type(config.config.task)).code == ExitCode.OK
        losses[mode] = reader_of(tmp_path / mode).steps.all()["loss"]
    assert said(tmp_path / "on") == ["from here on each step is launched as one CUDA graph (precision.capture)"]
    np.testing.assert_allclose(losses["on"][:4], losses["off"][:4], rtol=1e-3)  # the fourth is the first graph
    # Rounding grows: Adam makes steps of it where a gradient is nothing else. What a graph gets wrong shows at once.
    np.testing.assert_allclose(losses["on"][4:6], losses["off"][4:6], rtol=0.02)
    np.testing.assert_allclose(losses["on"][25:].mean(), losses["off"][25:].mean(), rtol=0.25)


@pytest.mark.parametrize("steps", [2, 7, 20])
def test_a_captured_run_resumes_as_if_nothing_had_been(tmp_path: Path, steps: int) -> None:
    sections: dict[str, Any] = {"ema": {"decay": 0.9}, "clip": {"grad_norm": 1.0}}
    run_toy(tmp_path / "whole", configured("on", **sections))
    run_toy(tmp_path / "parts", configured("on", **sections, train={"max_steps": steps}))
    run_toy(tmp_path / "parts", configured("on", **sections), resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


class Asking(ToyTask):
    """Reads a tensor into Python at each step."""

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        output = super().step(model, batch)
        assert output.terms["ce"].item() == output.terms["ce"]
        return output


class Copying(ToyTask):
    """Takes a number from Python to the device at each step, in the way that cannot be recorded."""

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        output = super().step(model, batch)
        factor = torch.tensor([1.0]).to(batch["x"].device)
        return StepOutput({name: term * factor[0] for name, term in output.terms.items()}, output.columns)


@pytest.mark.parametrize("kind", [Asking, Copying])
def test_a_step_that_cannot_be_captured_goes_on_as_before(tmp_path: Path, kind: type[ToyTask]) -> None:
    assert run_toy(tmp_path / "run", configured("auto"), task_type=kind).code == ExitCode.OK
    (text,) = said(tmp_path / "run")
    assert "test_capture_gpu.py" in text
    assert len(reader_of(tmp_path / "run").steps.all()) == 30


def test_a_recording_that_breaks_leaves_random_numbers_usable(tmp_path: Path) -> None:
    class Breaking(ToyTask):
        count = 0

        def step(self, model: nn.Module, batch: Batch) -> StepOutput:
            Breaking.count += model.training  # of the class, which nobody watches
            if Breaking.count == 4:
                torch.cuda.synchronize()
            return super().step(model, batch)

    assert run_toy(tmp_path / "run", configured("auto"), task_type=Breaking).code == ExitCode.OK
    assert len(said(tmp_path / "run")) == 1
    assert len(reader_of(tmp_path / "run").steps.all()) == 30


def test_an_update_that_is_not_finite_is_skipped_by_the_graph(tmp_path: Path) -> None:
    weights: list[torch.Tensor] = []

    class Growing(ToyTask):
        """The loss overflows after a while."""

        def build_model(self, splits: Any) -> nn.Module:
            model = super().build_model(splits)
            self.factor = nn.Parameter(torch.ones(()), requires_grad=False)
            model.register_parameter("factor", self.factor)
            weights.extend(weight for weight in model.parameters() if weight.requires_grad)
            return model

        def step(self, model: nn.Module, batch: Batch) -> StepOutput:
            output = super().step(model, batch)
            factor = model.get_parameter("factor")
            with torch.no_grad():
                factor.mul_(10)
            return StepOutput({name: term * factor for name, term in output.terms.items()}, output.columns)

    ending = run_toy(tmp_path / "run", configured("on", train={"epochs": 100}), task_type=Growing)
    assert ending.code == ExitCode.RUN_FAILED
    assert all(torch.isfinite(weight).all() for weight in weights)
