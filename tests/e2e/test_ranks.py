"""Several `trainctl run` that a launcher starts as one training: what they print, and what any signal does to them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from kills import OPTIONS, TASK, only_run
from rank_moments import disturbed, undisturbed
from rank_verdicts import FAULTS, Moment
from several import environ_of, free_port
from shells import BLOBS, Shell
from sittings import Sittings

from trainctl.engine.runs.events import Event, EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.reader import RunReader
from trainctl.engine.runs.status import read_status
from trainctl.engine.runs.store import StepReader
from trainctl.engine.runs.summary import read_summary

FIRST = ("run", "--task", TASK, *OPTIONS, "--runs-dir", "runs", "--resume", "auto")
LONG = (*FIRST, "train.epochs=400")
DEADLINE_S = 60.0


def start(sittings: Sittings, folder: Path, size: int, argv: Sequence[str], late_s: float = 0.0) -> list[int]:
    """The processes of a training, the last `late_s` after the others."""
    port, pids = free_port(), list[int]()
    for rank in range(size):
        if rank == size - 1:
            time.sleep(late_s)
        env = {**environ_of(rank, size, port), "SLURM_RESTART_COUNT": "2"}
        pids.append(sittings.start(argv, folder / f"output{rank}", cwd=folder, env=env))
    return pids


def codes(sittings: Sittings, pids: Sequence[int]) -> list[int]:
    """How each ended, within the deadline."""
    until, found = time.monotonic() + DEADLINE_S, dict[int, int]()
    while len(found) < len(pids):
        assert time.monotonic() < until, "they hang"
        for pid in pids:
            if pid not in found and (code := sittings.poll(pid)) is not None:
                found[pid] = code
        time.sleep(0.02)
    return [found[pid] for pid in pids]


def wait_for_steps(folder: Path, pid: int | None = None) -> RunPaths:
    """Until a run, trained by this process, takes steps."""
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        if list(folder.glob("runs/2*/config.yaml")):
            paths = only_run(folder / "runs")
            status = read_status(paths)
            if status is not None and pid in (None, status.pid) and status.steps_per_s > 0:
                return paths
        time.sleep(0.02)
    raise AssertionError((folder / "output0").read_text())


def test_two_processes_are_one_run_and_one_of_them_speaks(tmp_path: Path, sittings: Sittings) -> None:
    pids = start(sittings, tmp_path, 2, (*FIRST, "train.epochs=1"))
    assert codes(sittings, pids) == [0, 0]
    assert (tmp_path / "output1").read_text() == ""
    assert "finished: all epochs done" in (tmp_path / "output0").read_text()
    (paths,) = [RunPaths(path) for path in (tmp_path / "runs").iterdir() if not path.is_symlink()]
    meta = json.loads(paths.meta.read_text())
    assert (meta["ranks"], meta["slurm_restart_count"]) == (2, 2)


def test_what_is_wrong_on_one_rank_is_said_once(tmp_path: Path, sittings: Sittings) -> None:
    port = free_port()
    pids = [
        sittings.start(
            (*FIRST, f"optimizer.lr={lr}"),
            tmp_path / f"output{rank}",
            cwd=tmp_path,
            env=environ_of(rank, 2, port),
        )
        for rank, lr in enumerate(("0.1", "nonsense"))
    ]
    assert codes(sittings, pids) == [2, 2]
    said = (tmp_path / "output0").read_text().strip().splitlines()
    assert len(said) == 1 and said[0].startswith("trainctl: error: rank 1: ") and "optimizer.lr" in said[0]
    assert (tmp_path / "output1").read_text() == "" and not list(tmp_path.glob("runs/2*"))


def test_a_job_that_is_started_again_goes_on_with_its_run_until_that_is_finished(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRAINCTL_RUNS_DIR", str(tmp_path / "runs"))
    shell = Shell(tmp_path, capsys)
    first = shell.run()
    summary = json.loads(first.summary.read_text())
    first.summary.write_text(json.dumps({**summary, "state": "preempted"}))
    shell.ok("run", *BLOBS[:-1], "train.epochs=2", "--resume", "auto")
    kinds = [event.kind for event in _events(first)]
    assert kinds.count(EventKind.RESUME) == 1 and json.loads(first.summary.read_text())["state"] == "finished"
    shell.ok("run", *BLOBS, "--resume", "auto")
    assert len([path for path in (tmp_path / "runs").iterdir() if not path.is_symlink()]) == 2
    assert "--resume auto" in shell.refuses("run", "--resume", "auto", "--fork", "latest")


def _events(paths: RunPaths) -> list[Event]:
    reader = RunReader(paths)
    reader.poll()
    return list(reader.events)


def test_the_leading_rank_alone_looks_for_a_run_to_go_on_with(tmp_path: Path, sittings: Sittings) -> None:
    """Another machine may see the shared folder as it was a while ago: this one sees none of its runs."""
    pids = start(sittings, tmp_path, 2, LONG)
    paths = wait_for_steps(tmp_path, pids[0])
    os.kill(pids[1], signal.SIGUSR1)
    assert codes(sittings, pids) == [75, 75]
    port, summary = free_port(), read_summary(paths)
    assert summary is not None
    words = (*FIRST, f"train.max_steps={summary.steps + 3}")
    pids = [
        sittings.start(
            (*words, "--runs-dir", name), tmp_path / f"output{rank}", cwd=tmp_path, env=environ_of(rank, 2, port)
        )
        for rank, name in enumerate(("runs", "elsewhere"))
    ]
    assert codes(sittings, pids) == [0, 0], (tmp_path / "output0").read_text()
    assert StepReader(paths).all()["step"].tolist() == list(range(1, summary.steps + 4))
    assert only_run(tmp_path / "runs") == paths and not (tmp_path / "elsewhere").exists()


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize(("place", "fault"), enumerate(FAULTS))
def test_whatever_hits_any_rank_at_any_moment_the_next_start_makes_the_undisturbed_run_of_it(
    tmp_path: Path, sittings: Sittings, fault: str, size: int, place: int
) -> None:
    """A few moments; `python -m benchmarks.ranks_moments` takes many."""
    hit = 0
    with Sittings(cold=True) as cold:
        wholes = {
            is_sharded: undisturbed(sittings, cold, tmp_path / f"whole{is_sharded:d}", size, is_sharded=is_sharded)
            for is_sharded in (False, True)
        }
        for number in range(3 * place, 3 * place + 3):
            moment = Moment(fault, size, number, is_sharded=number % 3 == 2)
            folder = tmp_path / str(number)
            outcome = disturbed(sittings, cold, folder, wholes[moment.is_sharded], moment)
            assert outcome is None or outcome.doubts == [], outcome
            hit += outcome is not None
    assert hit >= 2


@pytest.mark.slow
@pytest.mark.parametrize("late_s", [3.0, 30.0])
def test_a_rank_that_is_late_is_waited_for_and_one_that_stands_still_is_given_up(
    tmp_path: Path, sittings: Sittings, late_s: float
) -> None:
    pids = start(sittings, tmp_path, 2, (*LONG, f"ranks.timeout_s={late_s + 8}"), late_s=late_s)
    wait_for_steps(tmp_path, pids[0])
    os.kill(pids[1], signal.SIGSTOP)
    began = time.monotonic()
    while (code := sittings.poll(pids[0])) is None:
        assert time.monotonic() - began < DEADLINE_S, "it hangs"
        time.sleep(0.1)
    os.kill(pids[1], signal.SIGKILL)
    sittings.wait(pids[1])
    assert code == 1 and time.monotonic() - began < late_s + 30
    summary = read_summary(only_run(tmp_path / "runs"))
    assert summary is not None and summary.exit_reason.startswith("rank 1 is gone")


@pytest.mark.slow
def test_torchrun_ends_a_run_with_a_checkpoint_and_starts_it_again(tmp_path: Path) -> None:
    trainctl = (sys.executable, "-m", "trainctl.tui.cli.main")
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--no-python")
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (tmp_path / "output0").open("w") as file:
        process = subprocess.Popen((*torchrun, *trainctl, *LONG), cwd=tmp_path, env=env, stdout=file, stderr=file)
        paths = wait_for_steps(tmp_path)
        process.send_signal(signal.SIGTERM)
        process.wait(DEADLINE_S)
    summary = read_summary(paths)
    assert summary is not None and (summary.state, summary.exit_reason) == ("preempted", "received SIGTERM")
    done = subprocess.run(
        (*torchrun, *trainctl, *FIRST, f"train.max_steps={summary.steps + 5}"), cwd=tmp_path, env=env, check=False
    )
    assert done.returncode == 0 and StepReader(paths).all()["step"].tolist() == list(range(1, summary.steps + 6))
