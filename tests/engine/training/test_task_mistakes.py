"""Whatever a task's own code raises or returns: the run says how it ended, and keeps its last whole step."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from toy import ToyTask, reader_of, resolved, run_toy

from trainctl.engine.data.batch import Batch
from trainctl.engine.errors import ExitCode, UserError
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.summary import read_summary
from trainctl.engine.tasks.task import StepOutput, Task, Turn
from trainctl.engine.training.state.checkpoint import load_checkpoint

TRAIN = {"epochs": 2, "batch_size": 30}
STEPS_AN_EPOCH = 3


class UnsayableError(Exception):
    """Cannot even be printed."""

    def __str__(self) -> str:
        raise ValueError("no words")


class UnwritableError(Exception):
    """Says what no file can hold."""

    def __str__(self) -> str:
        return "half a pair: \ud800"


class NoException(BaseException):
    """What `except Exception` passes over."""


MISTAKES = (
    KeyboardInterrupt,
    SystemExit,
    GeneratorExit,
    MemoryError,
    RecursionError,
    UnsayableError,
    UnwritableError,
    NoException,
)


class Mistaken(ToyTask):
    """Raises `mistake` at the `at`-th call of the method `where`."""

    where, at = "", 0
    mistake: type[BaseException] = Exception
    calls = 0

    def passing(self, where: str) -> None:
        if where == self.where:
            type(self).calls += 1
            if self.calls == self.at:
                raise self.mistake

    def prepare(self, batch: Batch) -> Batch:
        self.passing("prepare")
        return super().prepare(batch)

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        self.passing("step")
        return super().step(model, batch)

    def metrics(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        self.passing("metrics")
        return super().metrics(columns)

    def state(self) -> Mapping[str, Any]:
        self.passing("state")
        return {"kept": self.where}

    def end_epoch(self, turn: Turn) -> Mapping[str, Any] | None:
        self.passing("end_epoch")
        return super().end_epoch(turn)


def mistaken(where: str, at: int, mistake: type[BaseException]) -> type[Task]:
    return type("Mine", (Mistaken,), {"where": where, "at": at, "mistake": mistake, "calls": 0})


@pytest.mark.few(16)
@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize(
    ("where", "at", "saved"),
    # The state is asked for when the data are loaded, when the loop begins, and for each checkpoint.
    [("prepare", 3, 2), ("step", 3, 2), ("metrics", 1, 3), ("end_epoch", 1, 3), ("state", 3, 3), ("state", 5, 6)],
)
def test_a_mistake_of_any_kind_leaves_the_last_whole_step(
    tmp_path: Path, where: str, at: int, saved: int, mistake: type[BaseException]
) -> None:
    root = tmp_path / "run"
    ending = run_toy(root, resolved(train=TRAIN), task_type=mistaken(where, at, mistake))
    assert (ending.code, ending.state) == (ExitCode.RUN_FAILED, "failed")
    assert ending.reason.startswith(mistake.__name__) and "(test_task_mistakes.py:" in ending.reason
    about = load_checkpoint(root / "latest_model.pth")["about"]
    assert (about["step"], about["task_state"]) == (saved, {"kept": where})
    assert len(reader_of(root).steps.all()) == saved
    summary = read_summary(RunPaths(root))
    assert summary is not None and (summary.state, summary.steps) == ("failed", saved)
    assert json.loads((root / "status.json").read_text())["state"] == "failed"


NUMBERS: dict[str, Callable[[float], Any]] = {
    "float64": np.float64,
    "float32": np.float32,
    "tensor": torch.tensor,
    "tensor of one": lambda value: torch.tensor([value]),
    "parameter": lambda value: nn.Parameter(torch.tensor(value)),
    "Decimal": Decimal,
}


def measuring(value: Any) -> type[Task]:
    class Measuring(ToyTask):
        def metrics(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
            return {"accuracy": 0.5, "own": value}

    return Measuring


@pytest.mark.parametrize("kind", NUMBERS)
def test_a_metric_is_a_number_of_any_kind_and_can_be_resumed_from(tmp_path: Path, kind: str) -> None:
    root, task = tmp_path / "run", measuring(NUMBERS[kind](0.25))
    assert run_toy(root, resolved(train=TRAIN), task_type=task).code == ExitCode.OK
    assert load_checkpoint(root / "latest_model.pth")["about"]["metrics"]["raw"]["own"] == 0.25
    longer = resolved(train={**TRAIN, "epochs": 3})
    assert run_toy(root, longer, task_type=task, resume=True).code == ExitCode.OK


@pytest.mark.parametrize("value", ["good", np.ones(3), {"a": 1.0}, 1j, 10**400])
def test_a_metric_that_is_no_number_is_named(tmp_path: Path, value: Any) -> None:
    root = tmp_path / "run"
    ending = run_toy(root, resolved(train=TRAIN), task_type=measuring(value))
    assert ending.reason.startswith("TypeError: metrics: 'own' is a ") and "not a number" in ending.reason
    assert load_checkpoint(root / "latest_model.pth")["about"]["step"] == STEPS_AN_EPOCH


def keeping(value: Any, later: Any = None) -> type[Task]:
    """A task whose state is `value`, or `later` from the third time on."""

    class Keeping(ToyTask):
        asked = 0

        def state(self) -> Mapping[str, Any]:
            type(self).asked += 1
            return later if later is not None and self.asked > 2 else value

    return Keeping


@pytest.mark.parametrize(
    "value",
    [
        *({"it": Path("x")}, {"it": np.float64(1)}, {"it": np.ones(2)}, {"it": defaultdict(int)}, {"it": frozenset()}),
        *({"it": len}, {"it": lambda: 1}, {"it": [{"deep": range(3)}]}, [1], None),
    ],
)
def test_a_state_that_no_checkpoint_can_hold_is_refused_before_there_is_a_run(tmp_path: Path, value: Any) -> None:
    with pytest.raises(UserError, match=r"Keeping\.state\(\) (holds what no checkpoint can|is a )") as caught:
        run_toy(tmp_path / "run", resolved(train=TRAIN), task_type=keeping(value))
    assert "\n" not in str(caught.value) and caught.value.hint
    assert not [*(tmp_path / "run").iterdir()]


def test_a_state_that_spoils_later_leaves_a_checkpoint_with_the_one_before(tmp_path: Path) -> None:
    root = tmp_path / "run"
    ending = run_toy(root, resolved(train=TRAIN), task_type=keeping({"it": 1}, later={"it": Path("x")}))
    assert ending.reason.startswith("TypeError: a checkpoint holds tensors and plain data only: pathlib.")
    about = load_checkpoint(root / "latest_model.pth")["about"]
    assert (about["step"], about["task_state"]) == (STEPS_AN_EPOCH, {"it": 1})
    warnings = [event.data["text"] for event in reader_of(root).events if event.kind is EventKind.WARNING]
    assert len(warnings) == 1 and "written with the task's state of before" in warnings[0]


def test_what_a_module_keeps_beside_its_tensors_must_be_loadable_too(tmp_path: Path) -> None:
    class Extra(nn.Linear):
        def get_extra_state(self) -> Any:
            return Path("x")

        def set_extra_state(self, state: Any) -> None:
            pass

    class Building(ToyTask):
        def build_model(self, splits: Any) -> nn.Module:
            return Extra(8, 3)

    with pytest.raises(UserError, match=r"the network's _extra_state holds what no checkpoint can: pathlib\."):
        run_toy(tmp_path / "run", resolved(train=TRAIN), task_type=Building)
