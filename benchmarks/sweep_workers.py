"""A sweep by several workers of which one is killed (SIGKILL) midway: are all trials accounted for, is any run twice?

Workers are processes as a user starts them, each with the same command; the trials train `docs/examples/digits.py`. The
one that works on the trial in the middle is killed as soon as that has written a checkpoint: alone, so that its
training goes on without it, or together with its training (`--with-training`). With `--other-host` it is one that
calls its machine by another name, so that nobody can ask for its process: its trial stays open until its run has been
silent for 300 s, and is gone on with by the same command, given again.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.index import run_info
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.reader import RunReader

TASK = Path(__file__).parents[1] / "docs" / "examples" / "digits.py"
SPACE = """
optimizer.lr: {low: 1e-4, high: 1, log: true}
train.batch_size: {low: 16, high: 128, step: 16}
hidden: {choices: [32, 64, 128]}
optimizer.name: {choices: [adamw, sgd]}
"""
LIMIT_S = 3600.0
ELSEWHERE = "elsewhere"
RENAMING = """import os, socket
if name := os.environ.get("HOST_NAME"):
    socket.gethostname = lambda: name
"""
"""What Python reads before all else: a machine of another name."""


def main() -> None:
    """Print what became of the trials; ends with 1 if one is missing, open or was run twice."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--trials", type=int, default=20)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--epochs", type=int, default=12)
    options.add_argument("--with-training", action="store_true", help="kill the training as well")
    options.add_argument("--other-host", action="store_true", help="the killed one is on a machine of another name")
    options.add_argument("--keep", type=Path, help="work in this folder and leave it there")
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "space.yaml").write_text(SPACE)
        started = time.monotonic()
        how = {"with_training": args.with_training or args.other_host, "is_elsewhere": args.other_host}
        victim, hit = swept(folder, args.trials, args.workers, args.epochs, **how)
        seconds = time.monotonic() - started
        if args.other_host:
            print("\n".join(taken_up_later(folder, args.trials, args.epochs, hit)), flush=True)
        document = status_of(folder)
        doubts = list(doubts_of(document, args.trials))
    print("\n".join(_report(document, victim, hit, args, seconds)))
    print("\n".join(doubts) or "every trial is accounted for, none was run twice")
    sys.exit(1 if doubts else 0)


def swept(
    folder: Path, trials: int, workers: int, epochs: int, *, with_training: bool, is_elsewhere: bool = False
) -> tuple[int, int]:
    """Have it done; which worker was killed, and at which trial. `is_elsewhere`: the first one, on another machine."""
    hosts = [ELSEWHERE if is_elsewhere and not k else "" for k in range(workers)]
    started = [_worker(folder, trials, epochs, k, host) for k, host in enumerate(hosts)]
    by_pid = {worker.pid: k for k, worker in enumerate(started)}
    number, run, pid = _in_the_middle(folder, trials // 2, {started[0].pid} if is_elsewhere else set(by_pid))
    os.kill(pid, signal.SIGKILL)
    if with_training:
        os.kill(json.loads((run / "status.json").read_text())["pid"], signal.SIGKILL)
    for worker in started:
        worker.wait(LIMIT_S)
    return by_pid[pid], number


def taken_up_later(folder: Path, trials: int, epochs: int, hit: int) -> list[str]:
    """What becomes of a trial that was left on another machine, when the workers here have nothing else to do."""
    document, began = status_of(folder), time.monotonic()
    before = document["trials"][hit]["state"], document["left"]
    while status_of(folder)["left"] != [hit]:
        if time.monotonic() - began > LIMIT_S:
            raise TimeoutError(f"trial {hit} is never left")
        time.sleep(1)
    silent_s = run_info(_paths(document, document["trials"][hit]), time.time()).age_s
    code = _worker(folder, trials, epochs, trials).wait(LIMIT_S)
    return [
        f"elsewhere     trial {hit} was {before[0]}, left: {before[1]}, when the worker here had ended",
        f"left          after {silent_s:.0f} s of silence; the same command again ended with {code}",
    ]


def _worker(folder: Path, trials: int, epochs: int, k: int, host: str = "") -> subprocess.Popen[bytes]:
    words = ["sweep", "--task", f"{TASK}:Digits", "--space", "space.yaml", "--trials", str(trials), "--name", "digits"]
    words += ["--device", "cpu", "runtime.threads=1", f"train.epochs={epochs}", "checkpoint.every_s=0.1"]
    names = folder / "names"
    names.mkdir(exist_ok=True)
    (names / "sitecustomize.py").write_text(RENAMING)
    environ = {**os.environ, "PYTHONPATH": str(names), "HOST_NAME": host} if host else None
    with (folder / f"worker-{k}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "trainctl.tui.cli.main", *words], cwd=folder, stdout=log, stderr=log, env=environ
        )


def _in_the_middle(folder: Path, number: int, pids: set[int]) -> tuple[int, Path, int]:
    """The first trial from `number` on of some workers that has a checkpoint and still runs: number, run, its
    worker's process."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        for file in sorted((folder / "runs").glob("2*/trial.json")):
            trial = json.loads(file.read_text())
            if trial["number"] < number or trial["state"] != "running":
                continue
            if not (file.parent / "latest_model.pth").exists() or (file.parent / "summary.json").exists():
                continue
            if (pid := _owner(folder, trial["number"])) in pids:
                return trial["number"], file.parent, pid
        time.sleep(0.01)
    raise TimeoutError(f"no trial from {number} on has run")


def _owner(folder: Path, number: int) -> int:
    """The worker's process, as the journal has it."""
    lines = (folder / "runs" / "sweeps" / "digits" / "journal.log").read_text().splitlines()
    told = (json.loads(line) for line in lines)
    owners = [
        entry["user_attr"]["worker"]["pid"]
        for entry in told
        if entry.get("trial_id") == number and "worker" in entry.get("user_attr", {})
    ]
    return owners[-1]


def status_of(folder: Path) -> Mapping[str, Any]:
    words = [sys.executable, "-m", "trainctl.tui.cli.main", "sweep", "status", "digits", "--json"]
    return json.loads(subprocess.run(words, cwd=folder, capture_output=True, check=True).stdout)


def doubts_of(document: Mapping[str, Any], trials: int) -> Iterator[str]:
    """What is not as it should be."""
    numbers = [trial["number"] for trial in document["trials"]]
    if numbers != list(range(trials)):
        yield f"the trials are {numbers}"
    for trial in document["trials"]:
        if trial["state"] == "running":
            yield f"trial {trial['number']} is open"
        if trial["state"] == "complete":
            yield from _repeats(document, trial)
    files = [json.loads(file.read_text()) for file in Path(document["path"]).parents[1].glob("2*/trial.json")]
    often = Counter(file["number"] for file in files)
    yield from (f"trial {number} has {count} runs" for number, count in often.items() if count > 1)


def _paths(document: Mapping[str, Any], trial: Mapping[str, Any]) -> RunPaths:
    return RunPaths(Path(document["path"]).parents[1] / trial["run"])


def _reader(document: Mapping[str, Any], trial: Mapping[str, Any]) -> RunReader:
    return RunReader(_paths(document, trial))


def _repeats(document: Mapping[str, Any], trial: Mapping[str, Any]) -> Iterator[str]:
    """Whether each step of a run stands in its records once."""
    reader = _reader(document, trial)
    steps = reader.steps.all()["step"].tolist()
    if steps != list(range(1, len(steps) + 1)):
        yield f"trial {trial['number']}: its steps are not 1..{len(steps)}"


def _report(document: Mapping[str, Any], victim: int, hit: int, args: Any, seconds: float) -> Sequence[str]:
    trials = document["trials"]
    states = Counter(trial["state"] for trial in trials)
    one = trials[hit]
    reader = _reader(document, one)
    reader.poll()
    resumes = sum(event.kind is EventKind.RESUME for event in reader.events)
    is_whole = args.with_training or args.other_host
    how = "with its training" if is_whole else "alone: its training went on"
    return [
        f"trials        {len(trials)} by {args.workers} workers in {seconds:.0f} s, {args.epochs} epochs each",
        f"ended         {', '.join(f'{count} {state}' for state, count in states.items())}",
        f"killed        worker {victim} at trial {hit}, {how}",
        f"trial {hit:<7} {one['state']} {one['reason']}, resumed {resumes} times".replace(" ,", ","),
        f"best          trial {document['best']}: {document['metric']} {trials[document['best']]['value']:.4f}",
    ]


if __name__ == "__main__":
    main()
