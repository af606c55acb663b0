"""Programs that know nothing of trainctl, started by it: recorded, not changed, and ended as they end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainctl.engine.runs.commands import send_command
from trainctl.engine.runs.events import EventKind, EventReader
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.store import StepReader

LOOP = """
import sys, torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
def train(lr):
    torch.manual_seed(0)
    x = torch.randn(64, 4)
    model = nn.Linear(4, 2)
    opt = torch.optim.SGD(model.parameters(), lr=lr)
    for epoch in range(3):
        for a, b in DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size=8, shuffle=True):
            loss = nn.functional.cross_entropy(model(a), b)
            opt.zero_grad(); loss.backward(); opt.step()
    print("weights", model.weight.sum().item())
if __name__ == "__main__":
    train(.1)
    END
"""


def script(folder: Path, end: str = "pass") -> Path:
    path = folder / "train.py"
    path.write_text(LOOP.replace("END", end))
    return path


def run(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trainctl.tui.cli.main", "run", "--runs-dir", str(folder / "runs"), "--", *words]
    env = {**os.environ, "OMP_NUM_THREADS": "1", **environ}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=env)


def runs(folder: Path) -> list[RunPaths]:
    return [RunPaths(path) for path in sorted((folder / "runs").iterdir()) if not path.is_symlink()]


def summary(paths: RunPaths) -> dict[str, object]:
    return json.loads(paths.summary.read_text())


@pytest.mark.slow
def test_a_program_is_recorded_and_computes_what_it_computes(tmp_path: Path) -> None:
    path = script(tmp_path)
    alone = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=True)
    done = run(tmp_path, sys.executable, str(path))
    assert done.returncode == 0, done.stderr
    assert done.stdout == alone.stdout
    (paths,) = runs(tmp_path)
    assert paths.root.name.split("-")[2] == "train"
    assert paths.console.read_text() == alone.stdout
    assert len(StepReader(paths).all()) == 24
    assert summary(paths)["state"] == "finished"


@pytest.mark.slow
def test_a_program_that_trains_twice_has_two_runs_and_a_failure_is_one(tmp_path: Path) -> None:
    path = script(tmp_path, "train(.2); 1 / 0")
    done = run(tmp_path, sys.executable, str(path))
    assert done.returncode == 1 and "ZeroDivisionError" in done.stdout
    first, second = runs(tmp_path)
    states = {summary(paths)["state"] for paths in (first, second)}
    assert states == {"finished", "failed"}
    assert all(len(StepReader(paths).all()) == 24 for paths in (first, second))


@pytest.mark.slow
def test_a_program_without_a_training_leaves_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, sys.executable, "-c", "import torch; raise SystemExit(7)")
    assert done.returncode == 7
    assert "nothing was recorded" in done.stderr
    assert runs(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--"], "is followed by the program"),
        (["--preset", "balanced", "--", "python"], "--preset does not go with a program"),
        (["--", "no-such-program"], "no such program"),
        (["--name", "--", "python"], "--name needs a value"),
    ],
)
def test_wrong_command_lines_say_so(words: list[str], said: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "trainctl.tui.cli.main", "run", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_watched_loop_obeys_between_two_steps(tmp_path: Path) -> None:
    code = """
import torch, trainctl, sys
from torch import nn
model = nn.Linear(2, 1)
opt = torch.optim.SGD(model.parameters(), lr=.1)
watch = trainctl.watch(opt, runs_dir="runs")
watch.on_checkpoint(lambda: torch.save(model.state_dict(), "mine.pt"))
print(watch.path, flush=True)
while not watch.should_stop:
    opt.zero_grad(); model(torch.ones(1, 2)).pow(2).sum().backward(); opt.step()
print("lr", opt.param_groups[0]["lr"])
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert process.stdout is not None
    paths = RunPaths(tmp_path / process.stdout.readline().strip())
    send_command(paths, "pause", {})
    send_command(paths, "set", {"name": "lr", "op": "mul", "value": 0.5})
    send_command(paths, "set", {"name": "epochs", "op": "set", "value": 3})
    send_command(paths, "validate", {})
    send_command(paths, "resume", {})
    send_command(paths, "checkpoint", {})
    send_command(paths, "stop", {})
    rest = process.stdout.read()
    assert process.wait() == 0
    assert rest == "lr 0.1\n", "the loop's own rate is as it left it"
    events = EventReader(paths).read_new()
    effects = [event.data["effect"] for event in events if event.kind is EventKind.COMMAND]
    assert effects[0] == "paused" and effects[1].startswith("lr of the loop times 0.5")
    assert [effect.split(":")[0] for effect in effects[2:4]] == ["refused", "refused"]
    assert effects[4] == "resumed" and effects[5] == "checkpoint written by the loop"
    assert (tmp_path / "mine.pt").exists()
    records = StepReader(paths).all()
    assert records["lr"][0, 0] == pytest.approx(0.1)
    stopped = next(event for event in events if event.kind is EventKind.COMMAND and event.data["verb"] == "stop")
    assert len(records) == stopped.step
    assert summary(paths)["state"] == "stopped"
