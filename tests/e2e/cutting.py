"""Reads a run whose files are cut off while they are read: a program of its own, as what is tested may end it.

`python cutting.py FOLDER FILE SHARE`: for every reader, and for several moments of its reading, makes a run of some
thousand steps in FOLDER, shortens FILE to SHARE of its length at that moment, and prints what came of it, a line each.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np

from trainctl.engine.errors import UserError
from trainctl.engine.runs.blocks import BLOCK
from trainctl.engine.runs.events import EventKind, EventWriter
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.store import StepReader, StepWriter
from trainctl.engine.runs.validated.samples import WorstSamples, write_samples
from trainctl.tui.cli.main import run_command_line
from trainctl.tui.health.monitor import Monitor
from trainctl.tui.replay import feed as replay_feed
from trainctl.tui.replay import steps as replay_steps
from trainctl.tui.replay.feed import ReplayFeed
from trainctl.tui.run import step_feed
from trainctl.tui.run.feed import RunFeed
from trainctl.tui.run.view import RunView

LAYOUT = RecordLayout(terms=("bce",), groups=("head",), classes=("closed", "open"))
LONG = 12 * BLOCK + 30
MOMENTS = (1, 2, 3, 4, 6, 9, 14, 20, 30) if os.environ.get("TRAINCTL_CUT_ALL") else (1, 4, 14)
"""Readings before which the file is cut: with the variable, more of them."""
MOST_POLLS = 50


def make_run(root: Path) -> RunPaths:
    """A run of `LONG` steps, with the worst samples of a validation."""
    root.mkdir()
    paths, steps = RunPaths(root), np.arange(1, LONG + 1)
    records = np.zeros(LONG, LAYOUT.dtype)
    records["step"], records["epoch"], records["time"] = steps, (steps - 1) // 1000 + 1, 1.75e9 + steps
    records["loss"] = records["term.bce"] = np.where(steps == 300, np.nan, np.sin(steps))
    records["weight.bce"], records["update_ratio"], records["classes"], records["batch_size"] = 1.0, np.nan, [3, 5], 8
    writer = StepWriter(paths, LAYOUT)
    writer.append(records)
    writer.close()
    EventWriter(paths).append(EventKind.START, 0, device="cpu")
    EventWriter(paths).append(EventKind.PLAN, 0, epochs=5, steps_per_epoch=1000, total_steps=5000, warmup_steps=0)
    pictures = np.zeros((3, 8, 8, 3), np.uint8)
    words = ("a", "b", "c")
    write_samples(paths, WorstSamples(1, 1, 9, np.ones(3, np.float32), words, words, words, pictures))
    return paths


class Scissors:
    """Cuts a file before the so-manieth reading of records."""

    def __init__(self, path: Path, share: float, moment: int) -> None:
        self.path, self.share, self.left, self.is_cut = path, share, moment, False
        self._read = os.preadv
        os.preadv = self.read

    def read(self, descriptor: int, buffers: list[memoryview], offset: int) -> int:
        """In place of `os.preadv`."""
        self.left -= 1
        if self.left == 0:
            self.cut()
        return self._read(descriptor, buffers, offset)

    def cut(self) -> None:
        """Once."""
        if not self.is_cut:
            self.is_cut = True
            os.truncate(self.path, int(self.path.stat().st_size * self.share))

    def put_away(self) -> None:
        """Read as before."""
        os.preadv = self._read


def read_stored(paths: RunPaths, scissors: Scissors) -> str:
    """What a program holds that opened the records before they were cut."""
    stored = StepReader(paths).stored()
    scissors.cut()
    try:
        return f"{len(stored[:])} read, {stored.find('step', 10.0)} found, {stored[-1]['step']} last"
    except UserError as err:
        return str(err)


def follow(paths: RunPaths, scissors: Scissors) -> str:
    """The cockpit's view; in the end it must show what is there."""
    feed, view = RunFeed(paths), RunView(paths)
    feed.request_detail(100.0, 1500.0)
    for number in range(MOST_POLLS):
        view.apply(feed.poll())
        if number == 5:
            scissors.cut()
        if number > 5 and not feed.behind:
            break
    there = StepReader(paths).all()
    assert not feed.behind, "it never comes to an end"
    assert view.step == (there["step"][-1] if len(there) else 0), (view.step, len(there))
    return f"shows step {view.step}"


def replay(paths: RunPaths, scissors: Scissors) -> str:
    """A replay, played to its end, back and closely looked at."""
    feed, view = ReplayFeed(paths), RunView(paths)
    for moment in (10.0, LONG / 2, float(LONG), 500.0):
        feed.clock.seek(moment)
        feed.request_detail(100.0, 1500.0)
        for _ in range(MOST_POLLS):
            view.apply(feed.poll())
            if not feed.behind:
                break
    scissors.cut()
    return f"shows step {view.step}"


def judge(paths: RunPaths, scissors: Scissors) -> str:
    """The findings beside the cockpit's curves; the second judgement is of what is left."""
    monitor = Monitor(paths, print)
    found = [monitor.judge()]
    scissors.cut()
    found.append(monitor.judge())
    return "; ".join("nothing" if health is None else health.problem or "judged" for health in found)


def command(*words: str) -> Callable[[RunPaths, Scissors], str]:
    """A command, in lines."""

    def run(paths: RunPaths, scissors: Scissors) -> str:
        del scissors
        out, err = io.StringIO(), io.StringIO()
        filled = [word.replace("RUN", str(paths.root)) for word in words]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run_command_line(filled)
        assert "Traceback" not in out.getvalue() + err.getvalue(), out.getvalue() + err.getvalue()
        return f"exit {int(code)}, {len(out.getvalue().splitlines())} lines; {' '.join(err.getvalue().split())}"

    return run


READERS: dict[str, Callable[[RunPaths, Scissors], str]] = {
    "stored": read_stored,
    "follow": follow,
    "replay": replay,
    "judge": judge,
    "tail": command("tail", "RUN", "--no-follow", "-n", "-1"),
    "tail --json": command("tail", "RUN", "--no-follow", "-n", "-1", "--json"),
    "export csv": command("export", "RUN", "--to", "csv", "--out", "RUN.csv"),
    "export jsonl": command("export", "RUN", "--to", "jsonl", "--out", "RUN.jsonl"),
    "diagnose": command("diagnose", "RUN"),
    "compare": command("compare", "RUN", "RUN-other"),
}


def main() -> None:
    """Every reader at every moment."""
    folder, name, share = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    step_feed.MAX_RECORDS = replay_steps.MAX_RECORDS = replay_feed.MAX_RECORDS = 4 * BLOCK
    for (reader, read), moment in itertools.product(READERS.items(), MOMENTS):
        paths = make_run(folder / f"{reader.replace(' ', '')}-{moment}")
        make_run(Path(f"{paths.root}-other"))
        scissors = Scissors(paths.root / name, share, moment)
        try:
            said = read(paths, scissors)
        except UserError as err:
            said = str(err)
        except Exception:
            said = "FAILED " + " | ".join(traceback.format_exc().splitlines()[-6:])
        finally:
            scissors.put_away()
        sys.stdout.write(f"{reader}, {moment}: {'cut' if scissors.is_cut else 'whole'}: {said}\n")


if __name__ == "__main__":
    main()
