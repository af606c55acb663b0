"""`trainctl diagnose` as it is typed: what it prints and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainctl.engine.diagnosis.catalogue import every_rule
from trainctl.tui.cli.main import run_command_line

TASK = """
import torch
from torch import nn
from torch.nn import functional as F
from trainctl.engine.tasks.task import Split, Splits, StepOutput, Task

def split(n, seed, one_class):
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(seed))
    labels = torch.zeros(n, dtype=torch.long) if one_class else torch.arange(n) % 3
    return Split({"x": x, "labels": labels}, labels)

class Healthy(Task):
    one_class = False
    def load(self):
        return Splits(split(640, 1, self.one_class), split(90, 2, False), ("a", "b", "c"))
    def build_model(self, splits):
        return nn.Linear(4, 3)
    def step(self, model, batch):
        return StepOutput({"ce": F.cross_entropy(model(batch["x"]), batch["labels"])})

class OneClass(Healthy):
    one_class = True
"""


@pytest.fixture
def task_file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(TASK)
    return path


def ask(*words: str | Path) -> int:
    return run_command_line(["diagnose", *map(str, words)])


def options(path: Path, name: str) -> list[str]:
    return ["--task", f"{path}:{name}", "--set", "train.epochs=30", "--device", "cpu"]


def test_a_healthy_task_ends_with_zero(task_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(*options(task_file, "Healthy")) == 0
    out = capsys.readouterr().out
    assert "✓ nothing wrong in what was looked at" in out
    assert "\x1b" not in out


def test_an_error_ends_with_three_and_names_its_cause(task_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(*options(task_file, "OneClass")) == 3
    assert "✗ D103 class imbalance" in capsys.readouterr().out


def test_json_is_one_document_and_nothing_else(task_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(*options(task_file, "OneClass"), "--json") == 3
    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == "wrong"
    assert document["findings"][0]["code"] == "D103"


def test_only_sampler_prints_the_class_distribution_and_five_batches(
    task_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(*options(task_file, "Healthy"), "--only", "sampler") == 0
    out = capsys.readouterr().out
    assert "class distribution of the training split, 640 samples" in out
    assert out.count("✓ ok: 3 classes") == 5
    assert "gradient flow" not in out


def test_several_parts_can_be_asked_for(task_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(*options(task_file, "Healthy"), "--only", "data", "--only", "loss", "--json") == 0
    checked = set(json.loads(capsys.readouterr().out)["checked"])
    assert {"D104", "D107", "C306"} <= checked
    assert {every_rule()[code].section for code in checked} == {"data", "loss"}


@pytest.mark.parametrize(
    "words",
    [
        ["--preset", "no-such-preset"],
        ["--task", "nowhere.py:Mine"],
        ["--set", "no.such=1"],
        ["--only", "nonsense"],
        ["no-such-run"],
        ["latest", "--preset", "balanced"],
    ],
)
def test_what_cannot_be_asked_ends_with_two_and_one_line(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ask(*words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("trainctl: error: ")
    assert captured.err.count("\n") == 1


MANIFEST = "CATEGORY,DIRECTORY,SUBDIRS,SPLIT\n" + "".join(
    f"{category},{category}_{number // 4},{category}_{number // 4}/{number},{split}\n"
    for category, split, count in (
        ("Good", "TRAIN", 120),
        ("Good", "VAL", 8),
        ("Spatter", "VAL", 8),
        ("Warping", "TEST", 8),
    )
    for number in range(1000 if split != "TRAIN" else 0, (1000 if split != "TRAIN" else 0) + count)
)


@pytest.mark.parametrize("named", [[], ["--task", "weld"], ["--preset", "weld/stuck"]])
def test_a_manifest_without_its_media_is_judged_by_its_labels(
    named: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list.csv").write_text(MANIFEST)
    assert ask(*named, "--data", tmp_path / "list.csv", "--scale", "small", "--json") == 3
    document = json.loads(capsys.readouterr().out)
    first = document["findings"][0]
    assert (first["code"], first["primary"], first["confidence"]) == ("D103", True, "proven")
    assert "val: 1 class never trained (spatter)" in first["where"]
    assert {"code": "K403", "why": f"labels only: 144 of 144 samples of {tmp_path}/list.csv have no features"} in (
        document["not_checked"]
    )
    assert set(document["checked"]) >= {"D101", "D103", "D105", "L203"}
    assert not {"D104", "D107", "G701", "N901", "C306"} & set(document["checked"])


def test_the_task_is_told_by_the_columns_of_the_manifest_and_said_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "manifest.csv").write_text(MANIFEST)
    assert ask("--data", tmp_path, "--only", "labels", "--scale", "small") == 3
    assert "(task weld by the columns CATEGORY, SUBDIRS, SPLIT of manifest.csv)" in capsys.readouterr().out
    (tmp_path / "other.csv").write_text("path,class_id\nx.png,0\n")
    assert ask("--data", tmp_path / "other.csv", "--only", "labels") == 2
    assert "closed and 0 open eyes" in capsys.readouterr().err


def test_the_batches_of_twelve_classes_fit_into_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--preset", "weld/batch-32", "--scale", "small", "--set", "data.samples=240", "--only", "sampler"]
    assert ask(*words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  batch 0  unique: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]" in lines
    check = lines[lines.index("first 5 batches") :][:16]
    assert sum("✓ ok: 12 classes" in line for line in check) == 5
    assert max(map(len, check)) <= 80
