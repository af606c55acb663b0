"""Whatever is wrong with the input: one clear line on standard error, code 2, nothing written over, no traceback."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from kills import TASK
from PIL import Image
from sittings import ONE_THREAD, STARTER

from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.lock import RunLock
from trainctl.engine.runs.reader import RunReader
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


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRAINCTL_RUNS_DIR", str(tmp_path / "runs"))
    return Shell(tmp_path, capsys)


def write_eyes(root: Path, count: int = 8) -> Path:
    """Folders `open` and `closed` of real JPEG files."""
    rng = np.random.default_rng(0)
    for name in ("open", "closed"):
        (root / name).mkdir(parents=True)
        for k in range(count):
            pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"p{k}_1.jpg")
    return root


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train.epoch=3"], "unknown key train.epoch; did you mean train.epochs?"),
        ([f"seed={2**43}"], "seed must be less than 8.79609e+12"),
        (["train.workers=1000"], "train.workers must be at most 256"),
        (["runtime.threads=100000"], "runtime.threads must be at most 1024"),
        ([f"train.epochs={10**30}"], "train.epochs must be at most 9.22337e+18"),
        (["train.epochs=many"], "train.epochs must be a whole number, got many"),
        (["optimizer.lr=-1"], "optimizer.lr must be greater than 0, got -1"),
        (["--set", "epochs"], "'epochs' is not KEY=VALUE"),
        (["--config", "nothing.yaml"], "file not found: nothing.yaml"),
        (["--preset", "eyes/blanced"], "did you mean eyes/balanced?"),
        (["--preset", "nothing.yaml"], "file not found: nothing.yaml"),
        (["--scale", "huge"], "'huge' is not one of"),
        (["train.batch_size=1000"], "160 samples, fewer than one batch of 1000; set train.batch_size to at most 160"),
        (["--device", "cuda:7"], "runtime.device: cuda:7 is not available on this machine"),
        (["--device", "gpu"], "'gpu' is no device"),
    ],
)
def test_a_wrong_option_is_named(shell: Shell, words: list[str], said: str) -> None:
    assert said in shell.refuses("run", *BLOBS, *words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["loss_weights.nothing=1"], "no loss term 'nothing'; this task has: ce, size"),
        (["train.monitor=f1"], "no validation metric 'f1'; this task has: loss, ce, size, accuracy"),
    ],
)
def test_what_shows_at_the_first_step_leaves_a_run_that_says_so(shell: Shell, words: list[str], said: str) -> None:
    code, _, err = shell("run", *BLOBS, *words)
    assert (code, err.count("\n")) == (ExitCode.USAGE, 1)
    assert said in err
    reader = RunReader(RunPaths((shell.runs / "latest").resolve()))
    reader.poll()
    assert reader.status is not None and reader.summary is not None
    assert reader.status.state == reader.summary.state == "failed"
    assert said.split(";")[0] in reader.summary.exit_reason
    assert reader.events[-1].kind is EventKind.END


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["data.image_size=[24,40]"],
            "convnext with 8 blocks shrinks images of 24x40 to nothing; use data.image_size=",
        ),
        (["data.image_size=[32,64]"], "model.token_grid=2x3 does not divide the 1x2 feature map"),
    ],
)
def test_a_shape_the_network_cannot_take_is_named_before_any_data_is_read(
    shell: Shell, words: list[str], said: str
) -> None:
    assert said in shell.refuses("run", *FULL, *words, "--data", "nowhere")


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


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "task file not found: "),
        ("x = 1\n", "has no Task class 'Mine'"),
        ("import os\ndef f(:\n", "mine.py:2: SyntaxError: "),
        ("\n\nimport not_there\n", "mine.py:3: ModuleNotFoundError: No module named 'not_there'"),
        ("def f():\n    return {}['k']\nf()\n", "mine.py:2: KeyError: 'k'"),
        ("raise SystemExit(3)\n", "mine.py:1: SystemExit: 3"),
        (
            "from trainctl.engine.tasks.task import Task\nclass Mine(Task):\n    def load(self): ...\n",
            "lacks build_model, step; define them",
        ),
    ],
)
def test_a_mistake_in_a_task_file_is_one_line_with_its_place(shell: Shell, content: str | None, said: str) -> None:
    if content is not None:
        (shell.folder / "mine.py").write_text(content)
    assert said in shell.refuses("run", "--task", "mine.py:Mine")


@pytest.mark.parametrize("code", [0, 3, 143])
def test_a_task_that_leaves_while_it_loads_has_failed(tmp_path: Path, code: int) -> None:
    text = (
        "from trainctl.engine.tasks.task import Task\nclass Mine(Task):\n    def load(self): raise SystemExit(CODE)\n"
    )
    text += "    def build_model(self, splits): ...\n    def step(self, model, batch): ...\n"
    (tmp_path / "mine.py").write_text(text.replace("CODE", str(code)))
    argv = [sys.executable, "-c", STARTER, "run", "--task", "mine.py:Mine", "--device", "cpu"]
    ended = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ended.returncode == (ExitCode.RUN_FAILED if code != 143 else 143)
    assert ("mine.py" in ended.stderr) == (code != 143)


def test_a_task_named_by_a_relative_path_is_found_again_from_elsewhere(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(Path(TASK.partition(":")[0]), shell.folder / "blobs.py")
    monkeypatch.delitem(sys.modules, "trainctl_user_blobs", raising=False)
    shell.ok("run", "--task", "blobs.py:Blobs", *BLOBS[2:])
    (shell.folder / "elsewhere").mkdir()
    monkeypatch.chdir(shell.folder / "elsewhere")
    monkeypatch.delitem(sys.modules, "trainctl_user_blobs")
    out = shell.ok("run", "--resume", "latest", "train.epochs=2")
    assert "finished: all epochs done" in out
    assert "-blobs-Blobs-" in out


def test_a_runs_folder_that_cannot_be_made_is_named(shell: Shell) -> None:
    (shell.folder / "file").write_text("mine")
    assert "a part of the path is a file" in shell.refuses("run", *BLOBS, "--runs-dir", "file")
    assert "a part of the path is a file" in shell.refuses("run", *BLOBS, "--runs-dir", "file/runs")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_runs_folder_of_somebody_else_is_named(shell: Shell) -> None:
    shell.runs.mkdir(mode=0o555)
    assert "no permission to write" in shell.refuses("run", *BLOBS)


def test_a_run_that_is_not_there_cannot_be_resumed(shell: Shell) -> None:
    assert "no run in" in shell.refuses("run", "--resume", "latest")
    assert "no run 'nothing'" in shell.refuses("run", "--resume", "nothing")
    assert "no such run directory" in shell.refuses("run", "--resume", "./nothing")


def test_a_finished_run_is_left_as_it_is(shell: Shell) -> None:
    run = shell.run()
    assert "has finished its 1 epochs; to go on, raise them: train.epochs=2" in shell.refuses(
        "run", "--resume", run.root
    )
    assert "has finished its 1 epochs" in shell.refuses("run", "--resume", run.root, "seed=5")
    shell.ok("run", "--resume", run.root, "train.epochs=3")
    said = shell.refuses("run", "--resume", run.root, "train.epochs=2")
    assert "has finished its 3 epochs; to go on, raise them: train.epochs=6" in said  # 4 would do, 2 would not
    shell.ok("run", *BLOBS, "train.epochs=9", "train.max_steps=3")
    assert "has taken its 3 steps; to go on, raise them: train.max_steps=6" in shell.refuses(
        "run", "--resume", "latest"
    )


def test_options_that_contradict_a_resume_are_named(shell: Shell) -> None:
    run = shell.run()
    assert "not with --task" in shell.refuses("run", "--resume", run.root, "--task", TASK)
    assert "the task of a run cannot change" in shell.refuses("run", "--resume", run.root, "task=eyes")
    refused = shell.refuses("run", "--resume", run.root, "hidden=32", "train.epochs=2")
    assert "is of another network: 0.weight is 16x16 in it and 32x16 here; resume with the run's own" in refused


def test_a_run_that_is_being_written_is_left_alone(shell: Shell) -> None:
    run = shell.run()
    with RunLock(run):
        said = shell.refuses("run", "--resume", run.root, "train.epochs=2")
    assert f"is being written by process {os.getpid()}" in said


COMMANDS = {
    "resume": ["run", "--resume", "RUN", "train.epochs=2"],
    "tail": ["tail", "RUN"],
    "export": ["export", "RUN", "--out", "out.csv"],
    "evaluate": ["evaluate", "RUN"],
    "predict": ["predict", "RUN", "x.jpg"],
    "diagnose": ["diagnose", "RUN"],
    "send": ["send", "RUN", "pause"],
}


@pytest.mark.parametrize("file", ["meta.json", "status.json", "steps.json", "summary.json"])
def test_a_run_of_a_newer_version_is_refused_by_every_command(shell: Shell, file: str) -> None:
    path = shell.run().root / file
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 99}))
    for words in COMMANDS.values():
        said = shell.refuses(*(str(path.parent) if word == "RUN" else word for word in words))
        assert f"{file} has schema 99, this trainctl reads up to 1" in said


class Malicious:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.path), "w"))


FOREIGN: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "random bytes": (lambda path, _: path.write_bytes(bytes(range(256)) * 9), "it is another kind of file"),
    "empty": (lambda path, _: path.write_bytes(b""), "it is cut off or damaged"),
    "pickle with code": (
        lambda path, harm: path.write_bytes(pickle.dumps(Malicious(harm))),
        "it is another kind of file",
    ),
    "torch with code": (
        lambda path, harm: torch.save({"format": "trainctl checkpoint", "x": Malicious(harm)}, path),
        "it holds more than tensors and plain data",
    ),
    "torch": (lambda path, _: torch.save({"model": {"weight": torch.zeros(3)}}, path), "it was written by something"),
    "cut off": (lambda path, _: path.write_bytes(path.read_bytes()[:5000]), "it is cut off or damaged"),
    "hollow": (
        lambda path, _: torch.save({"format": "trainctl checkpoint", "schema": 1, "about": {}, "state": {}}, path),
        "its about is incomplete",
    ),
    "newer": (
        lambda path, _: torch.save({"format": "trainctl checkpoint", "schema": 9}, path),
        "was written by a newer trainctl (schema 9)",
    ),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_checkpoint_that_is_not_ours_is_refused_and_never_executed(shell: Shell, kind: str) -> None:
    run = shell.run()
    spoil, said = FOREIGN[kind]
    for path in (run.latest, run.best):
        spoil(path, shell.folder / "harm")
    for command in ("resume", "evaluate"):
        words = [str(run.root) if word == "RUN" else word for word in COMMANDS[command]]
        assert said in shell.refuses(*words)
    assert not (shell.folder / "harm").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [["run", "train.epoch=1"], ["run", "--task", "syntax.py:X"], ["run", "--resume", "latest"]]
)
def test_a_real_process_shows_one_line_and_ends_with_2(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "syntax.py").write_text("def f(:\n")
    done = subprocess.run(
        [sys.executable, "-c", STARTER, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, **ONE_THREAD},
    )
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert done.stderr.startswith("trainctl: error: ") and done.stderr.count("\n") == 1


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


def test_the_largest_seed_trains(shell: Shell) -> None:
    assert "finished" in shell.ok("run", *BLOBS, f"seed={2**43 - 1}")
