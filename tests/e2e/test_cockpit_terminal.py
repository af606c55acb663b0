"""The cockpit in a real terminal: sizes, the mouse, leaving and coming back, kills, and terminals that can do less."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pretender import pretender
from terminals import PATIENCE_S, Screen

from trainctl.engine.runs.layout import RunPaths

pytestmark = [
    pytest.mark.tty,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux"),
]
COLOUR = re.compile(r"\x1b\[(?:\d+;)*[34]8;5;(\d+)")
SLOW_LINE = str(Path(__file__).with_name("slow_line.py"))

Run = tuple[RunPaths, "subprocess.Popen[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """A run that goes on slowly, and its process."""
    with pretender(tmp_path / "runs", steps_per_s=5) as found:
        yield found


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Screen]:
    found = Screen(tmp_path, 80, 24)
    yield found
    found.close()


def is_whole(lines: list[str]) -> bool:
    """Header at the top, keys at the bottom, no traceback between them."""
    assert "Traceback" not in "\n".join(lines)
    return " RUNNING " in lines[0] and "q quit" in lines[-1]


def fills(lines: list[str], width: int, height: int) -> bool:
    """Whether the screen is drawn at this size: the scroll bar may take a column, the header keeps one free."""
    return len(lines) == height and width - 2 < len(lines[3]) <= width and len(lines[0]) >= width - 1


def has_braille(lines: list[str]) -> bool:
    return any(0x2800 < ord(char) < 0x2900 for line in lines for char in line)


def hues(codes: str) -> set[int]:
    """Numbers of the 256 colours on the screen that are no shade of grey."""
    greys = {0, 7, 8, 15, 16, 59, 102, 145, 188, 231, *range(232, 256)}
    return {int(number) for number in COLOUR.findall(codes)} - greys


def step_of(paths: RunPaths) -> int:
    return json.loads(paths.status.read_text())["step"]


def goes_on(run: Run) -> bool:
    """Whether the training is alive and trains."""
    paths, process = run
    limit, before = time.monotonic() + PATIENCE_S, step_of(paths)
    while step_of(paths) == before:
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.05)
    return process.poll() is None


def test_nothing_is_cut_at_any_size(run: Run, screen: Screen) -> None:
    screen.start("ui", str(run[0].root))
    screen.shows(lambda lines: len(lines) == 24 and is_whole(lines))
    for width, height in ((160, 50), (100, 30), (80, 24)):
        screen.resize(width, height)
        lines = screen.shows(lambda lines, size=(width, height): fills(lines, *size) and is_whole(lines))
        assert has_panel(lines, "Loss") and lines[3].endswith("╮") and all(len(line) <= width for line in lines)


def test_leaving_lets_the_training_go_on_and_one_can_come_back(run: Run, screen: Screen) -> None:
    screen.start("ui", str(run[0].root))
    screen.shows(is_whole)
    screen.press("q")
    screen.shows_text("Detach: the training goes on")
    screen.press("Enter")
    said = "".join(line.ljust(80) for line in screen.shows_text("ended with 0"))
    assert "goes on without the cockpit" in said and f"trainctl ui {run[0].root}" in said
    assert goes_on(run)
    screen.start("ui", "latest", "--runs-dir", str(run[0].root.parent))
    screen.shows(is_whole)
    before = step_of(run[0])
    screen.shows(lambda lines: (found := re.search(r"step (\d+)/200", lines[1])) and int(found[1]) > before)


def test_a_kill_of_the_cockpit_does_not_touch_the_training(run: Run, screen: Screen) -> None:
    screen.start("ui", str(run[0].root))
    screen.shows(is_whole)
    screen.kill_child()
    screen.shows_text("ended with 137")
    assert goes_on(run)


def test_a_kill_of_the_training_is_seen(run: Run, screen: Screen) -> None:
    screen.start("ui", str(run[0].root))
    screen.shows(is_whole)
    run[1].kill()
    run[1].wait()
    lines = screen.shows_text("PRESUMED CRASHED", "the process is gone")
    assert "q quit" in lines[-1] and "Traceback" not in "\n".join(lines)
    screen.press("q")  # nothing is left to decide
    assert "is presumed crashed at step" in " ".join(screen.shows_text("ended with 0"))


def test_a_click_chooses_a_panel_and_the_wheel_zooms(run: Run, screen: Screen) -> None:
    screen.width, screen.height = 160, 50
    screen.start("ui", str(run[0].root), TERM="screen-256color")
    lines = screen.shows(lambda lines: fills(lines, 160, 50) and is_whole(lines) and has_braille(lines))
    row = next(k for k, line in enumerate(lines) if "Classes" in line)
    screen.click(lines[row].index("Classes"), row)
    screen.press("m")
    screen.shows(lambda lines: has_panel(lines, "Classes") and not has_panel(lines, "Loss"))
    assert is_whole(screen.lines()), "head and keys stay"
    screen.press("m")
    screen.shows(lambda lines: has_panel(lines, "Loss"))
    assert first_step(screen.lines()) <= 1
    for _ in range(3):
        screen.wheel_up(60, 6)
    screen.shows(lambda lines: first_step(lines) > 1)
    screen.press("0")
    screen.shows(lambda lines: first_step(lines) <= 1)


def has_panel(lines: list[str], title: str) -> bool:
    return any(f"╭─ {title} " in line for line in lines)


def first_step(lines: list[str]) -> int:
    """Where the x axis of the loss, the first panel, begins."""
    bottom = next(k for k, line in enumerate(lines) if k > 3 and line.startswith("╰"))
    return int(re.findall(r"\d+", lines[bottom - 1])[0])


def test_no_color_draws_in_shades_of_grey(run: Run, screen: Screen) -> None:
    screen.start("ui", str(run[0].root), NO_COLOR="1")
    screen.shows(lambda lines: is_whole(lines) and has_braille(lines))
    assert COLOUR.search(screen.codes()) and not hues(screen.codes())


def test_the_console_of_linux_gets_plain_characters(run: Run, screen: Screen) -> None:
    screen.start("ui", str(run[0].root), TERM="linux")
    screen.shows(is_whole)
    lines = screen.shows_text("bce", " step│")
    assert not has_braille(lines)


def test_screen_gets_braille_and_colours(run: Run, screen: Screen) -> None:
    screen.start("ui", str(run[0].root), TERM="screen-256color")
    screen.shows(lambda lines: is_whole(lines) and has_braille(lines))
    assert hues(screen.codes())


def test_a_slow_line_shows_the_cockpit_and_takes_keys(run: Run, screen: Screen) -> None:
    screen.start("ui", str(run[0].root), before=[sys.executable, SLOW_LINE, "24000"])  # less than it would draw
    screen.shows(is_whole)
    screen.press("?")
    screen.shows_text("Acting on the run", "esc closes")
    screen.press("q")
    screen.shows(lambda lines: "Acting on the run" not in "\n".join(lines))
    screen.press("q")
    screen.shows_text("Detach")
    screen.press("Enter")
    screen.shows_text("ended with 0")
