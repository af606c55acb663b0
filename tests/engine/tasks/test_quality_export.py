"""ONNX export of the quality network: the same score whatever its mixture is like."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from quality_small import SIZE, built
from torch import nn

from trainctl.engine.errors import UserError

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {"temper": "none"},
    "tempered": {"temper": "dimension"},
    "learned": {"temper": "learned", "projection": 6},
    "detached": {"projection": 6, "mixture_gradient": False, "dropout": 0.5},
    "wide": {"stem": "imagenet", "features": 32},
    "contrast": {"mscn": True, "tells_kinds": True},
}


@pytest.mark.few(2)
@pytest.mark.parametrize("name", OPTIONS)
def test_the_score_is_that_of_torch_for_any_number_of_pictures(name: str, tmp_path: Path) -> None:
    task, model, batch = built(model=OPTIONS[name])
    for _ in range(3):
        model(batch["images"])  # running statistics that are not 0 and 1
    model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    about = task.export_onnx(model, tmp_path / "quality.onnx")
    assert about["max_abs_difference"] < 1e-5
    assert (about["inputs"], about["outputs"]) == ({"images": ["N", 3, SIZE, SIZE]}, {"score": ["N"]})
    session = onnxruntime.InferenceSession(tmp_path / "quality.onnx")
    model.eval()
    for count in (1, 7):
        images = batch["images"][:count]
        (score,) = session.run(["score"], {"images": images.numpy()})
        with torch.inference_mode():
            expected = task.predict(model, {"images": images})["score"]
        torch.testing.assert_close(torch.from_numpy(score), expected, atol=1e-5, rtol=1e-4)
    assert expected.std() > 1e-4


def test_a_network_of_pieces_takes_whole_pictures(tmp_path: Path) -> None:
    task, model, _ = built(data={"image_size": 2 * SIZE}, augment={"crop": SIZE}, model={"mscn": True})
    task.export_onnx(model, tmp_path / "quality.onnx")
    images = torch.rand(3, 3, 2 * SIZE, 2 * SIZE)
    (score,) = onnxruntime.InferenceSession(tmp_path / "quality.onnx").run(["score"], {"images": images.numpy()})
    alone = built(model={"mscn": True})[1]
    alone.load_state_dict(model.state_dict())
    parts = [images[:, :, y : y + SIZE, x : x + SIZE] for y in (0, SIZE) for x in (0, SIZE)]
    with torch.inference_mode():
        pieces = torch.stack([alone.eval()(part).score_B for part in parts])
    torch.testing.assert_close(torch.from_numpy(score), pieces.mean(0), atol=1e-5, rtol=1e-4)


def test_the_posteriors_are_part_of_what_is_exported(tmp_path: Path) -> None:
    task, model, batch = built()
    images = batch["images"].numpy()
    found = []
    for name in ("one", "other"):
        task.export_onnx(model, tmp_path / name)
        found.append(onnxruntime.InferenceSession(tmp_path / name).run(None, {"images": images})[0])
        nn.init.normal_(model.gmm.log_weights, std=3)
    assert abs(found[0] - found[1]).max() > 1e-4


def test_the_file_says_what_it_takes_and_what_a_score_is(tmp_path: Path) -> None:
    task, model, _ = built()
    task.export_onnx(model, tmp_path / "quality.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "quality.onnx")
    (images,), (score,) = session.get_inputs(), session.get_outputs()
    assert (images.name, images.shape, images.type) == ("images", ["N", 3, SIZE, SIZE], "tensor(float)")
    assert (score.name, score.shape) == ("score", ["N"])
    facts = json.loads(session.get_modelmeta().custom_metadata_map["trainctl"])
    assert facts["score"].startswith("0 is the worst") and facts["model"]["clusters"] == 3


def test_the_network_is_left_as_it_was_and_files_are_kept(tmp_path: Path) -> None:
    task, model, _ = built()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    path = tmp_path / "quality.onnx"
    path.write_text("mine")
    with pytest.raises(UserError, match=r"quality\.onnx exists"):
        task.export_onnx(model, path)
    assert path.read_text() == "mine"
    assert task.export_onnx(model, path, overwrite=True)["bytes"] == path.stat().st_size
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_diverged_network_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    task, model, _ = built()
    nn.init.constant_(next(model.regressor.parameters()), float("nan"))
    with pytest.raises(UserError, match="not finite"):
        task.export_onnx(model, tmp_path / "quality.onnx")
    assert list(tmp_path.iterdir()) == []
