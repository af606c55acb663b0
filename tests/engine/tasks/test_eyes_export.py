"""ONNX export: the same probability for every backbone, head and loss, and errors a user understands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from trainctl.engine.data.batch import Split, Splits
from trainctl.engine.errors import UserError
from trainctl.engine.tasks.eyes.config import EyesConfig
from trainctl.engine.tasks.eyes.task import EyesTask

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

SIZE = (16, 32)
EMPTY = Split({})


def task_and_model(arch: str = "baseline", head: str = "auto", loss: str = "bce") -> tuple[EyesTask, nn.Module]:
    """A network whose every part matters: layer scales of 1, running statistics that are not 0 and 1."""
    torch.manual_seed(0)
    options: dict[str, Any] = {
        "model": {"arch": arch, "head": head, "base_channels": 8, "num_blocks": 3, "token_grid": [1, 2]},
        "data": {"image_size": list(SIZE)},
        "loss": {"name": loss},
    }
    task = EyesTask(EyesConfig.model_validate(options))
    model = task.build_model(Splits(EMPTY, EMPTY)).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    for name, parameter in model.named_parameters():
        if name.endswith("scale"):
            nn.init.ones_(parameter)
    for _ in range(3):
        model(torch.rand(8, 3, *SIZE))
    return task, model


@pytest.mark.few(4)
@pytest.mark.parametrize("arch", ["baseline", "inverted_se", "convnext"])
@pytest.mark.parametrize("head", ["auto", "avg", "avgmax_mlp", "transformer", "mlp_mixer"])
def test_every_backbone_and_head_computes_the_same_in_onnxruntime(arch: str, head: str, tmp_path: Path) -> None:
    task, model = task_and_model(arch, head, "focal")
    about = task.export_onnx(model, tmp_path / "eyes.onnx")
    assert about["max_abs_difference"] < 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "eyes.onnx")
    images = torch.rand(7, 3, *SIZE)
    (prob,) = session.run(["prob_open"], {"images": images.numpy()})
    with torch.inference_mode():
        expected = task.prob_open(model.eval()(images))
    torch.testing.assert_close(torch.from_numpy(prob), expected, atol=1e-5, rtol=1e-4)
    assert expected.std() > 1e-4


@pytest.mark.parametrize("loss", ["bce", "focal"])
def test_the_probability_is_that_of_the_loss(loss: str, tmp_path: Path) -> None:
    task, model = task_and_model(loss=loss)
    task.export_onnx(model, tmp_path / "eyes.onnx")
    images = torch.rand(1, 3, *SIZE)
    (prob,) = onnxruntime.InferenceSession(tmp_path / "eyes.onnx").run(None, {"images": images.numpy()})
    logit = model.eval()(images).item()
    scale = 2 if loss == "focal" else 1
    assert prob.item() == pytest.approx(torch.tensor(scale * logit).sigmoid().item(), abs=1e-5)


def test_the_model_and_the_random_numbers_of_the_run_are_left_as_they_were(tmp_path: Path) -> None:
    task, model = task_and_model()
    before, random = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    task.export_onnx(model, tmp_path / "eyes.onnx")
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


def test_an_existing_file_is_kept_unless_it_may_be_replaced(tmp_path: Path) -> None:
    task, model = task_and_model()
    path = tmp_path / "eyes.onnx"
    path.write_text("mine")
    with pytest.raises(UserError, match=r"eyes\.onnx exists"):
        task.export_onnx(model, path)
    assert path.read_text() == "mine"
    assert task.export_onnx(model, path, overwrite=True)["bytes"] == path.stat().st_size


def test_a_diverged_network_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    task, model = task_and_model()
    nn.init.constant_(next(model.parameters()), float("nan"))
    with pytest.raises(UserError, match="not finite"):
        task.export_onnx(model, tmp_path / "eyes.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, model = task_and_model()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"onnxruntime; pip install 'trainctl-cockpit\[onnx\]'"):
        task.export_onnx(model, tmp_path / "eyes.onnx")


def test_the_file_says_what_it_takes_and_gives(tmp_path: Path) -> None:
    task, model = task_and_model()
    task.export_onnx(model, tmp_path / "eyes.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "eyes.onnx")
    (images,), (prob,) = session.get_inputs(), session.get_outputs()
    assert (images.name, images.shape, images.type) == ("images", ["N", 3, *SIZE], "tensor(float)")
    assert (prob.name, prob.shape) == ("prob_open", ["N"])
    assert '"classes": ["closed", "open"]' in session.get_modelmeta().custom_metadata_map["trainctl"]
