"""A run that is fitted to the user's data: it says so once, and what is done with it later is fitted to nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from eyes_files import picture, write_classes

from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.index import find_run
from trainctl.engine.runs.reader import RunReader
from trainctl.tui.cli.main import run_command_line

SMALL = ["--data", "eyes", "--scale", "small", "--device", "cpu"]
QUICK = ["train.batch_size=8", "model.base_channels=8", "model.num_blocks=2", "data.leak_check=false"]
FITTED = {"data": [16, 20], "epochs": 300}


@pytest.fixture(autouse=True)
def eyes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_classes(tmp_path / "eyes")


def succeeds(*words: str) -> None:
    assert run_command_line(list(words)) == ExitCode.OK


def values() -> dict[str, Any]:
    config = yaml.safe_load(Path("runs/latest/config.yaml").read_text())
    return {"data": config["data"]["image_size"], "epochs": config["train"]["epochs"]}


def fit_notes() -> list[str]:
    reader = RunReader(find_run(Path("runs"), "latest"))
    reader.poll()
    said = [str(event.data.get("text")) for event in reader.events if event.kind is EventKind.NOTE]
    return [text for text in said if text.startswith("fitted")]


def enlarge(eyes: Path) -> None:
    """Make the pictures such that a new run would be fitted otherwise."""
    for k, path in enumerate(sorted(eyes.rglob("*.png"))):
        picture(k, (40, 40)).save(path)


def test_what_goes_on_from_a_run_is_not_fitted_anew(eyes: Path) -> None:
    for path in sorted(eyes.rglob("*.png")):
        picture(1, (16, 20)).save(path)
    succeeds("run", *SMALL, *QUICK, "train.max_steps=2")
    assert values() == FITTED
    (note,) = fit_notes()
    assert note.startswith("fitted to 20 images of 16x20: ") and "fit_to_data=off" in note
    enlarge(eyes)
    succeeds("run", "--resume", "latest", "train.max_steps=3")
    assert (values(), fit_notes()) == (FITTED, [note])
    succeeds("evaluate", "latest")
    succeeds("run", "--fork", "latest", "--preset", "aggressive", "train.max_steps=4", "train.batch_size=8")
    assert (values(), fit_notes()) == (FITTED, [])


def test_what_is_looked_at_before_a_run_is_what_the_run_will_be(capsys: pytest.CaptureFixture[str]) -> None:
    succeeds("data", *SMALL, "--json")
    said = json.loads(capsys.readouterr().out)
    assert said["title"] == "eyes/balanced, eyes, fitted to it"
    assert "3, 16, 16]" in json.dumps(said["tensors"])
    succeeds("presets", "show", "balanced", "--scale", "small", "--data", "eyes", "--json")
    shown = json.loads(capsys.readouterr().out)
    assert shown["sources"]["data.image_size"] == {"kind": "fitted", "where": "to 20 images of 8x16"}
    assert run_command_line(["diagnose", *SMALL, *QUICK]) != ExitCode.USAGE
    assert "small scale, eyes, fitted to it, before training" in capsys.readouterr().out
