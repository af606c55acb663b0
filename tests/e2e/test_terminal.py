"""What a person sees in a real terminal: the live block, a resize, Ctrl-C, and terminals that can do less."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kills import TASK
from sittings import ONE_THREAD, STARTER

pytestmark = [
    pytest.mark.tty,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux"),
]
PATIENCE_S = 60.0
BAR = re.compile(r"^running  epoch \d+/4000  [━╌]{8,40}  step [\d,]+/[\d,]+  ETA ")
VALIDATION = re.compile(r"^epoch \d+  val    loss ")


class Screen:
    """A terminal of our own in which a shell runs one command."""

    def __init__(self, folder: Path, width: int, height: int) -> None:
        self.folder, self.width, self.height = folder, width, height
        self._socket = str(folder / "tmux")

    def tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", self._socket, "-f", "/dev/null", *words], capture_output=True, text=True, check=True
        )
        return done.stdout

    def start(self, **environment: str) -> None:
        """Train in it; then the shell says with which code."""
        # COLUMNS: as an exported variable of a shell, which does not follow a resize
        variables = {**ONE_THREAD, "COLUMNS": str(self.width), **environment}
        words = ["run", "--task", TASK, "--runs-dir", "runs", "--device", "cpu", "train.epochs=4000", "ema.decay=0.9"]
        command = ["env", *(f"{k}={v}" for k, v in variables.items()), sys.executable, "-c", STARTER, *words]
        shell = f"{shlex.join(command)}; echo ended with $?; sleep {PATIENCE_S}"
        self.tmux("new-session", "-d", "-x", str(self.width), "-y", str(self.height), "-c", str(self.folder), shell)

    def resize(self, width: int) -> None:
        self.width = width
        self.tmux("resize-window", "-x", str(width), "-y", str(self.height))

    def lines(self) -> list[str]:
        return self.tmux("capture-pane", "-p").splitlines()

    def shows(self, condition: Callable[[list[str]], object]) -> list[str]:
        """The screen, once it fulfils a condition."""
        limit = time.monotonic() + PATIENCE_S
        while not condition(found := self.lines()):
            assert time.monotonic() < limit, "\n".join(found)
            time.sleep(0.05)
        return found

    def close(self) -> None:
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], capture_output=True, check=False)


@pytest.fixture
def screen(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Screen]:
    found = Screen(tmp_path, *getattr(request, "param", (80, 24)))
    yield found
    found.close()


def bars(lines: list[str]) -> list[int]:
    return [k for k, line in enumerate(lines) if BAR.match(line)]


@pytest.mark.parametrize("screen", [(80, 24), (120, 40)], indirect=True, ids=["80x24", "120x40"])
def test_the_live_block_shows_the_run_survives_a_resize_and_says_how_to_go_on(screen: Screen) -> None:
    screen.start()
    lines = screen.shows(lambda lines: bars(lines) and any(VALIDATION.match(line) for line in lines))
    at = bars(lines)[0]
    assert re.fullmatch(r"  loss    total \S+  ce \S+  size \S+", lines[at + 1])
    assert re.fullmatch(r"  step    lr 0\.001  grad norm \S+  \S+ steps/s  \S+ samples/s", lines[at + 2])
    assert re.fullmatch(r"  batch   a \d+  b \d+  c \d+  d \d+", lines[at + 3])
    assert not "".join(lines[at + 4 :]).strip()

    screen.resize(60)
    time.sleep(1)  # a few redraws
    lines = screen.shows(lambda lines: sum("epoch" in line and "/4000" in line for line in lines) == 1)
    assert all(len(line) <= 60 for line in lines)
    screen.resize(100)
    time.sleep(1)
    assert len(bars(screen.shows(bars))) == 1

    screen.tmux("send-keys", "C-c")
    lines = screen.shows(lambda lines: any(line.startswith("resume  trainctl run --resume ") for line in lines))
    assert not bars(lines)
    assert "preempted: received SIGINT" in lines
    screen.shows(lambda lines: "ended with 130" in lines)


def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines(screen: Screen) -> None:
    screen.start(TERM="dumb")
    lines = screen.shows(lambda lines: any(VALIDATION.match(line) for line in lines))
    assert not bars(lines)


def test_no_color_leaves_out_the_colour_and_nothing_else(screen: Screen) -> None:
    screen.start(NO_COLOR="1")
    screen.shows(bars)
    assert "\x1b[" not in screen.tmux("capture-pane", "-p", "-e")
