"""`trainctl diagnose LOG` as it is typed."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from log_files import SAMPLE

from trainctl.tui.cli.main import run_command_line


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "sample.log"
    path.write_text(SAMPLE, encoding="utf-8")
    return path


def ask(*words: str | Path) -> int:
    return run_command_line(["diagnose", *map(str, words)])


def test_the_documents_sample_log_ends_with_three_and_names_both(
    sample: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(sample, "--preset", "quality/balanced") == 3
    out = capsys.readouterr().out
    assert "✗ E1012 terms do not add up to the total" in out
    assert "the terms add to -0.2286, Train Loss says 0.0234" in out
    assert "✗ E1013 contradicting posteriors" in out
    assert "at most 0.7146 is possible" in out
    assert "– not looked at  rate: no learning rate is named" in out


def test_the_number_of_clusters_alone_proves_one_of_them(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(sample, "--classes", "8", "--json") == 3
    document = json.loads(capsys.readouterr().out)
    assert [finding["code"] for finding in document["findings"]] == ["E1013"]
    assert "E1012" in {entry["code"] for entry in document["not_checked"]}


def test_a_log_through_a_pipe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"step 1 loss: 0.5\nstep 2 loss: nan\n")))
    assert ask("-") == 3
    out = capsys.readouterr().out
    assert "N901" in out and "line 2 (step 2)" in out


def test_a_healthy_log_ends_with_zero(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f"{k},{2 * 0.9**k},{2.1 * 0.9**k}\n" for k in range(40))
    (tmp_path / "log.csv").write_text("epoch,loss,val_loss\n" + rows)
    assert ask(tmp_path / "log.csv") == 0
    assert "✓ nothing wrong in what was looked at" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"\0\1\2", b"no figures at all", b"height: 3\n"])
def test_what_is_no_log_ends_with_two_and_one_line(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.log").write_bytes(content)
    assert ask(tmp_path / "x.log") == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1 and "understood: CSV" in captured.err


@pytest.mark.parametrize("words", [["--data", "x"], ["--device", "cpu"], ["--only", "data"], ["--preflight"]])
def test_options_that_a_log_has_no_use_for(words: list[str], sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(sample, *words) == 2
    assert "a log is judged as it is" in capsys.readouterr().err


def test_hints_are_for_logs_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("--classes", "3") == 2
    assert "go with a log" in capsys.readouterr().err


def test_a_log_is_judged_without_torch(sample: Path) -> None:
    code = (
        "import sys; from trainctl.tui.cli.main import run_command_line as run; "
        f"code = run(['diagnose', {str(sample)!r}, '--preset', 'quality/balanced']); "
        "sys.exit(code if 'torch' not in sys.modules else 99)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60).returncode == 3
