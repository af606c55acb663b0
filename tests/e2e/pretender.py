"""A process that writes what a trainer writes, without training: a run to look at, alive until it is ended.

`python pretender.py RUNS_DIR [STEPS_PER_S]` makes a run at step 100 of 200, prints its folder, and goes on at that
pace (none: it only shows that it is alive).
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import RunState

BEAT_S = 0.2


def synthetic_run(root: Path) -> Any:
    """The run of the cockpit's own tests."""
    path = Path(__file__).parents[1] / "helpers" / "synthetic_run.py"
    spec = importlib.util.spec_from_file_location("synthetic_run", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SyntheticRun(root)


@contextmanager
def pretender(root: Path, steps_per_s: float = 0.0) -> Generator[tuple[RunPaths, subprocess.Popen[str]]]:
    """Such a run and its process, ended at the end."""
    words = [sys.executable, __file__, str(root), str(steps_per_s)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield RunPaths(Path(process.stdout.readline().strip())), process
    finally:
        process.kill()
        process.communicate()


def pretend(root: Path, steps_per_s: float) -> None:
    run = synthetic_run(root).begin()
    for epoch, (loss, f1) in enumerate(((0.5, 0.8), (0.4, 0.9)), start=1):
        run.train(50)
        run.validate(epoch, loss, f1)
    print(run.paths.root, flush=True)  # noqa: T201
    began, first = time.monotonic(), run.step
    while True:
        time.sleep(BEAT_S)
        due = min(first + int((time.monotonic() - began) * steps_per_s), run.total) - run.step
        if due:
            run.train(due)
        run.status(RunState.RUNNING)


if __name__ == "__main__":
    pretend(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0)
