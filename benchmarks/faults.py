"""Trains under faults of the disk, each file and each kind of error, and says what was lost.

`python -m benchmarks.faults` prints a line for each: whether the disk refuses three writes or all from some point on,
the exit code, and what of the training, the records and the events is that of a training nobody disturbed.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "e2e"))

from faulty_disk import Disk
from kills import OPTIONS, TASK, leaves

from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.reader import RunReader
from trainctl.engine.training.state.checkpoint import load_checkpoint
from trainctl.tui.cli.main import run_command_line

EPOCHS = 12
ARGV = [
    *("run", "--task", TASK, *OPTIONS, "hidden=16", "num_train=160", "num_val=40", f"train.epochs={EPOCHS}"),
    "checkpoint.every_s=0",
]
ROOM = {
    "/steps.bin": 10_000,
    "/events.jsonl": 2_000,
    ".status.json": 700,
    "/overview": 0,
    ".latest_model.pth": 60_000,
    ".best_model.pth": 30_000,
}
"""Files, and what fits before the disk refuses."""
NUMBERS = (errno.EIO, errno.ESTALE, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)


def main() -> None:
    """Print the table."""
    disk = Disk()
    os.write = disk.write
    with tempfile.TemporaryDirectory() as folder:
        whole = _train(Path(folder) / "whole")[1]
        print("file               error    refused  exit  steps trained  records  events  weights")
        case = 0  # no name of a file in the path of its folder: the disk would take it for the file
        for suffix in ROOM:
            for number in NUMBERS:
                for refusals in (3, None):
                    disk.suffix, disk.room, disk.number, disk.refusals = suffix, ROOM[suffix], number, refusals
                    case += 1
                    code, run = _train(Path(folder) / f"case{case}")
                    disk.suffix = ""
                    print(_line(suffix, number, refusals, code, run, whole), flush=True)


def _train(root: Path) -> tuple[int, RunPaths]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = run_command_line([*ARGV, "--runs-dir", str(root)])
    return code, RunPaths((root / "latest").resolve())


def _line(suffix: str, number: int, refusals: int | None, code: int, run: RunPaths, whole: RunPaths) -> str:
    reader, other = RunReader(run), RunReader(whole)
    reader.poll()
    other.poll()
    kept, all_ = len(reader.steps.all()), len(other.steps.all())
    own = [event for event in reader.events if event.kind != "warning"]
    same = "as undisturbed" if _weights(run) == _weights(whole) else "of an earlier step"
    trained = load_checkpoint(run.latest)["about"]["step"] if run.latest.exists() else 0
    often = "for good" if refusals is None else f"{refusals} times"
    return (
        f"{suffix.strip('/.'):18} {errno.errorcode[number]:8} {often:8} {code:4}  {trained:6} of {all_}  "
        f"{kept / all_:7.0%} {len(own) / len(other.events):7.0%}  {same}"
    )


def _weights(run: RunPaths) -> list[object]:
    return list(leaves(load_checkpoint(run.latest)["state"]["model"])) if run.latest.exists() else []


if __name__ == "__main__":
    main()
