"""Where `trainctl report` writes, what it replaces, which runs it takes, and that no run directory brings it down."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hostile import KEPT, hostile_run
from parsed_page import Parsed
from sample_run_directories import NAME, SampleRun

from trainctl.tui.cli.commands.report import default_file
from trainctl.tui.cli.main import run_command_line

CASES = int(os.environ.get("TRAINCTL_FUZZ_CASES", "24"))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = SampleRun(tmp_path / "runs")
    run.validate(0.5)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_lands_in_the_working_directory_under_the_name_of_the_run(root: Path, capsys: pytest.CaptureFixture[str]):
    assert run_command_line(["report"]) == 0
    assert capsys.readouterr().out.startswith(f"wrote {NAME}-report.html  ")
    assert Parsed((root / f"{NAME}-report.html").read_text()).texts["h1"] == [NAME]


def test_its_own_report_is_replaced_and_nothing_else(root: Path, capsys: pytest.CaptureFixture[str]):
    assert run_command_line(["report", "--html", "mine.html"]) == 0
    assert run_command_line(["report", "--html", "mine.html"]) == 0
    (root / "mine.html").write_text("<html>precious</html>")
    assert run_command_line(["report", "--html", "mine.html"]) == 2
    assert "a file that is no report is there already; name another file, or --force" in capsys.readouterr().err
    assert (root / "mine.html").read_text() == "<html>precious</html>"
    assert run_command_line(["report", "--html", "mine.html", "--force"]) == 0
    assert (root / "mine.html").read_text().startswith("<!doctype html>")


def test_a_folder_a_pipe_and_no_folder_are_mistakes(root: Path, capsys: pytest.CaptureFixture[str]):
    os.mkfifo(root / "pipe")
    for target, words in (("runs", "a folder"), ("pipe", "no file"), ("none/a.html", "no folder none")):
        assert run_command_line(["report", "--html", target, "--force"]) == 2
        assert f"--html {target}: {words}" in capsys.readouterr().err


def test_it_can_be_printed(root: Path, capsys: pytest.CaptureFixture[str]):
    assert run_command_line(["report", NAME, "--html", "-"]) == 0
    assert Parsed(capsys.readouterr().out).texts["h1"] == [NAME]
    assert sorted(path.name for path in root.iterdir()) == ["runs"]


def test_several_runs_and_a_log_of_another_tool(root: Path, capsys: pytest.CaptureFixture[str]):
    rows = "\n".join(f"{step},{2 / step:.4f},{3 / step:.4f}" for step in range(1, 30))
    (root / "log.csv").write_text(f"step,train_loss,val_loss\n{rows}\n")
    assert run_command_line(["report", "latest", "log.csv", "--html", "both.html"]) == 0
    parsed = Parsed((root / "both.html").read_text())
    assert parsed.texts["h1"] == ["2 runs compared"]
    assert "no command is known" in parsed.text
    assert "train_loss" in parsed.text
    assert "log.csv" in parsed.texts["th"]
    assert sorted(path.name for path in (root / "runs").iterdir()) == [NAME]


def test_a_log_is_called_by_its_file(root: Path):
    rows = "\n".join(f"{step},{2 / step:.4f}" for step in range(1, 30))
    (root / "log.csv").write_text(f"step,train_loss\n{rows}\n")
    assert run_command_line(["report", "log.csv"]) == 0
    assert Parsed((root / "log.csv-report.html").read_text()).texts["h1"] == ["log.csv"]


def test_it_speaks_chinese(root: Path):
    assert run_command_line(["report", "--html", "zh.html", "--lang", "zh"]) == 0
    parsed = Parsed((root / "zh.html").read_text())
    assert parsed.values("lang") == ["zh"]
    assert parsed.texts["h2"][:2] == ["曲线", "发现"]


def test_a_run_is_shown_once(root: Path):
    assert run_command_line(["report", "latest", NAME, "--html", "one.html"]) == 0
    assert Parsed((root / "one.html").read_text()).texts["h1"] == [NAME]


def test_mistakes_are_one_line(root: Path, capsys: pytest.CaptureFixture[str]):
    assert run_command_line(["report", "nowhere"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    (root / "runs" / "20260101-120000-empty-0000").mkdir()
    assert run_command_line(["report", "empty"]) == 2
    assert "has recorded nothing" in capsys.readouterr().err


def test_too_many_runs_are_refused(root: Path, capsys: pytest.CaptureFixture[str]):
    names = [f"20260101-120000-x-{k:04x}" for k in range(13)]
    for name in names:
        shutil.copytree(KEPT, root / "runs" / name)
    assert run_command_line(["report", *names, "--html", "many.html"]) == 2
    assert "13 runs: more than one page can show; name at most 12" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "file"),
    [
        (["20260101-120000-eyes-balanced-00aa"], "20260101-120000-eyes-balanced-00aa-report.html"),
        (["20260101-120000-eyes-a-00aa", "20260101-120000-eyes-b-00aa"], "a-b-report.html"),
        (["a", "b", "c", "d", "e"], "a-b-c-and-2-more-report.html"),
        (["../../etc/x y<>"], "etc-x-y-report.html"),
    ],
)
def test_the_file_is_called_after_the_runs(names: list[str], file: str):
    assert default_file(names) == file


@pytest.mark.few(10)
@pytest.mark.parametrize("seed", range(CASES))
def test_whatever_is_there_is_a_page_or_one_line(tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]):
    run, damage = hostile_run(tmp_path, seed)
    code = run_command_line(["report", str(run), "--html", str(tmp_path / "page.html")])
    said = capsys.readouterr().err
    assert code in (0, 2), f"{damage}: {said}"
    if code == 0:
        Parsed((tmp_path / "page.html").read_text())
    else:
        assert len(said.splitlines()) == 1, damage
