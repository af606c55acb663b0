"""Presets compared over seeds: what is missing is trained, what is there is not, what was interrupted goes on."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from kills import TASK
from sittings import Sittings

from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.index import run_names
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.reader import RunReader
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.summary import read_summary
from trainctl.tui.cli.main import run_command_line
from trainctl.tui.processes import launch, trainings

PRESET = f"""
task: {TASK}
about:
  promised:
    - {{figure: best_metric, value: [0.3, null], section: "1", text: better than chance}}
train: {{batch_size: 32, epochs: 9}}
num_train: 64
num_val: 40
runtime: {{device: cpu, threads: 1}}
checkpoint: {{every_s: 0.03, epoch_every_s: 0}}
"""
Compare = Callable[..., tuple[int, str, str]]


class Forked:
    """A process of the server that looks like a `Popen`."""

    def __init__(self, sittings: Sittings, pid: int) -> None:
        self._sittings, self.pid, self.returncode = sittings, pid, None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._sittings.poll(self.pid)
        return self.returncode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)


@pytest.fixture
def compare(
    sittings: Sittings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Compare:
    """`trainctl compare` in this process, its trainings forked."""

    def start(run: RunPaths, words: Sequence[str], environ: Mapping[str, str]) -> Any:
        return Forked(sittings, sittings.start(words[len(launch.TRAINER) - 1 :], run.console.absolute()))

    monkeypatch.setattr(launch, "_start", start)
    monkeypatch.setattr(trainings, "LOOK_S", 0.01)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRAINCTL_RUNS_DIR", raising=False)
    (tmp_path / "a.yaml").write_text(PRESET)
    (tmp_path / "b.yaml").write_text("extends: a.yaml\noptimizer: {lr: 0.01}\n")

    def ask(*words: str) -> tuple[int, str, str]:
        code = run_command_line(["compare", *words, "--trust", "--scale", "small"])
        said = capsys.readouterr()
        return code, said.out, said.err

    return ask


def runs() -> list[str]:
    return run_names(Path("runs"))


def dropped(run: RunPaths) -> list[str]:
    """Kinds of events that a resume leaves."""
    reader = RunReader(run)
    reader.poll()
    return [str(event.kind) for event in reader.events if event.kind == "resume"]


@pytest.mark.slow
def test_the_second_time_nothing_is_trained(compare: Compare) -> None:
    words = ("a.yaml", "b.yaml", "--seeds", "3", "train.epochs=2", "--promised")
    code, out, err = compare(*words)
    assert code == ExitCode.OK, err
    assert "seeds 42, 1, 2" in out and "DIFFERENCE TO a" in out and "n 3" in out
    assert "better than chance" in out and "OVER SEEDS" in out
    trained = runs()
    assert len(trained) == 6 and err.count(": finished in") == 6

    code, again, err = compare(*words)
    assert (code, runs()) == (ExitCode.OK, trained)
    assert err.strip() == "6 of 6 runs are there already" and again == out

    # Without seeds the newest finished run of the preset's own configuration is meant, and none of another.
    code, out, err = compare("a.yaml", "b.yaml", "train.epochs=2")
    assert code == ExitCode.OK and "a.yaml is its run" in out and "seed 42" in out, err
    code, out, err = compare("a.yaml", "b.yaml")
    assert code == ExitCode.USAGE and err.count("\n") == 1
    assert "preset a.yaml: there is no finished run of it at small scale with seed 42; get it with --seeds 1" in err

    # A run stands for its configuration; one more seed is one more training.
    code, out, err = compare(trained[-1], "--seeds", "42,1,2", "--json")
    data = json.loads(out)
    assert (code, runs()) == (ExitCode.OK, trained)
    assert [cell["was"] for cell in data["cells"]] == ["found"] * 3
    assert data["over_seeds"][0]["columns"][0]["n"] == 3
    code, out, err = compare("a.yaml", "--seeds", "42,7", "train.epochs=2", "--json")
    assert code == ExitCode.OK and len(runs()) == 7
    assert [cell["was"] for cell in json.loads(out)["cells"]] == ["found", "started"]


@pytest.mark.slow
def test_jobs_share_the_cores_and_make_no_other_run_of_it(compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    Path("c.yaml").write_text(PRESET.replace(", threads: 1", ""))
    code, _, err = compare("c.yaml", "--seeds", "2", "--jobs", "2", "train.epochs=1")
    assert code == ExitCode.OK, err
    configs = [(Path("runs") / name / "config.yaml").read_text() for name in runs()]
    assert len(configs) == 2 and all("threads: 4" in text for text in configs)
    code, _, err = compare("c.yaml", "--seeds", "2", "--jobs", "1", "train.epochs=1")
    assert (code, err.strip()) == (ExitCode.OK, "2 of 2 runs are there already")


@pytest.mark.slow
def test_a_cell_that_fails_is_named_and_the_others_go_on(compare: Compare) -> None:
    Path("bad.yaml").write_text("extends: a.yaml\noptimizer: {name: sgd, lr: 1e30}\nclip: {grad_norm: null}\n")
    code, out, err = compare("bad.yaml", "a.yaml", "--seeds", "1,2", "train.epochs=2")
    assert code == ExitCode.RUN_FAILED
    failed = [line for line in err.splitlines() if "not finished" in line]
    assert len(failed) == 2 and all(line.startswith("bad.yaml seed") for line in failed)
    assert "2 failed" in out and "2 finished" in out
    assert "Traceback" not in err


@pytest.mark.slow
def test_interrupted_in_the_middle_it_goes_on(compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("a.yaml", "--seeds", "1,2,3", "train.epochs=60")
    real = trainings.UnderWay.has_ended

    def interrupting(self: trainings.UnderWay) -> bool:
        """Somebody presses Ctrl-C as soon as the second training has taken steps."""
        if self.number == 1 and not pressed and self.run.latest.exists():
            pressed.append(True)
            os.kill(os.getpid(), signal.SIGINT)
        return real(self)

    pressed: list[bool] = []
    monkeypatch.setattr(trainings.UnderWay, "has_ended", interrupting)
    code, out, err = compare(*words)
    assert code == ExitCode.INTERRUPTED, err
    assert "the same command goes on with what is left" in err and "1 finished, 1" in out
    first = runs()
    assert len(first) == 2, "the third was not begun"
    stopped = RunPaths(Path("runs") / first[0])
    summary = read_summary(stopped)
    assert summary is not None and summary.state is RunState.PREEMPTED

    code, out, err = compare(*words)
    assert code == ExitCode.OK, err
    assert "1 of 3 runs are there already" in err and f"a.yaml seed 2: resumed  {first[0]}" in err
    assert len(runs()) == 3 and "3 finished" in out
    assert len(dropped(stopped)) == 1


@pytest.mark.slow
def test_killed_with_its_trainings_it_goes_on(compare: Compare, sittings: Sittings, tmp_path: Path) -> None:
    """The whole command as it is typed, ended for good together with the training that it had begun."""
    words = ["a.yaml", "--seeds", "1,2", "train.epochs=150"]
    output = tmp_path / "output"
    pid = sittings.start(["compare", *words, "--trust", "--scale", "small"], output)
    deadline = time.monotonic() + 60
    while not (found := list(Path("runs").glob("2*/latest_model.pth"))):
        assert time.monotonic() < deadline, output.read_text()
    os.kill(pid, signal.SIGKILL)
    assert sittings.wait(pid) == -signal.SIGKILL
    training = json.loads((found[0].parent / "status.json").read_text())["pid"]
    os.kill(training, signal.SIGKILL)
    name = found[0].parent.name

    code, _, err = compare("a.yaml", "--seeds", "1,2", "train.epochs=150")
    assert code == ExitCode.OK, err
    assert f"resumed  {name}" in err and len(runs()) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a.yaml", "--seeds", "many"], "--seeds many: neither a number nor a list"),
        (["a.yaml", "--seeds", "1,1"], "a seed is named twice"),
        (["a.yaml", "--seeds", "0"], "from 1 to 100 seeds"),
        (["a.yaml", "--seeds", "-3"], "neither a number nor a list"),
        (["a.yaml", "--seeds", "2", "seed=4"], "seed=... and --seeds say the same"),
        (["a.yaml", "nothing.yaml", "--seeds", "2"], "file not found: nothing.yaml"),
        (["a.yaml", "--seeds", "2", "train.epoch=3"], "did you mean train.epochs?"),
        (["a.yaml", "--seeds", "2", "--jobs", "0"], "'--jobs' / '-j': "),
        (["nothing", "--seeds", "2"], "no run 'nothing'"),
        (["a.yaml", "--seeds", "2", "--plot", "x.pdf"], "neither .svg nor .png"),
        (["a.yaml", "--seeds", "2", "--plot", "no/x.svg"], "no folder no"),
        (["train.epochs=2"], "nothing is named to compare"),
        (["weld/nothing", "a.yaml"], "no such run directory: weld/nothing"),
    ],
)
def test_what_cannot_be_is_one_line_and_trains_nothing(compare: Compare, words: list[str], said: str) -> None:
    code, out, err = compare(*words)
    assert (code, out, err.count("\n")) == (ExitCode.USAGE, "", 1), err
    assert said in err and runs() == []
