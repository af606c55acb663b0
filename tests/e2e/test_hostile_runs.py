"""Run directories that somebody hostile, or a broken disk, left behind: every reader answers, in lines, at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hostile import KEPT, hostile_run

from trainctl.engine.errors import ExitCode
from trainctl.tui.cli.main import run_command_line

CASES = int(os.environ.get("TRAINCTL_FUZZ_CASES", "40"))
"""More of them: `TRAINCTL_FUZZ_CASES=5000 pytest tests/e2e/test_hostile_runs.py`."""
PATIENCE_S = 5


@contextmanager
def within(seconds: int) -> Generator[None]:
    """End what takes longer, as a pipe or a device that is read would."""

    def give_up(*_: object) -> None:
        raise TimeoutError(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("seed", [*range(12), *(pytest.param(k, marks=pytest.mark.slow) for k in range(12, CASES))])
def test_every_reader_answers_in_lines(capsys: pytest.CaptureFixture[str], tmp_path: Path, seed: int) -> None:
    run, damage = hostile_run(tmp_path, seed)
    for words in (
        ["runs"],
        ["tail", str(run)],
        ["tail", str(run), "--json"],
        ["export", str(run), "--to", "csv", "--out", str(tmp_path / "steps.csv")],
        ["compare", str(run), str(run)],
        ["diagnose", str(run)],
    ):
        with within(PATIENCE_S):
            code = run_command_line([*words, *(["--runs-dir", str(tmp_path)] if words == ["runs"] else [])])
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err, (damage, words)
        assert code in tuple(ExitCode), (damage, words)
        if words == ["runs"]:  # one broken directory never stops the list of the others
            assert code == ExitCode.OK and KEPT.name[:8] in said.out, (damage, said.err)


def test_no_type_but_plain_numbers_is_read_from_a_description(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run, _ = hostile_run(tmp_path, 0)
    for path in run.iterdir():
        path.unlink()
    (run / "steps.bin").write_bytes(b"\x01\x02\x03\x04\x05\x06\x07\x08" * 4)
    (run / "steps.json").write_text(
        '{"schema": 1, "itemsize": 8, "fields": [["step", "|O", []]], "terms": [], "groups": [], "lr_groups": 1,'
        ' "classes": [], "scalars": []}'
    )
    assert run_command_line(["export", str(run), "--to", "csv", "--out", str(tmp_path / "x.csv")]) == ExitCode.USAGE
    assert "field 'step' is of type '|O'" in capsys.readouterr().err
