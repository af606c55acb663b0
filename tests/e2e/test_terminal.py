"""What a person sees in a real terminal: the live block, a resize, Ctrl-C, and terminals that can do less."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kills import TASK
from terminals import Screen

pytestmark = [
    pytest.mark.tty,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux"),
]
BAR = re.compile(r"^running  epoch \d+/4000  [━╌]{8,40}  step [\d,]+/[\d,]+  ETA ")
VALIDATION = re.compile(r"^epoch \d+  val    loss ")


def train(screen: Screen, **environment: str) -> None:
    """Start a training in it."""
    words = ["run", "--task", TASK, "--runs-dir", "runs", "--device", "cpu", "train.epochs=4000", "ema.decay=0.9"]
    screen.start(*words, **environment)


@pytest.fixture
def screen(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Screen]:
    found = Screen(tmp_path, *getattr(request, "param", (80, 24)))
    yield found
    found.close()


def bars(lines: list[str]) -> list[int]:
    return [k for k, line in enumerate(lines) if BAR.match(line)]


@pytest.mark.parametrize("screen", [(80, 24), (120, 40)], indirect=True, ids=["80x24", "120x40"])
def test_the_live_block_shows_the_run_survives_a_resize_and_says_how_to_go_on(screen: Screen) -> None:
    train(screen)
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
    train(screen, TERM="dumb")
    lines = screen.shows(lambda lines: any(VALIDATION.match(line) for line in lines))
    assert not bars(lines)


def test_no_color_leaves_out_the_colour_and_nothing_else(screen: Screen) -> None:
    train(screen, NO_COLOR="1")
    screen.shows(bars)
    assert "\x1b[" not in screen.codes()
