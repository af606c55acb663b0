"""`trainctl diagnose LOG --columns`: the user corrects what was taken for what."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainctl.tui.cli.main import run_command_line

LOG = "epoch,first,second,rate\n" + "".join(f"{k},{2 * 0.9**k},{1 + 0.1 * k},0.001\n" for k in range(40))


@pytest.fixture
def log(tmp_path: Path) -> str:
    path = tmp_path / "log.csv"
    path.write_text(LOG, encoding="utf-8")
    return str(path)


def test_names_that_say_nothing_are_judged_once_they_are_explained(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["diagnose", log]) == 2
    assert "names no loss" in (err := capsys.readouterr().err) and "--columns" in err
    run_command_line(["diagnose", log, "--columns", "train=first,val=second,lr=rate"])
    out = capsys.readouterr().out
    assert "total loss: first, second" in out
    assert "learning rate: rate" in out


def test_a_name_that_the_log_does_not_have(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["diagnose", log, "--columns", "train=frist"]) == 2
    assert "has no frist; the nearest name is first" in capsys.readouterr().err


def test_columns_are_for_logs_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["diagnose", "--columns", "train=loss"]) == 2
    assert "go with a log" in capsys.readouterr().err
