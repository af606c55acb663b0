"""What a trained eye classifier is used for: predict on photographs, export as ONNX, and both agree."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from kills import TASK
from PIL import Image

from trainctl.engine.errors import ExitCode
from trainctl.tui.cli.main import run_command_line

SIZE = (16, 32)
TRAIN = [
    *("run", "--preset", "eyes/balanced", "--scale", "small", "--device", "cpu", "--data", "eyes"),
    *("data.image_size=[16,32]", "model.num_blocks=2", "model.base_channels=8"),
    *("train.batch_size=8", "train.epochs=12", "optimizer.lr=0.02", "ema.decay=0.5", "augment.photometric=0"),
]


def write_eyes(root: Path, count: int = 24) -> None:
    """JPEG photographs of other sizes than the network's: open ones have a dark spot in the middle."""
    rng = np.random.default_rng(0)
    for name in ("open", "closed"):
        (root / name).mkdir(parents=True)
        for k in range(count):
            pixels = rng.integers(150, 230, (24, 50, 3), dtype=np.uint8)
            if name == "open":
                pixels[6:18, 18:32] //= 6
            Image.fromarray(pixels).save(root / name / f"{k:02}.jpg", quality=95)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs in `eyes`, and a run on them in `runs`."""
    found = tmp_path_factory.mktemp("trained")
    write_eyes(found / "eyes")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(found)
        assert run_command_line(TRAIN) == ExitCode.OK
    (found / "eyes" / "open" / "notes.txt").write_text("not an image")
    return found


@pytest.fixture(autouse=True)
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def predict(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, float]:
    capsys.readouterr()
    assert run_command_line(["predict", "latest", "--json", *words]) == ExitCode.OK
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {row["file"]: row["prob_open"] for row in rows}


def test_photographs_are_told_apart_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    found = predict(capsys, "eyes")
    assert list(found) == sorted(str(path) for path in Path("eyes").rglob("*.jpg"))
    right = [(prob > 0.5) == ("open" in file) for file, prob in found.items()]
    # Six seeds get all of them right, whatever the CPU; guessing gets 48 right with probability .5 each, ± .07.
    assert np.mean(right) > 0.8
    run_command_line(["predict", "latest", "eyes/open/00.jpg"])
    assert capsys.readouterr().out == f"eyes/open/00.jpg  prob_open {found['eyes/open/00.jpg']:.4f}\n"


def test_a_file_that_is_no_image_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["predict", "latest", "eyes/open/notes.txt", "eyes/open/00.jpg"]) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    said = "cannot read eyes/open/notes.txt (not an image); name image files only"
    assert err == f"trainctl: error: {said}\n"
    Path("empty").mkdir()
    assert run_command_line(["predict", "latest", "empty"]) == ExitCode.USAGE
    assert "no files in empty; give files or folders that hold some (.bmp, " in capsys.readouterr().err


@pytest.mark.parametrize("weights", ["raw", "ema"])
def test_the_exported_network_predicts_what_predict_does(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, weights: str
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    path = tmp_path / "eyes.onnx"
    words = ["export", "latest", "--to", "onnx", "--out", str(path), "--weights", weights]
    assert run_command_line(words) == ExitCode.OK
    out = capsys.readouterr().out
    assert out.startswith(f"wrote {path}  images Nx3x16x32 -> prob_open N  ({weights} weights of epoch ")
    found = predict(capsys, "eyes", "--weights", weights)
    # decoded and resized by Pillow here, so that a mistake in our own decoding shows
    photographs = [Image.open(file).resize((SIZE[1], SIZE[0]), Image.Resampling.BILINEAR) for file in found]
    images_NCHW = np.stack([np.asarray(image, np.float32).transpose(2, 0, 1) / 255 for image in photographs])
    (probs_N,) = onnxruntime.InferenceSession(path).run(["prob_open"], {"images": images_NCHW})
    np.testing.assert_allclose(probs_N, list(found.values()), atol=1e-4)
    assert np.ptp(probs_N) > 0.05  # no constant: an agreement to 1e-4 would say nothing (.38 to .84 over seeds)


def test_an_exported_network_is_not_overwritten(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path = tmp_path / "mine.onnx"
    path.write_text("precious")
    words = ["export", "latest", "--to", "onnx", "--out", str(path)]
    assert run_command_line(words) == ExitCode.USAGE
    assert "exists" in capsys.readouterr().err
    assert path.read_text() == "precious"
    assert run_command_line([*words, "--force"]) == ExitCode.OK
    assert path.stat().st_size > 1000


def test_the_weights_alone_are_written_without_the_task(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["export", "latest", "--to", "state_dict", "--out", str(path := tmp_path / "eyes.pt")]
    assert run_command_line(words) == ExitCode.OK
    assert "weights of epoch" in capsys.readouterr().out
    assert all(tensor.isfinite().all() for tensor in torch.load(path, weights_only=True).values())
    assert run_command_line(words) == ExitCode.USAGE
    assert "eyes.pt exists" in capsys.readouterr().err


def test_weights_are_chosen_for_a_network_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["export", "latest", "--weights", "ema"]) == ExitCode.USAGE
    assert "choose a network" in capsys.readouterr().err


def test_a_task_without_predict_or_export_says_what_to_define(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    small = ["--device", "cpu", "hidden=16", "num_train=160", "num_val=40", "train.epochs=1"]
    assert run_command_line(["run", "--task", TASK, *small, "--runs-dir", str(tmp_path)]) == ExitCode.OK
    for words in (["export", "latest", "--to", "onnx"], ["predict", "latest", "eyes/open/00.jpg"]):
        assert run_command_line([*words, "--runs-dir", str(tmp_path)]) == ExitCode.USAGE
        assert "Blobs" in (said := capsys.readouterr().err) and "define it" in said


def test_one_bad_file_does_not_cost_the_folder(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    (folder / "mixed").mkdir()
    for k in range(3):
        shutil.copy(folder / "eyes" / "open" / f"0{k}.jpg", folder / "mixed")
    (folder / "mixed" / "01b.jpg").write_text("not an image")
    assert run_command_line(["predict", "latest", "mixed"]) == ExitCode.OK
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == [f"mixed/0{k}.jpg" for k in range(3)]
    assert err.count("\n") == 1 and "mixed/01b.jpg (not an image); left out" in err
    for path in (folder / "mixed").glob("0?.jpg"):
        path.unlink()
    assert run_command_line(["predict", "latest", "mixed"]) == ExitCode.USAGE
    assert "none of the 1 files can be read" in capsys.readouterr().err
