"""What a trained quality network is used for: measured again, asked about photographs, exported, and all agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from trainctl.engine.errors import ExitCode
from trainctl.tui.cli.main import run_command_line

SIZE = 32
TRAIN = [
    *("run", "--preset", "quality/balanced", "--scale", "small", "--device", "cpu", "--data", "photos"),
    *("data.references=10", "data.images=260", f"data.image_size={SIZE}", "model.width=4", "model.features=32"),
    *("model.projection=8", "model.hidden=[16]", "train.batch_size=26", "train.epochs=4", "ema.decay=0.5"),
    *("refit.mode=matched", "refit.every=2", "loss.balance_over=average"),
]


def write_photographs(root: Path, count: int = 5) -> None:
    """Photographs of other sizes than the network's: smooth patches of colour under fine texture."""
    root.mkdir()
    for k in range(count):
        rng = np.random.default_rng(k)
        patches = np.kron(rng.integers(40, 216, (10, 14, 3)), np.ones((8, 8, 1)))
        pixels = (patches + rng.normal(0, 8, patches.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(root / f"photo{k}.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs in `photos`, and a run on them in `runs`."""
    found = tmp_path_factory.mktemp("quality")
    write_photographs(found / "photos")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(found)
        assert run_command_line(TRAIN) == ExitCode.OK
    return found


@pytest.fixture(autouse=True)
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def predict(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert run_command_line(["predict", "latest", "--json", *words]) == ExitCode.OK
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_best_checkpoint_measures_as_its_epoch_did(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run,) = (path for path in (folder / "runs").iterdir() if path.is_dir() and not path.is_symlink())
    assert sorted(path.name for path in run.glob("*.pth")) == ["best_model.pth", "latest_model.pth"]
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    best = [event["data"] for event in events if event["kind"] == "validation" and event["data"]["best"]][-1]
    assert [event["data"]["mode"] for event in events if event["kind"] == "refit"] == ["matched"]
    capsys.readouterr()
    for weights in ("raw", "ema"):
        assert run_command_line(["evaluate", "latest", "--json", "--weights", weights]) == ExitCode.OK
        found = json.loads(capsys.readouterr().out)
        assert found["epoch"] == best["epoch"]
        assert found["metrics"] == pytest.approx(best[weights], abs=1e-6, nan_ok=True)


def test_photographs_get_a_score_and_a_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    found = predict(capsys, "photos")
    assert [row["file"] for row in found] == sorted(str(path) for path in Path("photos").iterdir())
    # Scores of so short a training lie anywhere about 0..1; that they are the network's is asked of the export below.
    assert all(np.isfinite(row["score"]) and row["cluster"] in range(8) for row in found)
    assert isinstance(found[0]["cluster"], int)
    assert run_command_line(["predict", "latest", "photos/photo0.png"]) == ExitCode.OK
    row = found[0]
    line = f"photos/photo0.png  score {row['score']:.4f}  cluster {row['cluster']}\n"
    assert capsys.readouterr().out == line


def test_a_photograph_smaller_than_the_network_s_pictures_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    small = tmp_path / "small.png"
    Image.new("RGB", (40, 20)).save(small)
    assert run_command_line(["predict", "latest", str(small)]) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"trainctl: error: cannot use 1 of 1 files: {small} (40×20 pixels are fewer than 32×32)")
    assert err.count("\n") == 1


@pytest.mark.parametrize("weights", ["raw", "ema"])
def test_the_exported_network_predicts_what_predict_does(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, weights: str
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    path = tmp_path / "quality.onnx"
    words = ["export", "latest", "--to", "onnx", "--out", str(path), "--weights", weights]
    assert run_command_line(words) == ExitCode.OK
    out = capsys.readouterr().out
    assert out.startswith(f"wrote {path}  images Nx3x32x32 -> score N  ({weights} weights of epoch ")
    found = predict(capsys, "photos", "--weights", weights)
    # cut by Pillow here, so that a mistake in our own cutting shows
    left, top = (14 * 8 - SIZE) // 2, (10 * 8 - SIZE) // 2
    crops = [Image.open(row["file"]).crop((left, top, left + SIZE, top + SIZE)) for row in found]
    images_NCHW = np.stack([np.asarray(crop, np.float32).transpose(2, 0, 1) / 255 for crop in crops])
    (scores_N,) = onnxruntime.InferenceSession(path).run(["score"], {"images": images_NCHW})
    np.testing.assert_allclose(scores_N, [row["score"] for row in found], atol=1e-4)
