"""Recordings on both sides of a weld manifest's split: found, said by `data`, and gone where the advice is taken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainctl.engine.errors import ExitCode
from trainctl.tui.cli.main import run_command_line

SHAPES = {"video": (2, 8), "image": (5, 6), "audio": (1, 6), "sensor": (16, 3)}
SMALL = [f"data.{name}=[{rows},{width}]" for name, (rows, width) in SHAPES.items()]


def leaky(folder: Path, *, media: bool) -> Path:
    """20 recordings of eight welds of one class, each with six of TRAIN and two of TEST."""
    rows = ["CATEGORY,DIRECTORY,SUBDIRS,SPLIT"]
    for k in range(160):
        recording = f"rec_{k // 8:02}"
        category, side = "Good" if k // 8 % 2 else "Overlap", "TEST" if k % 4 == 3 else "TRAIN"
        rows.append(f"{category},{recording},{recording}/{k},{side}")
        if media:
            (folder / recording).mkdir(exist_ok=True)
            chance = np.random.default_rng(k)
            arrays: dict[str, Any] = {name: chance.normal(size=shape) for name, shape in SHAPES.items()}
            np.savez(folder / recording / f"{k}.npz", **arrays)
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return folder / "manifest.csv"


def answered(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = run_command_line([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def sets(options: list[str]) -> list[str]:
    return [word for option in options for word in ("--set", option)]


@pytest.mark.parametrize("media", [True, False], ids=["with features", "labels only"])
def test_shared_recordings_are_an_error_that_its_own_advice_removes(
    media: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["diagnose", "--data", str(leaky(tmp_path, media=media)), "--only", "data", *sets(SMALL)]
    code, report = answered(capsys, *words)
    (finding,) = (finding for finding in report["findings"] if finding["code"] == "D105")
    assert code == ExitCode.FINDINGS and finding["severity"] == "error"
    assert finding["figures"] == {"shared_groups": 20, "val_samples": 40}
    advice = [f"{path}={value}" for path, value in finding["fix"]["set"].items()]
    assert advice == ["data.split=grouped"] and advice[0] in finding["fix"]["text"]
    code, report = answered(capsys, *words, *sets(advice))
    assert code == ExitCode.OK and "D105" in report["checked"]
    assert not [finding for finding in report["findings"] if finding["code"] == "D105"]


@pytest.mark.parametrize("media", [True, False], ids=["with features", "labels only"])
def test_data_says_which_rows_are_used_and_that_recordings_are_shared(
    media: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(leaky(tmp_path, media=media))
    code, found = answered(capsys, "data", "--preset", "weld/repaired", "--data", path, *sets(SMALL))
    assert code == ExitCode.OK
    assert [split["num_samples"] for split in found["balance"]["splits"]] == [120, 40]
    assert found["balance"]["groups"] == {"train": 20, "val": 20, "shared": 20, "fix": {"data.split": "grouped"}}
    assert "120 of TRAIN train, 40 of TEST validate" in found["balance"]["notes"][-1]
    assert ("missing" in found["tensors"]) == (not media)
    assert run_command_line(["data", "--preset", "weld/repaired", "--data", path, *sets(SMALL)]) == ExitCode.OK
    said = " ".join(capsys.readouterr().out.split())
    assert "20 of them in both, the validation is too good; data.split=grouped puts each on one side" in said
    _, found = answered(
        capsys, "data", "--preset", "weld/repaired", "--data", path, *sets(SMALL), "--group-by", "directory"
    )
    assert found["balance"]["groups"]["shared"] == 0


@pytest.mark.slow
def test_the_test_samples_that_are_kept_out_can_be_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = leaky(tmp_path, media=True)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line.replace("TEST", "VAL") if k % 3 == 0 else line for k, line in enumerate(lines)))
    num_test = sum(line.endswith("TEST") for line in path.read_text().splitlines())
    options = [*SMALL, "train.epochs=1", "train.batch_size=16", "model.width=16", "model.layers=1"]
    runs = ["--runs-dir", str(tmp_path / "runs")]
    words = ["run", "--preset", "weld/repaired", "--device", "cpu", "--data", str(path), *runs, *options]
    assert run_command_line(words) == ExitCode.OK
    events = next((tmp_path / "runs").glob("2*/events.jsonl")).read_text()
    assert f"{num_test} of TEST are kept out" in events
    sizes = {}
    for part in ("train", "val", "test", "all"):
        code, found = answered(capsys, "evaluate", "latest", *runs, "--split", part)
        assert code == ExitCode.OK
        sizes[part] = found["samples"]
    assert sizes == {"train": 120, "val": 40 - num_test, "test": num_test, "all": 160}
    path.write_text(path.read_text().replace("TEST", "VAL"))
    assert run_command_line(["evaluate", "latest", *runs, "--split", "test"]) == ExitCode.USAGE
    assert "keep no test samples apart" in capsys.readouterr().err
