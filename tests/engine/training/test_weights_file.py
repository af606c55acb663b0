"""The weights alone, for use without trainctl."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from same_run import OPTIONS
from torch import Tensor, nn
from toy import ToyTask, resolved, run_toy

from trainctl.engine.data.batch import Splits
from trainctl.engine.errors import UserError
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.training.state.checkpoint import load_checkpoint
from trainctl.engine.training.weights_file import export_weights


class Tied(ToyTask):
    """Two layers that share their weights."""

    def build_model(self, splits: Splits) -> nn.Module:
        first, second = nn.Linear(8, 8), nn.Linear(8, 8)
        second.weight = first.weight
        return nn.Sequential(first, nn.ReLU(), second, nn.Linear(8, 3))


def read(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".pt":
        return torch.load(path, weights_only=True)
    return pytest.importorskip("safetensors.torch").load_file(path)


@pytest.mark.parametrize(("to", "suffix"), [("state_dict", ".pt"), ("safetensors", ".safetensors")])
@pytest.mark.parametrize("task_type", [ToyTask, Tied])
@pytest.mark.parametrize("weights", ["raw", "ema"])
def test_the_file_loads_into_a_fresh_network(
    tmp_path: Path, to: Any, suffix: str, task_type: type[ToyTask], weights: str
) -> None:
    run_toy(tmp_path / "run", resolved(**OPTIONS), task_type=task_type)
    checkpoint, path = RunPaths(tmp_path / "run").latest, tmp_path / f"weights{suffix}"
    done = export_weights(checkpoint, to, path, weights=weights)
    fresh = task_type(resolved().config)
    model = fresh.build_model(fresh.load())
    model.load_state_dict(read(path))
    state = load_checkpoint(checkpoint)["state"]
    source = state["model"] if weights == "raw" else state["ema"]["module"]
    for name, value in model.state_dict().items():
        assert torch.equal(value, source[name]), name
    assert done["tensors"] == len(source)
    assert (done["weights"], done["left_out"]) == (weights, [])


def test_safetensors_say_what_they_are(tmp_path: Path) -> None:
    open_file = pytest.importorskip("safetensors").safe_open
    run_toy(tmp_path / "run", resolved())
    export_weights(RunPaths(tmp_path / "run").best, "safetensors", tmp_path / "w.safetensors")
    with open_file(tmp_path / "w.safetensors", "pt") as file:
        about = json.loads(file.metadata()["trainctl"])
    assert about["classes"] == ["a", "b", "c"]
    saved = load_checkpoint(RunPaths(tmp_path / "run").best)["about"]
    assert about["metrics"] == saved["metrics"]
    assert about["epoch"] == saved["epoch"]


def test_what_cannot_be_done_is_one_line_and_leaves_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_toy(tmp_path / "run", resolved())
    checkpoint, path = RunPaths(tmp_path / "run").latest, tmp_path / "w.pt"
    path.write_text("mine")
    with pytest.raises(UserError, match=r"w\.pt exists; choose another --out, or --force"):
        export_weights(checkpoint, "state_dict", path)
    with pytest.raises(UserError, match="holds no averaged weights"):
        export_weights(checkpoint, "state_dict", path, weights="ema", overwrite=True)
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(UserError, match=r"safetensors is not installed; pip install .*or use --to state_dict"):
        export_weights(checkpoint, "safetensors", path, overwrite=True)
    assert path.read_text() == "mine"
    export_weights(checkpoint, "state_dict", path, overwrite=True)
    assert len(read(path)) > 0
