"""A foreign training that the cockpit looks at: starts the process that reads and follows it, and ends it again.

Knows nothing of what is read: the process makes a run directory, and that is all the cockpit sees.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

from trainctl.engine.errors import UserError
from trainctl.engine.importing.passing import PREFIX
from trainctl.engine.runs.layout import RunPaths

MODULE = "trainctl.engine.importing.following"
END_S = 5.0
"""How long the process may take to leave."""


@dataclass(frozen=True)
class ForeignRuns:
    """What is looked at."""

    source: Path
    run: RunPaths
    """Of the newest training at the source."""
    runs_dir: Path
    """The folder with the runs of all of them."""


@contextlib.contextmanager
def followed(source: Path, columns: str, environ: Mapping[str, str]) -> Generator[ForeignRuns]:
    """Within, a foreign training is a run that grows with its files; afterwards nothing is left of it.

    Args:
        source: the file or folder.
        columns: what the user says of its names.
        environ: of the process.

    Raises:
        UserError: it holds no training that can be read.
    """
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    words = (sys.executable, "-m", MODULE, str(source.absolute()), str(folder), columns)
    process = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # the screen is the cockpit's
        env={**environ, "OPENBLAS_NUM_THREADS": "1"},  # it multiplies nothing
        start_new_session=True,
    )
    try:
        yield ForeignRuns(source, _first_run(process, source), folder)
    finally:
        _end(process)
        shutil.rmtree(folder, ignore_errors=True)


def _first_run(process: subprocess.Popen[bytes], source: Path) -> RunPaths:
    """What the process says first: which run it made, or why it made none."""
    assert process.stdout is not None
    line = process.stdout.readline()
    try:
        said = json.loads(line)
    except ValueError:
        words = f"{source} could not be read: the process that reads it ended"
        raise UserError(words, "what does trainctl import say?") from None
    if "error" in said:
        raise UserError(str(said["error"]), str(said.get("hint", "")))
    return RunPaths(Path(str(said["run"])))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let the process leave: it does when nobody holds its standard input."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
