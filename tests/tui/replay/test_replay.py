"""Replay: what the feed hands out at each moment, and what the screen lets one do with it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
import pytest
from pilots import MEDIUM, SMALL, cockpit, commands, screen_text, session_of, shows, toasts, until
from present import present
from synthetic_run import NewRun, SyntheticRun
from textual.pilot import Pilot

from trainctl.engine.errors import UserError
from trainctl.engine.runs import store
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.lines import append_line
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Liveness
from trainctl.engine.runs.store import StepWriter
from trainctl.engine.runs.summary import Summary, write_summary
from trainctl.engine.runs.validated.kept import KeptFiles, file_of
from trainctl.engine.runs.validated.samples import WorstSamples, packed_samples, write_samples
from trainctl.tui.app import CockpitApp
from trainctl.tui.replay.clock import ReplayClock
from trainctl.tui.replay.feed import ReplayFeed, ReplaySession
from trainctl.tui.replay.recording import RATE_WINDOW_S, Recording
from trainctl.tui.run.step_feed import MAX_RECORDS
from trainctl.tui.run.view import RunView
from trainctl.tui.screens.replay import ReplayScreen
from trainctl.tui.widgets.replay_bar import ReplayBar, clock_words

BEGAN = 1_000_000.0
"""Seconds since 1970 at which the recorded runs begin."""


class RecordedRun:
    """Writes a run whose times are chosen: a step each second, from `BEGAN` + 1 on."""

    def __init__(self, synthetic: SyntheticRun) -> None:
        self.run = synthetic
        self.paths = synthetic.paths

    def event(self, at: float, kind: EventKind, step: int, **data: Any) -> None:
        line = {"kind": str(kind), "step": step, "time": BEGAN + at, "data": data}
        append_line(self.paths.events, line)

    def steps(self, count: int, begin: float = 0.0) -> None:
        first = self.run.step + 1
        self.run.train(count, time=BEGAN + begin + np.arange(first, first + count))


@pytest.fixture
def finished(new_run: NewRun) -> RecordedRun:
    """200 steps in 200 s; validations at 50 and 100, a pause at 120, the end at 201."""
    run = RecordedRun(new_run())
    run.run._lr = np.full(1000, 1e-3)
    run.event(0, EventKind.START, 0, device="cpu")
    plan = {"epochs": 4, "steps_per_epoch": 50, "total_steps": 200, "warmup_steps": 20, "points": [[0, 0.0], [200, 1]]}
    run.event(0.5, EventKind.PLAN, 0, **plan)
    run.steps(200)
    run.event(50.5, EventKind.VALIDATION, 50, epoch=1, raw={"loss": 0.5}, best=True, seconds=0.25)
    run.event(100.5, EventKind.VALIDATION, 100, epoch=2, raw={"loss": 0.4}, best=True, seconds=0.25)
    run.event(120.1, EventKind.COMMAND, 120, id="a", verb="pause", args={}, effect="paused")
    run.event(120.8, EventKind.COMMAND, 120, id="b", verb="resume", args={}, effect="resumed")
    run.event(201, EventKind.END, 200, state="finished", exit_reason="all epochs done")
    run.run.status(RunState.FINISHED)
    write_summary(run.paths, Summary(RunState.FINISHED, 200, 4, 200.0, 64.0, exit_reason="all epochs done"))
    return run


class Player:
    """A feed and a view, and the clock between them, which stands still."""

    def __init__(self, run: RecordedRun) -> None:
        self.clock = ReplayClock(lambda: 0.0)
        self.feed, self.view = ReplayFeed(run.paths, self.clock), RunView(run.paths)
        self.updates = []

    def at(self, seconds: float) -> RunView:
        """Everything up to this moment."""
        if not self.updates:
            self._poll()
        self.clock.seek(seconds / self.clock.duration_s)
        self._poll()
        return self.view

    def _poll(self) -> None:
        update = self.feed.poll()
        self.view.apply(update)
        self.updates.append(update)
        if self.feed.behind:
            self._poll()


def test_records_events_and_status_are_those_of_the_moment(finished: RecordedRun):
    view = Player(finished).at(75.2)
    assert view.step == 75 and len(view.series["loss"]) == 75
    assert list(view.validation("raw", "loss").x) == [50]
    assert view.state is RunState.RUNNING and view.liveness is Liveness.LIVE and not view.is_over
    status = present(view.status)
    assert status.epoch == 2 and status.total_steps == 200
    assert status.steps_per_s == pytest.approx(1.0) and status.eta_s == pytest.approx(125.0)
    assert status.samples_per_s == pytest.approx(64.0)


@pytest.mark.parametrize(
    ("at", "state"),
    [
        (0.2, RunState.RUNNING),
        (50.3, RunState.VALIDATING),
        (50.9, RunState.RUNNING),
        (120.4, RunState.PAUSED),
        (121.0, RunState.RUNNING),
        (201.0, RunState.FINISHED),
    ],
)
def test_the_state_is_that_of_the_moment(finished: RecordedRun, at: float, state: RunState):
    assert Player(finished).at(at).state is state


def test_going_on_brings_only_what_is_new(finished: RecordedRun):
    player = Player(finished)
    player.at(60.0)
    player.at(70.0)
    update = player.updates[-1]
    assert len(update.records) == 10 and update.events == () and not update.restarted


def test_going_back_forgets_and_brings_everything_up_to_there(finished: RecordedRun):
    player = Player(finished)
    player.at(201.0)
    view = player.at(60.0)
    assert player.updates[-1].restarted and player.updates[-1].events_restarted
    assert view.step == 60 and len(view.series["loss"]) == 60
    assert list(view.validation("raw", "loss").x) == [50] and view.state is RunState.RUNNING
    assert view.summary is None


def test_the_end_is_told_when_it_is_reached(finished: RecordedRun):
    view = Player(finished).at(201.0)
    assert view.liveness is Liveness.OVER and view.age_s == 0.0
    assert view.summary is not None and view.summary.exit_reason == "all epochs done"


def test_the_worst_samples_appear_with_their_validation(finished: RecordedRun):
    samples = WorstSamples(
        150, 3, 9, np.ones(1, np.float32), ("open",), ("closed",), ("a.png",), np.zeros((1, 4, 6, 3), np.uint8)
    )
    write_samples(finished.paths, samples)
    player = Player(finished)
    assert player.at(149.9).samples is None and present(player.at(160.0).samples).step == 150


def worst(step: int) -> WorstSamples:
    pictures = np.full((1, 4, 6, 3), step, np.uint8)
    return WorstSamples(step, step // 50, 9, np.ones(1, np.float32), ("open",), ("closed",), ("a.png",), pictures)


def test_a_replay_shows_the_worst_samples_of_its_moment(finished: RecordedRun):
    kept = KeptFiles(finished.paths.past_samples)
    for step in (50, 100, 150):
        kept.put(step, packed_samples(worst(step)), best=step)
        kept.write_out()
    write_samples(finished.paths, worst(150))
    file_of(finished.paths.past_samples, 100).write_bytes(b"damaged")
    player = Player(finished)
    assert player.at(50.3).samples is None, "the first validation is under way"
    early = present(player.at(60.0).samples)
    assert early.step == 50 and (early.images == 50).all() and player.at(90.0).samples is early
    assert player.at(120.0).samples is None, "what cannot be read is not replaced by what was true at another time"
    assert present(player.at(160.0).samples).step == 150
    assert present(player.at(60.0).samples).step == 50, "and back again"


def test_what_crashed_is_never_presumed_crashed_while_it_plays(finished: RecordedRun):
    kept = [line for line in finished.paths.events.read_text().splitlines(True) if '"end"' not in line]
    finished.paths.events.write_text("".join(kept))
    finished.paths.summary.unlink()
    finished.run.status(RunState.RUNNING, pid=2**22 + 1, process_start=1)
    view = Player(finished).at(200.0)
    assert view.liveness is Liveness.LIVE and view.state is RunState.RUNNING and view.step == 200


def test_the_night_between_two_sittings_is_left_out(new_run: NewRun):
    run = RecordedRun(new_run())
    run.run._lr = np.full(1000, 1e-3)
    run.event(0, EventKind.START, 0)
    run.steps(100)
    run.event(101, EventKind.END, 100, state="preempted", exit_reason="SIGTERM")
    run.event(40_000, EventKind.RESUME, 100, from_step=100, dropped=0)
    run.steps(50, begin=40_000 - 100)
    run.event(40_051, EventKind.END, 150, state="finished", exit_reason="done")
    player = Player(run)
    assert player.at(100.5).state is RunState.RUNNING
    assert player.clock.duration_s == pytest.approx(152.0)
    assert player.at(103.5).step == 102 and player.view.state is RunState.RUNNING
    assert player.at(152.0).state is RunState.FINISHED


def test_an_empty_run_has_nothing_to_replay(empty_run: RunPaths):
    with pytest.raises(UserError, match="recorded nothing"):
        ReplayFeed(empty_run).poll()


def test_a_clock_that_was_set_back_does_not_stop_the_replay(new_run: NewRun):
    run = RecordedRun(new_run())
    run.run._lr = np.full(1000, 1e-3)
    run.event(0, EventKind.START, 0)
    run.steps(50)
    run.steps(50, begin=-30.0)
    player = Player(run)
    steps = [player.at(second).step for second in range(0, 71, 5)]
    assert steps == sorted(steps) and steps[-1] == 100


def test_a_million_steps_play_without_being_read_on_each_tick(new_run: NewRun, monkeypatch: pytest.MonkeyPatch):
    run = RecordedRun(new_run())
    count = 1_000_000
    run.event(0, EventKind.START, 0)
    records = np.zeros(count, run.run.layout.dtype)
    records["step"] = np.arange(1, count + 1)
    records["time"] = BEGAN + records["step"] / 1000.0
    StepWriter(run.paths, run.run.layout).append(records)
    del records
    recording = Recording(run.paths)
    asked: list[int] = []
    read = store.read_records

    def counted(file: BinaryIO, dtype: np.dtype[np.void], first: int, count: int):
        asked.append(count)
        return read(file, dtype, first, count)

    with monkeypatch.context() as patch:
        patch.setattr(store, "read_records", counted)
        assert recording.count_until(BEGAN + 500.0) == 500_000
        recording.status(BEGAN + 500.0, 500_000)
    assert 0 < len(asked) < 60
    assert sum(asked) < 60 + 1000 * RATE_WINDOW_S
    player = Player(run)
    player.at(500.0)
    assert player.view.step == 500_000 and player.view.series["loss"].extent == (1, 500_001)
    began = time.thread_time()  # not the clock's, which tells of the machine
    player.at(500.1)
    assert len(player.updates[-1].records) == 100 and player.updates[-1].glance is None
    assert time.thread_time() - began < 0.1
    player.at(999.9)
    player.at(250.0)  # back and forth by the overview, not by the records
    assert player.view.step == 250_000 and player.view.series["loss"].extent == (1, 250_001)
    assert sum(len(update.records) for update in player.updates) < MAX_RECORDS


def test_a_long_run_without_an_overview_comes_in_portions(new_run: NewRun):
    run = RecordedRun(new_run())
    run.event(0, EventKind.START, 0)
    count = 2 * MAX_RECORDS + 5
    records = np.zeros(count, run.run.layout.dtype)
    records["step"] = np.arange(1, count + 1)
    records["time"] = BEGAN + records["step"] / 1000.0
    records["loss"][70_000] = np.nan
    StepWriter(run.paths, run.run.layout).append(records)
    run.paths.overview.unlink()
    player = Player(run)
    player.at(player.clock.duration_s or 1e9)
    player.at(1e9)
    assert player.view.step == count and player.view.first_nonfinite == 70_001
    assert max(len(update.records) for update in player.updates) <= MAX_RECORDS
    player.at(60.0)
    assert player.view.step == 60_000 and player.view.first_nonfinite is None


def test_a_close_look_ends_where_the_replay_is(finished: RecordedRun):
    player = Player(finished)
    player.at(100.0)
    player.feed.request_detail(90.0, 150.0)
    player.at(100.0)
    detail = player.updates[-1].detail
    assert detail.series is not None and detail.first_place + len(detail.series) == 101
    player.feed.request_detail(None)
    player.at(100.0)
    assert player.updates[-1].detail.series is None


# --- the screen -----------------------------------------------------------------------------------------------


def clock(pilot: Pilot[None]) -> ReplayClock:
    session = session_of(pilot)
    assert isinstance(session, ReplaySession)
    return session.clock


def bar(pilot: Pilot[None]) -> ReplayBar:
    return pilot.app.screen.query_one(ReplayBar)


@pytest.mark.few(1)
@pytest.mark.parametrize("size", [SMALL, MEDIUM])
async def test_the_cockpit_plays_its_run_and_comes_back(finished: RecordedRun, size: tuple[int, int]):
    async with CockpitApp(finished.paths).run_test(size=size) as pilot:
        await shows(pilot, "FINISHED")
        await pilot.press("o")
        await shows(pilot, " REPLAY ")
        assert isinstance(pilot.app.screen, ReplayScreen)
        await shows(pilot, "▶ 5x")
        await pilot.press("space", "end")
        await shows(pilot, "3:21 / 3:21")
        await shows(pilot, "FINISHED")
        await pilot.press("home", "right", "right")
        await shows(pilot, "0:20 / 3:21")
        await shows(pilot, "step 20/200")
        assert "‖ 5x" in screen_text(pilot) and "RUNNING" in screen_text(pilot)
        await pilot.press("o")
        await until(pilot, lambda: not isinstance(pilot.app.screen, ReplayScreen))
        await shows(pilot, "FINISHED")
        assert "REPLAY" not in screen_text(pilot)


async def test_it_plays_by_itself(finished: RecordedRun):
    async with CockpitApp(finished.paths, replay=True).run_test(size=MEDIUM) as pilot:
        await shows(pilot, " REPLAY ")
        first = clock(pilot).position_s
        await until(pilot, lambda: session_of(pilot).view.step > 3)
        assert clock(pilot).position_s > first


async def test_speed_keys(finished: RecordedRun):
    async with CockpitApp(finished.paths, replay=True).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "▶ 5x")
        await pilot.press("greater_than_sign", "greater_than_sign")
        await shows(pilot, "▶ 20x")
        await pilot.press("less_than_sign")
        await shows(pilot, "▶ 10x")


async def test_a_click_on_the_line_seeks_and_a_drag_goes_along(finished: RecordedRun):
    async with CockpitApp(finished.paths, replay=True).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "▶ 5x")
        await pilot.press("space")
        start, width, _ = bar(pilot)._line()
        await pilot.click(ReplayBar, offset=(1 + start + width // 2, 0))
        await until(pilot, lambda: 95 <= session_of(pilot).view.step <= 105)
        await pilot.mouse_down(ReplayBar, offset=(1 + start + width // 4, 0))
        await pilot.hover(ReplayBar, offset=(1 + start + width - 1, 0))
        await pilot.mouse_up(ReplayBar, offset=(1 + start + width - 1, 0))
        await until(pilot, lambda: session_of(pilot).view.step == 200)
        await pilot.click(ReplayBar, offset=(1, 0))
        await until(pilot, lambda: clock(pilot).is_playing)


@pytest.mark.few(2)
@pytest.mark.parametrize("key", ["s", "c", "v", "l", "w"])
async def test_commands_are_refused_in_a_line(finished: RecordedRun, key: str):
    async with CockpitApp(finished.paths, replay=True).run_test(size=MEDIUM) as pilot:
        await shows(pilot, " REPLAY ")
        await pilot.press(key)
        await until(pilot, lambda: any("a replay changes nothing" in text for text in toasts(pilot)))
        assert commands(finished) == []


async def test_arrow_keys_seek_even_where_the_log_has_the_focus(finished: RecordedRun):
    async with CockpitApp(finished.paths, replay=True).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "▶ 5x")
        await pilot.press("space")
        cockpit(pilot).log_panel.focus()
        await pilot.press("home", *["right"] * 10)
        await until(pilot, lambda: session_of(pilot).view.step == 100)
        assert "loss 0.4  epoch 2" in screen_text(pilot)
        await pilot.press("left")
        await until(pilot, lambda: session_of(pilot).view.step == 90)
        assert "loss 0.4  epoch 2" not in screen_text(pilot) and "loss 0.5  epoch 1" in screen_text(pilot)


async def test_escape_gives_a_maximised_panel_back_first(finished: RecordedRun):
    async with CockpitApp(finished.paths, replay=True).run_test(size=MEDIUM) as pilot:
        await shows(pilot, " REPLAY ")
        await pilot.press("m")
        await until(pilot, lambda: cockpit(pilot).zoomed is not None)
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, ReplayScreen) and pilot.app.screen.zoomed is None
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, ReplayScreen))


async def test_an_empty_run_is_explained(empty_run: RunPaths):
    async with CockpitApp(empty_run, replay=True).run_test(size=MEDIUM) as pilot:
        await until(pilot, lambda: any("recorded nothing" in text for text in toasts(pilot)))


async def test_updates_of_the_run_shown_before_are_dropped(finished: RecordedRun):
    from trainctl.tui.messages import RunChanged

    async with CockpitApp(finished.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "FINISHED")
        before = session_of(pilot)
        await pilot.press("o", "space")
        await shows(pilot, " REPLAY ")
        pilot.app.post_message(RunChanged(before, replace(before.feed.poll(), restarted=True)))
        await pilot.pause()
        assert session_of(pilot).view.step < 200


def test_positions_are_written_as_on_a_player():
    assert [clock_words(s) for s in (0, 59.9, 61, 3600, 36_061)] == ["0:00", "0:59", "1:01", "1:00:00", "10:01:01"]
