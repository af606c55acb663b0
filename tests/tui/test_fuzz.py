"""Random keys, clicks, wheels, drags and resizes while a run grows, resumes, fails and ends: nothing may break.

As many sequences as fit into 20 s; `TRAINCTL_FUZZ=10000 pytest tests/tui/test_fuzz.py` plays that many (most of an hour
on a core). What is pressed comes from a seed, and a failure names it: `TRAINCTL_FUZZ_SEED=17` plays that batch alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import traceback
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import numpy as np
import pytest
from pilots import screen_text
from present import present
from synthetic_run import NewRun, SyntheticRun
from textual import events
from textual.geometry import Size
from textual.pilot import Pilot, WaitForScreenTimeout

from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.index import create_run
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.store import StepWriter
from trainctl.engine.runs.summary import Summary, write_summary
from trainctl.tui.actions import ACTIONS
from trainctl.tui.app import CockpitApp
from trainctl.tui.cli.opening import resting_collector
from trainctl.tui.processes.launch import LaunchRequest
from trainctl.tui.screens.cockpit import CockpitScreen
from trainctl.tui.screens.dialogs.help import HelpScreen

BATCH = 20
"""Sequences in one app."""
NUM_SEQUENCES = int(os.environ.get("TRAINCTL_FUZZ", "120"))
SEEDS = (
    [int(os.environ["TRAINCTL_FUZZ_SEED"])]
    if "TRAINCTL_FUZZ_SEED" in os.environ
    else list(range(max(NUM_SEQUENCES // BATCH, 1)))
)
MAX_EVENTS = 12
PATIENCE_S = 10.0
HOME_SIZE = (80, 24)
SIZES = (*[HOME_SIZE] * 5, (100, 30), (100, 30), (120, 40), (40, 12), (20, 5), (200, 60))
"""Mostly small: what a sequence costs is drawing."""
COCKPIT_KEYS = [key for action in ACTIONS for key in action.key.split(",")]
OTHER_KEYS = [
    *"123456789ax=.-×(",
    *("tab", "shift+tab", "enter", "escape", "up", "down", "left", "right", "home", "end", "pageup", "pagedown"),
    *("backspace", "delete", "space", "less_than_sign", "greater_than_sign", "ctrl+p", "ctrl+a", "f1", "ctrl+l"),
]
FAKE_COMMAND = ("/bin/sh", "-c", 'echo "{}"; echo "$0 $*" >&2; exit $(($# % 2))')
"""Stands for `trainctl` in jobs: prints a line of each kind and ends, well or not."""


class Writer:
    """The trainer of a fuzzed run: does something else each time."""

    def __init__(self, run: SyntheticRun, chance: random.Random) -> None:
        self.run, self.chance = run, chance
        self.acts: list[Callable[[], None]] = [
            self.train, self.train, self.train, self.be_ill, self.tell, self.validate, self.resume, self.pause,
            self.end, self.tear, self.print_oddly, self.vanish,
        ]  # fmt: skip

    def act(self) -> None:
        self.chance.choice(self.acts)()

    def train(self) -> None:
        self.run.train(self.chance.choice((1, 2, 7, 60)))

    def be_ill(self) -> None:
        values = [self.chance.choice((1.0, np.nan, np.inf, -np.inf, 1e38, 0.0)) for _ in range(4)]
        self.run.train(4, **{self.chance.choice(("loss", "grad_norm", "term__bce", "update_ratio")): values})

    def tell(self) -> None:
        known = {
            EventKind.FINDING: {"code": "LOSS_FLAT", "severity": self.chance.choice(("error", "warning", "?")),
                                "title": "the loss [b]does not move"},
            EventKind.WARNING: {"text": "[red]odd[/] text \x1b[31m"},
            EventKind.COMMAND: {"id": "x", "verb": "set", "args": {}, "effect": "refused: no"},
            EventKind.CHECKPOINT: {"which": "latest"},
            EventKind.LR: {"from": 1e-3, "to": 1e-4},
            EventKind.NONFINITE: {},
            EventKind.NOTE: {"text": "日本語 " * 30},
            EventKind.EPOCH: {"epoch": 1 + self.run.step // 50, "train": {"loss": None}},
        }  # fmt: skip
        kind = self.chance.choice(list(known))
        self.run.events.append(kind, self.run.step, **known[kind])

    def validate(self) -> None:
        self.run.validate(1 + self.run.step // 50, self.chance.choice((0.5, float(1 << 40), 0.0)), 0.9)

    def resume(self) -> None:
        keep = self.chance.randint(0, self.run.step)
        present(self.run._writer).close()
        self.run._writer = StepWriter(self.run.paths, self.run.layout, keep=keep)
        self.run.events.append(EventKind.RESUME, keep, from_step=keep, dropped=self.run.step - keep)
        self.run.step = keep
        self.run.paths.summary.unlink(missing_ok=True)
        self.run.status(RunState.RUNNING)

    def pause(self) -> None:
        self.run.status(self.chance.choice((RunState.PAUSED, RunState.VALIDATING, RunState.STARTING)))

    def end(self) -> None:
        state = self.chance.choice((RunState.FINISHED, RunState.FAILED, RunState.STOPPED, RunState.PREEMPTED))
        self.run.events.append(EventKind.END, self.run.step, state=str(state), exit_reason="over")
        self.run.status(state)
        write_summary(self.run.paths, Summary(state, self.run.step, 1, 1.0, 1.0, exit_reason="over"))

    def vanish(self) -> None:
        self.run.status(RunState.RUNNING, pid=2**22 + 1, process_start=1)

    def tear(self) -> None:
        self.run.paths.meta.write_text("{")
        with self.run.paths.events.open("ab") as file:
            file.write(b'{"kind": "epo\n')

    def print_oddly(self) -> None:
        self.run.say(self.chance.choice(("10%\r50%\r", "\x1b[2J", "[bold", "x" * 3000, "", "\x00\xff")))


class Hand:
    """Presses, clicks, turns, drags and resizes, the way a terminal's driver reports it."""

    def __init__(self, pilot: Pilot[None], chance: random.Random) -> None:
        self.pilot, self.app, self.chance = pilot, pilot.app, chance
        self.did: list[str] = []

    async def act(self) -> None:
        kinds = (self.key, self.bound_key, self.any_key, self.click, self.wheel, self.drag, self.hover, self.resize)
        act = self.chance.choices(kinds, (6, 4, 6, 3, 2, 2, 1, 1))[0]
        await act()

    def press(self, key: str) -> None:
        self.did.append(key)
        character = key if len(key) == 1 else {"space": " "}.get(key)
        self._report(events.Key(key, character))

    def _report(self, event: events.Event) -> None:
        present(self.app._driver).process_message(event)

    async def settle(self) -> None:
        """Until everything that was reported has been seen to; does not wait for an idle processor."""
        try:
            await self.pilot._wait_for_screen(PATIENCE_S / 5)
        except WaitForScreenTimeout:
            # A widget that was removed meanwhile never answers. An app that hangs does not answer again either.
            await self.pilot._wait_for_screen(PATIENCE_S)

    @property
    def is_gone(self) -> bool:
        """Whether the cockpit was left."""
        return self.app._exit or not self.app.screen_stack

    def is_at_rest(self) -> bool:
        """Whether nothing is being fetched that may open a dialog."""
        return all(worker.group == "feed" or worker.is_finished for worker in self.app.workers)

    def is_drawn(self) -> bool:
        """Whether every line of the screen is there."""
        return len(screen_text(self.pilot).splitlines()) == self.app.size.height

    async def key(self) -> None:
        self.press(self.chance.choice(COCKPIT_KEYS))

    async def any_key(self) -> None:
        self.press(self.chance.choice(OTHER_KEYS))

    async def bound_key(self) -> None:
        """A key that does something on the screen of this moment."""
        keys = sorted(self.app.active_bindings.keys() - {"ctrl+q", "ctrl+c"})
        self.press(self.chance.choice(keys or ["escape"]))

    def _somewhere(self) -> tuple[int, int]:
        width, height = self.app.size
        return self.chance.randrange(max(width, 1)), self.chance.randrange(max(height, 1))

    def _mouse(self, kind: type[events.MouseEvent], at: tuple[int, int], button: int = 0) -> None:
        x, y = at
        self._report(kind(None, x, y, 0, 0, button, False, False, False, screen_x=x, screen_y=y))

    async def click(self) -> None:
        at, button = self._somewhere(), self.chance.choice((1, 1, 1, 2, 3))
        times = self.chance.choice((1, 1, 2))
        self.did.append(f"click {button} {at} x{times}")
        for _ in range(times):
            self._mouse(events.MouseDown, at, button)
            self._mouse(events.MouseUp, at, button)

    async def wheel(self) -> None:
        kind = self.chance.choice((events.MouseScrollUp, events.MouseScrollDown))
        at = self._somewhere()
        self.did.append(f"{kind.__name__} {at}")
        for _ in range(self.chance.randint(1, 12)):
            self._mouse(kind, at)

    async def hover(self) -> None:
        at = self._somewhere()
        self.did.append(f"hover {at}")
        self._mouse(events.MouseMove, at)

    async def drag(self) -> None:
        start, stop = self._somewhere(), self._somewhere()
        self.did.append(f"drag {start} {stop}")
        self._mouse(events.MouseDown, start, 1)
        self._mouse(events.MouseMove, stop, 1)
        if self.chance.random() < 0.8:  # else let go outside, which nobody reports
            self._mouse(events.MouseUp, stop, 1)

    async def resize(self) -> None:
        self.resize_to(self.chance.choice(SIZES))

    def resize_to(self, size: tuple[int, int]) -> None:
        self.did.append(f"resize {size}")
        present(self.app._driver)._size = size
        self._report(events.Resize(Size(*size), Size(*size)))


@pytest.fixture
def nothing_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No training, no job and no kill leaves this test, and whatever is written lands in its folder."""

    def fake_launch(request: LaunchRequest):
        return create_run(tmp_path / "runs", request.label or "run"), None

    monkeypatch.setattr("trainctl.tui.app.launch", fake_launch)
    monkeypatch.setattr("trainctl.tui.run.session.kill", lambda paths, status, process, step: None)
    monkeypatch.setattr("trainctl.tui.processes.jobs.COMMAND", FAKE_COMMAND)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DOWNLOAD_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    # Drawing and collecting garbage less often: half as many sequences again in the same time.
    monkeypatch.setattr("textual.screen.UPDATE_PERIOD", 1 / 15)
    with resting_collector():
        yield
    gc.collect()


@contextlib.contextmanager
def explained(seed: int, hand: Hand, writer: Writer) -> Generator[None]:
    """A failure says what was done before it."""
    try:
        yield
    except BaseException as err:
        cause = hand.app._exception or err
        told = "".join(traceback.format_exception(cause, limit=-8))
        pytest.fail(f"seed {seed}, step {writer.run.step}: {hand.did}\n{told}", pytrace=False)


async def come_back(hand: Hand) -> None:
    """Escape leads to the cockpit from everywhere, `?` opens the help, and escape closes it."""
    app = hand.app
    if app.size != HOME_SIZE:
        hand.resize_to(HOME_SIZE)
    for _ in range(5):
        hand.press("escape")
        await hand.settle()
    await shown(hand, hand.is_at_rest, "what was asked for is there")
    for _ in range(5):
        hand.press("escape")  # what came late goes too
    for _ in range(3):  # out of a replay the way leads over the app
        await hand.settle()
    if hand.is_gone:
        return
    assert isinstance(app.screen, CockpitScreen), f"escape five times leads to {app.screen}"
    hand.press("question_mark")
    await shown(hand, lambda: isinstance(app.screen, HelpScreen), "? opens the help")
    hand.press("escape")


async def shown(hand: Hand, holds: Callable[[], bool], what: str) -> None:
    """Let the app work until something holds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            while not hand.is_gone and not holds() and hand.app._exception is None:
                await asyncio.sleep(0.005)
    assert hand.app._exception is None
    assert hand.is_gone or holds(), f"{what}: {hand.app.screen_stack}, focus on {hand.app.focused}"


async def play(hand: Hand, writer: Writer, chance: random.Random) -> bool:
    """One sequence; whether the app is still there: to leave it is allowed too."""
    hand.did.clear()
    for _ in range(chance.randint(1, MAX_EVENTS)):
        if chance.random() < 0.2:
            writer.act()
        await hand.act()
        if chance.random() < 0.3:
            await hand.settle()
        if hand.is_gone:
            return False
    await hand.settle()
    if hand.is_gone:
        return False
    await shown(hand, hand.is_drawn, "the screen is drawn")
    await come_back(hand)
    assert hand.app._exception is None
    return not hand.is_gone


@pytest.mark.parametrize("seed", [SEEDS[0], *(pytest.param(seed, marks=pytest.mark.slow) for seed in SEEDS[1:])])
async def test_nothing_that_is_pressed_breaks_the_cockpit(new_run: NewRun, nothing_starts: None, seed: int) -> None:
    chance = random.Random(seed)
    run = new_run(preset=chance.choice(("eyes/balanced", "eyes/current", "own"))).begin()
    run.train(chance.choice((1, 30, 100)))
    new_run(preset="eyes/current").begin().train(20)
    writer, left = Writer(run, chance), BATCH
    while left > 0:
        app = CockpitApp(run.paths, replay=chance.random() < 0.15)
        app.animation_level = "none"
        async with app.run_test(size=chance.choice(SIZES)) as pilot:
            hand = Hand(pilot, chance)
            with explained(seed, hand, writer):
                await pilot.pause()
                while left > 0:
                    left -= 1
                    if not await play(hand, writer, chance):
                        break
                assert app._exception is None
