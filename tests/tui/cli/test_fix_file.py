"""`trainctl diagnose --fix`: what it shows, what it writes, and that what it writes is mended."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from trainctl.engine.config.yamlfile import read_document
from trainctl.engine.tasks.configured import load_resolved, resolve
from trainctl.tui.cli.main import run_command_line

TASK = """
import torch
from torch import nn
from torch.nn import functional as F
from trainctl.engine.tasks.task import Split, Splits, StepOutput, Task

def split(n, seed):
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(seed))
    labels = torch.arange(n) % 3
    return Split({"x": x, "labels": labels}, labels)

class Healthy(Task):
    def load(self):
        return Splits(split(640, 1), split(90, 2), ("a", "b", "c"))
    def build_model(self, splits):
        return nn.Linear(4, 3)
    def step(self, model, batch):
        return StepOutput({"ce": F.cross_entropy(model(batch["x"]), batch["labels"])})
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(TASK)
    return tmp_path


def ask(*words: str | Path) -> int:
    return run_command_line(["diagnose", *map(str, words)])


def asked_json(capsys: pytest.CaptureFixture[str], *words: str | Path) -> dict[str, Any]:
    assert ask(*words, "--json") in (0, 3)
    return json.loads(capsys.readouterr().out)


def complaint(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    assert ask(*words) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and err.startswith("trainctl: error: --fix")
    return err


def codes(document: dict[str, Any]) -> set[str]:
    return {finding["code"] for finding in document["findings"]}


OWN = ["--task", "mine.py:Healthy", "--device", "cpu", "--only", "sampler"]
FAULTS = [
    (OWN, ["train.epochs=1", "train.batch_size=64"], "D112", "train.epochs"),
    (OWN, ["train.epochs=30", "train.batch_size=700", "train.drop_last=true"], "D112", "train.batch_size"),
    (OWN, ["train.epochs=300", "train.batch_size=64", "train.accumulation=100"], "D112", "train.accumulation"),
    (
        ["--preset", "emotion/basic", "--scale", "small", "--only", "loss"],
        ["loss_weights.encoder=50"],
        "C317",
        "loss_weights.encoder",
    ),
]


@pytest.mark.few(1)
@pytest.mark.parametrize(("subject", "sets", "code", "key"), FAULTS, ids=lambda value: str(value)[:12])
def test_what_is_written_is_the_fixed_configuration_and_has_the_finding_no_more(
    subject: list[str], sets: list[str], code: str, key: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = asked_json(capsys, *subject, *sets, "--fix", "mended.yaml")
    assert code in codes(document)
    fixed = document["fixed"]
    (change,) = fixed["changes"]
    assert (fixed["file"], change["key"], change["code"]) == ("mended.yaml", key, code)
    scale = "small" if "small" in subject else "full"
    preset = subject[1] if subject[0] == "--preset" else None
    task = None if preset else "mine.py:Healthy"
    overrides = [*sets, f"{key}={json.dumps(change['new'])}"]
    wanted = resolve(preset, scale=scale, overrides=overrides, task=task)
    written = resolve(str(here / "mended.yaml"), scale=scale, task=task)
    assert written.values() == wanted.values()
    kept = [word for word in subject if word not in ("--preset", preset)]
    assert code not in codes(asked_json(capsys, *kept, "--preset", "mended.yaml"))


def test_the_difference_is_shown_and_the_command_runs_the_preset(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(*OWN, "train.epochs=1", "train.batch_size=64", "--fix") == 0
    out = capsys.readouterr().out
    lines = [line.strip() for line in out[out.index("\nfix\n") :].strip().splitlines()]
    assert lines[1].split() == ["train.epochs", "1", "->", "20", "D112", "too", "few", "steps"]
    assert lines[2] == "written to Healthy-fixed.yaml; train with it:"
    assert shlex.split(lines[3])[1:] == [
        *("run", "--preset", "Healthy-fixed.yaml", "--task", "mine.py:Healthy", "--device", "cpu")
    ]
    text = (here / "Healthy-fixed.yaml").read_text()
    assert "  epochs: 20  # D112 too few steps; was 1\n" in text
    assert "  batch_size: 64\n" in text and "extends" not in text and "seed" not in text


@pytest.mark.slow
def test_a_preset_that_exists_is_extended_and_nothing_is_overwritten(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "odd.yaml").write_text("extends: emotion/basic\nloss_weights:\n  encoder: 50\n")
    subject = ["--preset", "odd.yaml", "--scale", "small", "--only", "loss", "--fix"]
    first, second = asked_json(capsys, *subject)["fixed"], asked_json(capsys, *subject)["fixed"]
    assert (first["file"], second["file"]) == ("odd-fixed.yaml", "odd-fixed-2.yaml")
    assert first["command"] == "trainctl run --preset odd-fixed.yaml --scale small"
    written = read_document(here / "odd-fixed.yaml").values
    assert list(written) == ["extends", "about", "loss_weights"]
    assert (written["extends"], written["loss_weights"]) == ("odd.yaml", {"encoder": 0.1})
    assert "there already" in complaint(capsys, *subject, "odd-fixed.yaml")


def test_a_run_is_mended_by_a_preset_on_top_of_its_configuration(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = ["train.epochs=3", "train.batch_size=64", "optimizer.lr=1e-6"]
    assert run_command_line(["run", "--task", "mine.py:Healthy", "--device", "cpu", *sets]) == 0
    capsys.readouterr()
    fixed = asked_json(capsys, "latest", "--fix")["fixed"]
    assert [(change["key"], change["old"], change["code"]) for change in fixed["changes"]] == [
        ("train.epochs", 3, "D112")
    ]
    config = (here / "runs" / "latest").resolve() / "config.yaml"
    assert f"extends: {config.relative_to(here)}\n" in (here / fixed["file"]).read_text()
    before, after = load_resolved(config), resolve(fixed["file"])
    assert after.values() == {**before.values(), "train.epochs": fixed["changes"][0]["new"]}
    assert run_command_line(shlex.split(fixed["command"])[1:]) == 0
    capsys.readouterr()
    assert "D112" not in codes(asked_json(capsys, "latest"))


def test_what_cannot_be_mended_is_refused_in_one_line(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "a.csv").write_text("step,loss\n1,0.5\n2,nan\n3,nan\n")
    assert "a log has no configuration; name the one it is of" in complaint(capsys, "a.csv", "--fix")
    zero = "".join(f"{step},{2 - step / 50:.3f},0.0\n" for step in range(1, 80))
    (here / "b.csv").write_text("step,loss,accuracy\n" + zero)
    assert "no setting mends E1008" in complaint(capsys, "b.csv", "--preset", "balanced", "--fix")
    assert "nothing was found to mend" in complaint(capsys, *OWN, "train.epochs=30", "train.batch_size=32", "--fix")
    assert "it writes one file" in complaint(capsys, *OWN, "--fix", "a.yaml", "b.yaml")
    monkeypatch.setenv("TRAINCTL__TRAIN__EPOCHS", "1")
    said = complaint(capsys, *OWN, "train.batch_size=64", "--fix")
    assert "the environment variable TRAINCTL__TRAIN__EPOCHS would overrule the preset; unset it" in said
    assert not list(here.glob("*.yaml"))
