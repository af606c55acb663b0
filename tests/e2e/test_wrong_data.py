"""Data that cannot be used: one clear line that names the file; what can be left out is named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shells import EYES, Shell, write_eyes

from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.reader import RunReader


def no_data(folder: Path) -> Path:
    return folder / "nowhere"


def empty_class(folder: Path) -> Path:
    write_eyes(folder / "eyes")
    shutil.rmtree(folder / "eyes" / "open")
    (folder / "eyes" / "open").mkdir()
    return folder / "eyes"


def missing_class(folder: Path) -> Path:
    write_eyes(folder / "eyes")
    shutil.rmtree(folder / "eyes" / "open")
    return folder / "eyes"


def corrupt_images(folder: Path) -> Path:
    write_eyes(folder / "eyes")
    half = folder / "eyes" / "open" / "p3_1.jpg"
    half.write_bytes(half.read_bytes()[:200])
    (folder / "eyes" / "closed" / "p1_1.jpg").write_bytes(b"junk")
    return folder / "eyes"


def wrong_label(folder: Path) -> Path:
    (folder / "eyes.csv").write_text("path,class_id\na.jpg,0\nb.jpg,2\n")
    return folder / "eyes.csv"


def missing_column(folder: Path) -> Path:
    (folder / "eyes.csv").write_text("path,klass\na.jpg,0\n")
    return folder / "eyes.csv"


def truncated_parquet(folder: Path) -> Path:
    pq, pa = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    path = folder / "eyes.parquet"
    pq.write_table(pa.table({"class_id": [0, 1] * 50, "image_path": ["a.jpg"] * 100}), path)
    path.write_bytes(path.read_bytes()[:-20])
    return path


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (no_data, "no file or folder"),
        (empty_class, "open holds no image"),
        (missing_class, "has no folder 'open'"),
        (corrupt_images, "2 of 16 images that cannot be decoded: closed/p1_1.jpg (not an image)"),
        (wrong_label, "eyes.csv line 3: class_id is '2'; use 0 for closed and 1 for open"),
        (missing_column, "has no column class_id (found: path, klass)"),
        (truncated_parquet, "eyes.parquet is no complete Parquet file"),
    ],
)
def test_wrong_data_is_named(shell: Shell, make: Callable[[Path], Path], said: str) -> None:
    assert said in shell.refuses("run", *EYES, "--data", make(shell.folder))


@pytest.mark.parametrize(
    ("group_by", "said"),
    [("([", "is no regular expression"), (r"person(\d+)", r"data.group_by='person(\d+)' matches no path")],
)
def test_a_wrong_grouping_is_named(shell: Shell, group_by: str, said: str) -> None:
    assert said in shell.refuses("run", *EYES, "--data", write_eyes(shell.folder / "eyes"), "--group-by", group_by)


def test_corrupt_images_can_be_skipped_and_are_named(shell: Shell) -> None:
    out = shell.ok("run", *EYES, "--data", corrupt_images(shell.folder), "--skip-corrupt")
    assert "note: left out: 2 of 16 images that cannot be decoded: closed/p1_1.jpg (not an image), open/p3_1" in out


def test_spaces_and_umlauts_in_paths_are_fine_and_a_folder_that_cannot_be_written_too(shell: Shell) -> None:
    data = write_eyes(shell.folder / "größere Augen \U0001f441")
    data.chmod(0o555)
    out = shell.ok("run", *EYES, "--data", data, "--runs-dir", shell.folder / "meine Läufe")
    run = next(path for path in (shell.folder / "meine Läufe").iterdir() if not path.is_symlink())
    assert f"run     {run}" in out
    assert "f1" in shell.ok("evaluate", run)
    assert "over: finished" in shell.ok("tail", run)


def write_frames(root: Path, films: int = 24, frames: int = 5) -> Path:
    """Films of eyes: frames that differ by a little noise; a split at random takes each for an image of its own."""
    rng = np.random.default_rng(0)
    for name in ("open", "closed"):
        (root / name).mkdir(parents=True)
        for film in range(films):
            first = rng.integers(40, 216, (20, 30, 3)).astype(int)
            for frame in range(frames):
                pixels = np.clip(first + rng.normal(0, 2, first.shape), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(root / name / f"film{film}_{frame}.png")
    return root


@pytest.mark.slow
def test_frames_of_one_film_on_both_sides_are_a_finding_before_and_a_warning_in_the_run(shell: Shell) -> None:
    data = ["--data", str(write_frames(shell.folder / "eyes")), "--scale", "small", "--device", "cpu"]
    small = ["data.image_size=[16,32]", "model.num_blocks=1", "model.base_channels=8"]
    code, out, _ = shell("diagnose", *data, "--only", "data", *(f"--set={text}" for text in small))
    assert code == ExitCode.FINDINGS and "D104" in out and "have a near-duplicate in training" in out
    assert "× 48 of 48 validation samples have a near-duplicate in train" in shell.ok("data", *data, *small)
    shell.ok("run", *data, *small, "train.max_steps=2", "train.batch_size=4")
    reader = RunReader(RunPaths((shell.runs / "latest").resolve()))
    reader.poll()
    said = [event.data["text"] for event in reader.events if event.kind is EventKind.WARNING]
    assert len(said) == 1 and said[0].startswith("leak check: ") and "too good" in said[0]
    together = shell("diagnose", *data, "--only", "data", "--set", "data.group_by=film\\d+", "--set", small[0])
    assert together[0] == ExitCode.OK
