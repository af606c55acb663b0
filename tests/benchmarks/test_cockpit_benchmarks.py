"""The benchmarks of the cockpit do what they say; times are never judged here."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from benchmarks.cockpit import cpu, keys, long_run, memory, paint, programs, slowdown
from benchmarks.cockpit.figures import Figure, of_samples, print_table
from benchmarks.cockpit.records import LAST_LOSS, LAST_SHOWN, TWELVE, WrittenRun, finished_run
from benchmarks.cockpit.terminal import PlainText, Terminal
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.reader import RunReader
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.store import StepReader

STAND_IN = (sys.executable, "-S", str(Path(__file__).with_name("stand_in.py")))


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that answers like the cockpit, in its place and in that of the minimal app."""
    monkeypatch.setattr(programs, "COCKPIT", STAND_IN)
    for module in (paint, keys, cpu, long_run):
        monkeypatch.setattr(module, "MINIMAL", STAND_IN)


def values(figures: list[Figure]) -> dict[str, float]:
    found = {figure.label: figure.value for figure in figures}
    assert len(found) == len(figures)
    assert all(np.isfinite(value) for value in found.values())
    return found


def test_text_is_found_however_the_stream_is_cut():
    data = "\x1b[?1049h\x1b]0;title\x07\x1b[1;1H\x1b[38;2;1;2;3mLoss\x1b[0m lög\x1b[2;1Hend\x1bP1$r\x1b\\!".encode()
    expected = PlainText().feed(data)
    assert expected.decode() == "\nLoss lög\nend!"
    for cut in range(len(data)):
        plain = PlainText()
        assert plain.feed(data[:cut]) + plain.feed(data[cut:]) == expected


def test_what_is_not_shown_is_said_and_the_program_ends():
    with Terminal(STAND_IN) as terminal:
        terminal.wait_for(b"Loss")
        with pytest.raises(RuntimeError, match=r"0\.4321"):
            terminal.wait_for(b"Accuracy", patience_s=0.05)
    assert not Path(f"/proc/{terminal.pid}").exists()


def test_a_finished_run_is_whole(tmp_path: Path):
    run = RunReader(finished_run(tmp_path / "run", 25_000, TWELVE))
    run.poll()
    records = run.steps.all()
    assert run.state is RunState.FINISHED and not run.problems
    assert np.array_equal(records["step"], np.arange(1, 25_001))
    assert np.all(records["loss"][-500:] == np.float32(LAST_LOSS))
    assert not np.any(records["loss"][:-600] == np.float32(LAST_LOSS))
    assert [event.step for event in run.events if event.kind == "validation"] == [10_000, 20_000]


def test_paint_tells_every_program_apart(stand_in: None):
    assert set(values(paint.measure(rounds=1, steps=600))) == {
        "python alone",
        "minimal Textual app, first paint",
        "trainctl ui, first paint",
        "  of this, on a processor",
        "trainctl ui, 600 steps shown",
    }


def test_keys_are_answered_one_by_one(stand_in: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keys, "SETTLE_S", 0.01)
    monkeypatch.setattr(keys, "PAUSES_S", (0.001, 0.002))
    found = values(keys.measure(presses=5, steps_per_s=1000, history=10))
    assert found["cockpit, p50 of 5"] <= found["cockpit, p99 of 5"] <= found["cockpit, max of 5"]


def test_a_program_that_waits_takes_no_processor(stand_in: None):
    found = values(cpu.measure(windows=2, window_s=0.05, settle_s=0.0, steps_per_s=1000, history=600))
    assert found["cockpit, finished run"] < 50


def test_long_runs_are_opened_and_weighed(stand_in: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(long_run, "QUIET_WINDOW_S", 0.05)
    found = values(long_run.measure(rounds=1, steps=700, peers_steps=600))
    assert found["700 steps: anonymous"] < found["700 steps: resident"]
    assert "600 x 12: last step shown" in found


def test_memory_of_a_program_that_keeps_nothing_is_flat(stand_in: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory, "SAMPLE_S", 0.03)
    monkeypatch.setattr(memory, "SETTLE_S", 0.01)
    found = values(memory.measure(steps=4000, steps_per_s=20_000))
    assert found["resident at 4000 live steps"] == pytest.approx(found["resident at the first paint"], rel=0.3)


@pytest.mark.slow
def test_slowdown_compares_windows_of_one_training(stand_in: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    @contextmanager
    def training(folder: Path, name: str) -> Generator[Path]:
        with programs.writer(folder / name, 5000, history=10) as pid:
            yield folder / name
        assert not Path(f"/proc/{pid}").exists()

    monkeypatch.setattr(slowdown, "training", training)
    found = values(slowdown.measure(rounds=2, window_s=0.1, settle_s=0.01, trainings=["eyes"]))
    assert found["eyes, alone"] > 0 and found["eyes, cockpit attached"] > 0


def test_speed_comes_from_the_records_times(tmp_path: Path):
    run = WrittenRun(tmp_path / "run")
    run.append(2000)  # a millisecond a step, by their own clock
    first = StepReader(RunPaths(tmp_path / "run")).all()["time"][0]
    pace = slowdown.pace_of(tmp_path / "run", first + 0.2, first + 0.7)
    assert (pace.steps_per_s, pace.quick_step_s) == (pytest.approx(1000, rel=1e-3), pytest.approx(1e-3, rel=1e-3))
    with pytest.raises(RuntimeError, match="fewer than two steps"):
        slowdown.pace_of(tmp_path / "run", first + 60, first + 61)


def test_the_table_says_what_is_missed(capsys: pytest.CaptureFixture[str]):
    print_table(
        [of_samples("paint", [0.6, 0.7, 0.9], "s", 0.5, [0.35], "minimal"), Figure("keys", 3.0, "ms", limit=50)]
    )
    paint_line, keys_line = capsys.readouterr().out.splitlines()
    assert " ".join(paint_line.split()) == "paint 0.700 s (0.600 … 0.900) < 0.5 s: MISSED 2.00 × minimal"
    assert " ".join(keys_line.split()) == "keys 3.000 ms < 50 ms: met"


@pytest.mark.slow
@pytest.mark.parametrize("who", ["cockpit", "minimal"])
def test_the_real_programs_show_what_the_benchmarks_look_for(tmp_path: Path, who: str):
    run = finished_run(tmp_path / "run", 600)
    with Terminal(programs.cockpit(run) if who == "cockpit" else programs.MINIMAL) as terminal:
        if who == "cockpit":
            terminal.wait_for(programs.PANELS)
            terminal.wait_for(LAST_SHOWN)
        else:
            terminal.wait_for(programs.LINEAR)
        for expected in (programs.LOG, programs.LINEAR):
            terminal.forget()
            terminal.press(keys.KEY)
            terminal.wait_for(expected)
