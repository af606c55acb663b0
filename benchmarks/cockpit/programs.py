"""The programs that are started: the cockpit, the least that Textual can do, and the process that writes a run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OTHER = "TRAINCTL_BENCH_TREE"
"""Environment: folder that has another version's package `trainctl` in it, whose cockpit is measured instead."""
PYTHON = ("env", f"PYTHONPATH={os.environ[OTHER]}", sys.executable) if OTHER in os.environ else (sys.executable,)
COCKPIT = (*PYTHON, "-c", "import sys; from trainctl.tui.cli.main import main; sys.exit(main())", "ui")
MINIMAL = (sys.executable, str(Path(__file__).with_name("minimal.py")))
WRITER = (sys.executable, "-m", "benchmarks.cockpit.writer")

PANELS = rb"Gradient[^\n]{8}"
"""Shown by the first paint of the panels: a heading below the first one."""
LOG, LINEAR = rb"Loss log ", rb"Loss(?! log)[^\n]{8}"
"""Heading of the loss panel before and after its key for the logarithmic axis."""


def cockpit(run: Path) -> list[str]:
    """The cockpit on a run. Read only: it leaves when asked to, without a question."""
    return [*COCKPIT, str(run), "--readonly"]


@contextmanager
def writer(run: Path, steps_per_s: int, history: int = 0, limit: int = 0, *, is_wide: bool = False) -> Generator[int]:
    """A process that writes a run; it begins once `history` steps are there. Ended when the context is left.

    Args:
        run: the new run directory.
        steps_per_s: how fast it goes on.
        history: steps to begin with.
        limit: step after which it writes no more records; 0: none.
        is_wide: with very many terms, classes and metrics.

    Raises:
        RuntimeError: it failed.
    """
    argv = [*WRITER, str(run), str(steps_per_s), str(history), str(limit), *(["--wide"] if is_wide else [])]
    process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    try:
        if process.stdout.readline() != b"ready\n":
            raise RuntimeError("the writer of the run failed")
        yield process.pid
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
