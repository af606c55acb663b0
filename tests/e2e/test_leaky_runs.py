"""A run on a leaky split says so after it as before it: copies, near-duplicates, groups on both sides."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from eyes_files import write_images
from PIL import Image

from trainctl.engine.errors import ExitCode
from trainctl.tui.cli.main import run_command_line

SHALLOW = ["model.base_channels=8", "model.num_blocks=2"]
SMALL = ["--device", "cpu", "train.epochs=1", "train.batch_size=16", "data.image_size=[16,32]", *SHALLOW]

GROUPED = """
import torch
from torch import nn
from trainctl.engine.tasks.task import Split, Splits, StepOutput, Task

def split(n, seed, groups):
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(seed))
    labels = torch.arange(n) % 2
    return Split({"x": x, "labels": labels}, labels, groups=groups)

class Grouped(Task):
    def load(self):
        train = [f"person {k % 10}" for k in range(160)]
        val = [f"person {SHIFT + k % 4}" for k in range(40)]
        return Splits(split(160, 1, train), split(40, 2, val), ("no", "yes"))
    def build_model(self, splits):
        return nn.Linear(4, 2)
    def step(self, model, batch):
        return StepOutput({"ce": nn.functional.cross_entropy(model(batch["x"]), batch["labels"])})
"""


def eyes(root: Path) -> Path:
    """Different pictures throughout: 40 for training, 30 for validation."""
    for seed, part in enumerate(("train/open", "train/closed", "val/open", "val/closed")):
        write_images(root / part, 20 if part.startswith("train") else 15, seed=seed + 1)
    return root


def copy_over(root: Path, count: int, *, brighter: bool) -> None:
    """Replace validation pictures by training ones of their class, the same or a little brighter."""
    for which in ("open", "closed"):
        for k in range(count // 2):
            source, target = (root / part / which / f"eye_{k}.png" for part in ("train", "val"))
            if not brighter:
                shutil.copy(source, target)
                continue
            pixels = np.asarray(Image.open(source)).astype(np.float64)
            Image.fromarray((pixels * 0.9 + 20).astype(np.uint8)).save(target)


def trained_and_diagnosed(
    capsys: pytest.CaptureFixture[str], folder: Path, *words: str
) -> tuple[int, dict[str, dict[str, Any]]]:
    runs = ["--runs-dir", str(folder / "runs")]
    assert run_command_line(["run", *runs, *words]) == ExitCode.OK
    capsys.readouterr()
    code = run_command_line(["diagnose", "latest", *runs, "--json"])
    report = json.loads(capsys.readouterr().out)
    assert {"D104", "D105"} <= set(report["checked"]) | {entry["code"] for entry in report["not_checked"]}
    return code, {finding["code"]: finding for finding in report["findings"]}


@pytest.mark.parametrize("brighter", [False, True], ids=["the same file in both", "nearly the same"])
def test_a_leak_of_three_quarters_is_an_error_of_the_run(
    brighter: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = eyes(tmp_path / "eyes")
    copy_over(root, 22, brighter=brighter)
    code, found = trained_and_diagnosed(capsys, tmp_path, "--data", str(root), *SMALL)
    assert code == ExitCode.FINDINGS
    assert found["D104"]["severity"] == "error" and found["D104"]["primary"]
    assert found["D104"]["figures"]["share_of_val"] == pytest.approx(22 / 30)
    before = run_command_line(
        ["diagnose", "--data", str(root), *_sets(SMALL), "--scale", "small", "--only", "data", "--json"]
    )
    named = {finding["code"]: finding for finding in json.loads(capsys.readouterr().out)["findings"]}
    assert before == ExitCode.FINDINGS and named["D104"]["figures"] == found["D104"]["figures"]


def test_a_clean_split_is_no_finding_of_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, found = trained_and_diagnosed(capsys, tmp_path, "--data", str(eyes(tmp_path / "eyes")), *SMALL)
    assert not {"D104", "D105"} & found.keys()


def test_a_leak_of_a_few_in_a_hundred_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = eyes(tmp_path / "eyes")
    copy_over(root, 2, brighter=True)
    _, found = trained_and_diagnosed(capsys, tmp_path, "--data", str(root), *SMALL)
    assert found["D104"]["severity"] == "warning" and found["D104"]["figures"]["near"] == 2


@pytest.mark.parametrize(("shift", "shared"), [(8, 2), (10, 0)])
def test_groups_on_both_sides_of_ones_own_split(
    shift: int, shared: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    code = tmp_path / "grouped.py"
    code.write_text(GROUPED.replace("SHIFT", str(shift)))
    words = ["--task", f"{code}:Grouped", "--device", "cpu", "train.epochs=1", "train.batch_size=16"]
    ended, found = trained_and_diagnosed(capsys, tmp_path, *words)
    if not shared:
        assert "D105" not in found
        return
    assert ended == ExitCode.FINDINGS
    assert found["D105"]["severity"] == "error"
    assert found["D105"]["figures"] == {"shared_groups": 2, "val_samples": 20}


def _sets(words: list[str]) -> list[str]:
    return [part for word in words for part in (("--set", word) if "=" in word else (word,))]


def test_one_picture_in_two_classes_is_named_before_and_after_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = eyes(tmp_path / "eyes")
    for k in range(3):
        shutil.copy(root / "train/open" / f"eye_{k}.png", root / "train/closed" / f"eye_{k}.png")
    _, after = trained_and_diagnosed(capsys, tmp_path, "--data", str(root), *SMALL)
    run_command_line(["diagnose", "--data", str(root), *SMALL[2:], "--json"])
    before = {finding["code"]: finding for finding in json.loads(capsys.readouterr().out)["findings"]}
    for findings in (before, after):
        torn = findings["L207"]
        assert (torn["figures"]["contradicted"], torn["figures"]["labelled"]) == (6, 70)
        assert "open/eye_" in torn["where"] and "closed/eye_" in torn["where"]
    assert run_command_line(["data", "--data", str(root)]) == ExitCode.OK
    assert "6 of 70 samples have an equal with another label" in " ".join(capsys.readouterr().out.split())
