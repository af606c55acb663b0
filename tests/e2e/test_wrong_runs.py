"""Runs and checkpoints that cannot be gone on with: one clear line, nothing written over, nothing executed."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from kills import TASK
from shells import BLOBS, Shell

from trainctl.engine.runs.lock import RunLock


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
