"""A run, a preset or a configuration from somebody else names code: no command runs it unasked."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from trainctl.engine.errors import ExitCode
from trainctl.tui.cli.main import run_command_line

EVIL = "open({mark!r}, 'w')\nclass Evil: ...\n"
RUNS_IT = [
    "evaluate RUN",
    "predict RUN FILE",
    "export RUN --to onnx",
    "diagnose RUN --preflight",
    "run --resume RUN",
    "run --fork RUN",
    "run --fork GOOD --preset PRESET",
    "run --preset RUN/config.yaml",
    "run -c PRESET",
    "data -c PRESET",
    "data -p PRESET",
    "lr-find -c PRESET",
    "diagnose -c PRESET",
    "verify -c PRESET",
    "verify RUN",
    "ui -c PRESET",
    "evaluate RUN/best_model.pth",
]
ONLY_READS = [
    "diagnose LOG -c PRESET",
    "presets diff PRESET balanced",
    "presets diff balanced RUN/config.yaml",
    "presets show PRESET --resolved",
    "presets show RUN/config.yaml --json",
    "compare RUN GOOD",
    "export RUN --to csv -o OUT",
    "diagnose RUN",
    "diagnose RUN --against GOOD",
    "tail RUN",
    "runs",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    """A good run of the eyes, and one like it whose configuration names code of somebody else."""
    root = tmp_path_factory.mktemp("foreign")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAINCTL_RUNS_DIR", str(root / "runs"))
        words = ["--device", "cpu", "data.image_size=[16,32]", "model.num_blocks=1", "model.base_channels=8"]
        words += ["train.max_steps=2", "train.batch_size=4", "train.epochs=2"]
        assert run_command_line(["run", "--scale", "small", *words]) == ExitCode.OK
        good = (root / "runs" / "latest").resolve()
        shutil.copytree(good, root / "runs" / "evil")
        good.rename(root / "runs" / "good")
        (root / "evil.py").write_text(EVIL.format(mark=str(root / "it-ran")))
        config = root / "runs" / "evil" / "config.yaml"
        config.write_text(config.read_text().replace("task: eyes", f"task: {root / 'evil.py'}:Evil"))
        (root / "preset.yaml").write_text(f"task: {root / 'evil.py'}:Evil\nown: {{width: 3}}\n")
        (root / "log.csv").write_text("step,loss\n" + "".join(f"{k},{1 / (k + 1)}\n" for k in range(60)))
        yield root


def typed(line: str, root: Path) -> list[str]:
    names = {"RUN": "runs/evil", "GOOD": "runs/good", "PRESET": "preset.yaml", "LOG": "log.csv", "FILE": "evil.py"}
    places = {**{name: str(root / path) for name, path in names.items()}, "OUT": str(root / "out.csv")}
    words = line.split()
    heads = [word.partition("/") for word in words]
    return [f"{places.get(head, head)}{slash}{rest}" for head, slash, rest in heads]


@pytest.mark.parametrize("line", RUNS_IT)
def test_what_needs_the_task_says_what_it_would_run(
    line: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINCTL_RUNS_DIR", str(folder / "runs"))
    code = run_command_line(typed(line, folder))
    err = capsys.readouterr().err
    assert code == ExitCode.USAGE and err.count("\n") == 1, err
    assert f"the task would run {folder / 'evil.py'}, which you have not run before" in err and "--trust" in err
    assert not (folder / "it-ran").exists()


@pytest.mark.parametrize("line", ONLY_READS)
def test_what_only_reads_works_without(
    line: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINCTL_RUNS_DIR", str(folder / "runs"))
    code = run_command_line(typed(line, folder))
    shown = capsys.readouterr()
    assert code in (ExitCode.OK, ExitCode.FINDINGS), shown.err
    assert not (folder / "it-ran").exists()


def test_with_trust_it_runs_and_is_known_from_then_on(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("TRAINCTL_RUNS_DIR", str(folder / "runs"))
    words = typed("data -c PRESET", folder)
    assert run_command_line([*words, "--trust"]) == ExitCode.USAGE
    assert "has no Task class 'Evil'" in capsys.readouterr().err
    assert (folder / "it-ran").exists()
    (folder / "it-ran").unlink()
    assert [path.name for path in (tmp_path / "trainctl").iterdir()] == ["trusted.json"]
