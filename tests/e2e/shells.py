"""Command lines typed in an empty folder, and what they leave behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from kills import TASK
from PIL import Image

from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.cli.main import run_command_line

BLOBS = ["--task", TASK, "--device", "cpu", "hidden=16", "num_train=160", "num_val=40", "train.epochs=1"]
EYES = [
    *("--preset", "eyes/balanced", "--scale", "small", "--device", "cpu"),
    *("data.image_size=[16,32]", "model.num_blocks=1", "model.base_channels=8"),
    *("train.max_steps=2", "train.batch_size=4", "train.epochs=2"),
]
FULL = ["--preset", "eyes/balanced", "--scale", "full", "--device", "cpu", "model.arch=convnext"]


class Shell:
    """Types command lines in an empty folder."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.runs, self._capsys = folder, folder / "runs", capsys

    def __call__(self, *words: str | Path) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        self._capsys.readouterr()
        code = run_command_line([str(word) for word in words])
        out, err = self._capsys.readouterr()
        return code, out, err

    def ok(self, *words: str | Path) -> str:
        """Standard output of a line that must succeed."""
        code, out, err = self(*words)
        assert code == ExitCode.OK, err
        return out

    def refuses(self, *words: str | Path) -> str:
        """The one line that says why; nothing in the folder has changed."""
        before = snapshot(self.folder)
        code, out, err = self(*words)
        assert code == ExitCode.USAGE, (code, err)
        assert out == ""
        assert err.startswith("trainctl: error: ") and err.count("\n") == 1, err
        assert snapshot(self.folder) == before
        return err.removeprefix("trainctl: error: ").rstrip()

    def run(self) -> RunPaths:
        """A finished run."""
        self.ok("run", *BLOBS, "--runs-dir", self.runs)
        return RunPaths((self.runs / "latest").resolve())


def snapshot(folder: Path) -> dict[str, bytes]:
    """Content of every file; the lock is taken and given back."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path): path.read_bytes() for path in files if "__pycache__" not in path.parts}


def write_eyes(root: Path, count: int = 8) -> Path:
    """Folders `open` and `closed` of real JPEG files."""
    rng = np.random.default_rng(0)
    for name in ("open", "closed"):
        (root / name).mkdir(parents=True)
        for k in range(count):
            pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"p{k}_1.jpg")
    return root
