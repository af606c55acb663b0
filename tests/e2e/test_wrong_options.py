"""Wrong options and tasks: one clear line on standard error, code 2, nothing written over, no traceback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from kills import TASK
from shells import BLOBS, FULL, Shell
from sittings import ONE_THREAD, STARTER

from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.reader import RunReader


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


@pytest.mark.slow
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


def test_the_largest_seed_trains(shell: Shell) -> None:
    assert "finished" in shell.ok("run", *BLOBS, f"seed={2**43 - 1}")
