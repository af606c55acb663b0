"""ONNX export of the network of conversations: the same answers for any number and length of dialogues."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from trainctl.engine.data.batch import Split, Splits
from trainctl.engine.data.emotion.options import CLASSES, MODALITIES
from trainctl.engine.errors import UserError
from trainctl.engine.models.emotion.net import EmotionNet
from trainctl.engine.tasks.emotion.config import EmotionConfig
from trainctl.engine.tasks.emotion.task import EmotionTask

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

WIDTHS = (6, 3, 4)
EMOTIONS = CLASSES["iemocap6"]


def task_and_model(widths: tuple[int, ...] = WIDTHS, **options: Any) -> tuple[EmotionTask, nn.Module]:
    """A network that differs from utterance to utterance: large weights, so that gates close and open."""
    model: dict[str, Any] = {"code": 16, "hidden": 24, "layers": 1, **options}
    task = EmotionTask(EmotionConfig.model_validate({"task": "emotion", "model": model}))
    task.load_state({"widths": list(widths), "speakers": ["Ben", "Mia"]})
    torch.manual_seed(0)
    net = task.build_model(Splits(Split({}), Split({}), EMOTIONS))
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.4)
    return task, net


def dialogues(lengths: tuple[int, ...], widths: tuple[int, ...] = WIDTHS, seed: int = 1) -> dict[str, torch.Tensor]:
    """A batch as the task has it; speakers beyond those that are told apart as well."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(lengths), max(lengths))
    valid = torch.arange(shape[1]) < torch.tensor(lengths)[:, None]
    batch = {
        name: torch.randn(*shape, width, generator=generator) * valid[..., None]
        for name, width in zip(MODALITIES, widths, strict=True)
    }
    return batch | {
        "speakers": torch.randint(0, 40, shape, generator=generator),
        "labels": torch.where(valid, 0, -1),
    }


def asked(session: Any, batch: dict[str, torch.Tensor]) -> tuple[Any, Any]:
    """Logits and probabilities of onnxruntime, of what it takes of a batch."""
    given = {name: batch[name].numpy() for name in (*MODALITIES, "speakers")}
    given["valid"] = (batch["labels"] >= 0).numpy()
    taken = {node.name for node in session.get_inputs()}
    return tuple(
        session.run(["logits", "probabilities"], {name: array for name, array in given.items() if name in taken})
    )


@pytest.mark.few(4)
@pytest.mark.parametrize("gate", ["hardtanh", "sigmoid", "hardsigmoid"])
@pytest.mark.parametrize("options", [{}, {"layers": 0}, {"layers": 2, "window": 0}, {"code": 9, "window": 3}])
def test_any_number_and_length_of_dialogues_is_answered_as_torch_does(
    gate: str, options: dict[str, Any], tmp_path: Path
) -> None:
    task, model = task_and_model(gate=gate, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        about = task.export_onnx(model, tmp_path / "emotion.onnx")
    assert about["max_abs_difference"] < 2e-5
    session = onnxruntime.InferenceSession(tmp_path / "emotion.onnx")
    model.eval()
    for lengths in ((1,), (40,), (5, 2, 17), (3, 3, 3, 3), (1, 25)):
        batch = dialogues(lengths)
        with torch.inference_mode():
            expected = task.predict(model, batch)
        logits, probabilities = asked(session, batch)
        valid = (batch["labels"] >= 0).numpy()
        assert logits.shape == probabilities.shape == (*valid.shape, 6)
        assert (probabilities.argmax(-1) == expected["emotion"].numpy())[valid].all()
        np.testing.assert_allclose(probabilities.max(-1)[valid], expected["probability"].numpy()[valid], atol=2e-5)
        np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)
    assert probabilities[valid].std() > 0.05


def test_padding_changes_no_answer(tmp_path: Path) -> None:
    """However much of it there is, whatever stands in it, and whoever seems to speak there."""
    task, model = task_and_model()
    task.export_onnx(model, tmp_path / "emotion.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "emotion.onnx")
    alone = asked(session, dialogues((6,)))[1]
    batch = dialogues((6, 20))
    valid = batch["labels"] >= 0
    for name in (*MODALITIES, "speakers"):
        batch[name][0, :6] = dialogues((6,))[name][0]
        batch[name][~valid] = 7
    assert valid.sum() == 26
    np.testing.assert_allclose(asked(session, batch)[1][0, :6], alone[0], atol=1e-5)


@pytest.mark.filterwarnings("ignore:Initializing zero-element")
@pytest.mark.parametrize(
    ("widths", "absent", "names"),
    [((5, 0, 4), [], ["text", "visual"]), ((0, 3, 0), [], ["audio"]), ((5, 2, 4), ["text", "visual"], ["audio"])],
)
def test_a_modality_that_the_training_lacked_is_no_input(
    widths: tuple[int, ...], absent: list[str], names: list[str], tmp_path: Path
) -> None:
    task, model = task_and_model(widths)
    task.load_state({"widths": list(widths), "absent": absent})
    about = task.export_onnx(model, tmp_path / "emotion.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "emotion.onnx")
    assert [node.name for node in session.get_inputs()] == list(about["inputs"]) == [*names, "speakers", "valid"]
    batch = dialogues((4, 9), widths)
    for name in absent:
        batch[name].zero_()
    with torch.inference_mode():
        expected = task.predict(model.eval(), batch)["probability"].numpy()
    valid = (batch["labels"] >= 0).numpy()
    np.testing.assert_allclose(asked(session, batch)[1].max(-1)[valid], expected[valid], atol=2e-5)


def test_the_file_says_what_it_takes_and_has_no_decoder(tmp_path: Path) -> None:
    task, model = task_and_model()
    about = task.export_onnx(model, tmp_path / "emotion.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "emotion.onnx")
    inputs = {node.name: (node.shape, node.type) for node in session.get_inputs()}
    assert inputs == {
        "text": (["B", "L", 6], "tensor(float)"),
        "audio": (["B", "L", 3], "tensor(float)"),
        "visual": (["B", "L", 4], "tensor(float)"),
        "speakers": (["B", "L"], "tensor(int64)"),
        "valid": (["B", "L"], "tensor(bool)"),
    }
    assert {node.name: node.shape for node in session.get_outputs()} == about["outputs"]
    facts = json.loads(session.get_modelmeta().custom_metadata_map["trainctl"])
    assert facts["classes"] == list(EMOTIONS) and facts["speakers"] == ["Ben", "Mia"]
    assert facts["left_out"] == about["left_out"] and "decoders" in about["left_out"]
    assert isinstance(model, EmotionNet)
    of_decoders = 4 * sum(
        parameter.numel()
        for name, parameter in model.named_parameters()
        if "decoder" in name or name.startswith("modalities.outputs")
    )
    everything = 4 * sum(parameter.numel() for parameter in model.parameters())
    # Beside the weights that answer, the graph itself takes some room; far less than the decoders would.
    graph = about["bytes"] - (everything - of_decoders)
    assert 0 < graph < 40_000
    larger, widest = task_and_model((600, 300, 400))
    assert larger.export_onnx(widest, tmp_path / "large.onnx")["bytes"] < about["bytes"] + 4 * 2 * 24 * 1300


def test_the_network_is_left_as_it_was_and_files_are_kept(tmp_path: Path) -> None:
    task, model = task_and_model()
    before, random = {name: value.clone() for name, value in model.state_dict().items()}, torch.get_rng_state()
    path = tmp_path / "emotion.onnx"
    path.write_text("mine")
    with pytest.raises(UserError, match=r"emotion\.onnx exists"):
        task.export_onnx(model, path)
    assert path.read_text() == "mine"
    assert task.export_onnx(model, path, overwrite=True)["bytes"] == path.stat().st_size
    assert model.training and torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_diverged_network_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    task, model = task_and_model()
    nn.init.constant_(next(iter(model.get_submodule("classifier").parameters())), float("nan"))
    with pytest.raises(UserError, match="not finite"):
        task.export_onnx(model, tmp_path / "emotion.onnx")
    assert list(tmp_path.iterdir()) == []
