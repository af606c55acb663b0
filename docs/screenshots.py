"""Takes the pictures of the cockpit that stand in `docs/`, writes its table of keys: trains, opens, presses keys.

`python docs/screenshots.py [--runs-dir DIR] [--only NAME]`; with `--runs-dir` the runs that are there are used. Takes
about eight minutes on two cores. A new picture is a line in `PICTURES`.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from textual.pilot import Pilot

from trainctl.engine.runs.index import find_run
from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.actions import ACTIONS, Group
from trainctl.tui.app import CockpitApp
from trainctl.tui.memory import memory_path
from trainctl.tui.processes.launch import LaunchRequest
from trainctl.tui.screenshot import as_svg
from trainctl.tui.spoken import said
from trainctl.tui.words.language import speaking

OUT = Path(__file__).parent / "screens"
LIMIT_S = 120.0
KEYS_BEGIN, KEYS_END = "<!-- keys -->", "<!-- end of keys -->"


@dataclass(frozen=True)
class Picture:
    """One picture.

    Args:
        name: of the file.
        keys: pressed one after another; `wait:TEXT` waits until the text is on the screen.
        size: columns and rows.
        theme: as the user would choose it.
        run: part of the run's name.
        lang: in which the cockpit speaks.
    """

    name: str
    keys: tuple[str, ...] = ()
    size: tuple[int, int] = (160, 50)
    theme: str = "trainctl-dark"
    run: str = "eyes-balanced"
    lang: str = "en"


SIZES = ((80, 24), (120, 40), (200, 60))
SCREENS = {
    "cockpit": (),
    "presets": ("p",),
    "preset-difference": ("p", "up", "enter"),
    "runs": ("r", "wait:0.9", "down"),
    "compare": ("r", "down", "space", "k", "wait:next curve"),
    "compare-figures": ("r", "down", "space", "k", "wait:next curve", "2"),
    "diagnose": ("d", "enter", "wait:checks in"),
    "lr-finder": ("n", "wait:suggest"),
    "data": ("i", "wait:Data  ✓"),
    "replay": ("o", *["right"] * 8),
    "help": ("question_mark",),
}
"""What is pressed for each."""
EVERY_SCREEN = tuple(
    Picture(f"{width}x{height}/{name}", keys, (width, height))
    for width, height in SIZES
    for name, keys in SCREENS.items()
)
PICTURES = (
    Picture("cockpit"),
    Picture("cockpit-light", size=(120, 40), theme="trainctl-light"),
    Picture("cockpit-no-colour", size=(120, 40), theme="trainctl-no-colour"),
    Picture("cockpit-zh", size=(120, 40), lang="zh"),
    Picture("cockpit-zh-80x24", size=(80, 24), lang="zh"),
    Picture("weld", run="weld-warmup"),
    Picture("quality", run="quality-repaired"),
    Picture("emotion", run="emotion-original"),
    Picture("zoomed", ("right_square_bracket", "right_square_bracket", "comma", "comma", "plus", "plus", "plus", "x")),
    Picture("watched-char-gpt", ("wait:passed",), run="char_gpt"),
    Picture("watched-lightning", ("wait:passed",), run="lightning_module"),
    *EVERY_SCREEN,
)
PROGRAMS = {"char_gpt": "torch", "lightning_module": "lightning"}
"""Programs that are not ours (tests/adapters/programs), and the package that each needs."""


def train(runs_dir: Path, preset: str) -> None:
    """A real training on the built-in data."""
    words = ["run", "--preset", preset, "--runs-dir", str(runs_dir)]
    subprocess.run([sys.executable, "-m", "trainctl.tui.cli.main", *words], check=True, stdout=subprocess.DEVNULL)


def train_watched(runs_dir: Path, program: str) -> None:
    """A program with the few lines that record it."""
    path = Path(__file__).parents[1] / "tests" / "adapters" / "programs" / f"{program}.py"
    env = {**os.environ, "TRAINCTL_RUNS_DIR": str(runs_dir)}
    subprocess.run([sys.executable, str(path), "--watch"], check=True, stdout=subprocess.DEVNULL, env=env)


def text_of(pilot: Pilot[None]) -> str:
    """The characters on the screen."""
    strips = pilot.app.screen._compositor.render_strips()  # pyright: ignore[reportPrivateUsage]
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def shows(pilot: Pilot[None], text: str, *, it_goes: bool = False) -> None:
    """Wait until the text is on the screen, or until it is no more.

    Raises:
        TimeoutError: it does not appear, or go.
    """
    end = time.monotonic() + LIMIT_S
    while (text in text_of(pilot)) is it_goes:
        if time.monotonic() > end:
            raise TimeoutError(f"{text!r} does not {'go from' if it_goes else 'appear on'}\n{text_of(pilot)}")
        await pilot.pause(0.1)


async def take(picture: Picture, run: RunPaths, runs_dir: Path) -> str:
    """The picture as SVG. Nothing is remembered from the last one."""
    memory_path().unlink(missing_ok=True)
    app = CockpitApp(run, LaunchRequest(runs_dir, environ=dict(os.environ)))
    with speaking(picture.lang):
        return await _taken(app, picture, run)


async def _taken(app: CockpitApp, picture: Picture, run: RunPaths) -> str:
    async with app.run_test(size=picture.size) as pilot:
        app.theme = picture.theme
        await shows(pilot, said("finished").upper())
        await shows(pilot, said("looking"), it_goes=True)
        await pilot.pause(2.0)
        for key in picture.keys:
            if key.startswith("wait:"):
                await shows(pilot, key.removeprefix("wait:"))
            else:
                await pilot.press(key)
                await pilot.pause(0.2)
        await pilot.pause(0.5)
        return as_svg(app, f"trainctl ui {run.root.name}")


def write_keys(page: Path) -> None:
    """Put the table of keys between its two marks."""
    rows = ["| key | what it does | command |", "|---|---|---|"]
    for group in Group:
        rows.append(f"| | **{group}** | |")
        for action in ACTIONS:
            if action.group is group:
                command = f"`trainctl {action.cli}`" if action.cli else ""
                rows.append(f"| `{action.shown_key}` | {action.help} | {command} |")
    before, _, rest = page.read_text().partition(KEYS_BEGIN)
    _, _, after = rest.partition(KEYS_END)
    page.write_text(f"{before}{KEYS_BEGIN}\n" + "\n".join(rows) + f"\n{KEYS_END}{after}")


def main() -> None:
    """Train unless told where runs are, then take each picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs-dir", type=Path)
    parser.add_argument("--only", choices=[picture.name for picture in PICTURES])
    options = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    write_keys(OUT.parent / "cockpit.md")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = os.environ["XDG_CONFIG_HOME"] = folder
        runs_dir = options.runs_dir or Path(folder) / "runs"
        if options.runs_dir is None:
            for preset in ("weld/warmup", "quality/repaired", "emotion/original", "eyes/current", "eyes/balanced"):
                train(runs_dir, preset)
            for program, package in PROGRAMS.items():
                if importlib.util.find_spec(package) is not None:
                    train_watched(runs_dir, program)
        for picture in PICTURES:
            is_here = importlib.util.find_spec(PROGRAMS.get(picture.run, "torch")) is not None
            if options.only in (None, picture.name) and (is_here or options.runs_dir is not None):
                run = find_run(runs_dir, picture.run)
                path = OUT / f"{picture.name}.svg"
                path.parent.mkdir(exist_ok=True)
                path.write_text(asyncio.run(take(picture, run, runs_dir)))
                sys.stdout.write(f"{picture.name}\n")


if __name__ == "__main__":
    main()
