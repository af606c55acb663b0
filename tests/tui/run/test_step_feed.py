"""A long run is opened by its overview, looked at closely on request, and followed as any other."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from present import present

from trainctl.engine.errors import UserError
from trainctl.engine.runs import store
from trainctl.engine.runs.blocks import BLOCK
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.store import StepWriter
from trainctl.tui.run import step_feed
from trainctl.tui.run.feed import Follower, RunFeed
from trainctl.tui.run.series import MAX_OFFERED, RunSeries
from trainctl.tui.run.view import RunUpdate, RunView

LAYOUT = RecordLayout(terms=("bce",), groups=("head",), classes=("closed", "open"))
LONG = 20 * BLOCK + 30
PER_EPOCH = 1000


def records(first: int, last: int, *, shift: float = 0.0, per_epoch: int = PER_EPOCH) -> np.ndarray:
    steps = np.arange(first, last + 1)
    out = np.zeros(len(steps), LAYOUT.dtype)
    out["step"], out["epoch"], out["time"] = steps, (steps - 1) // per_epoch + 1, 1.75e9 + steps * 0.5 + shift
    out["loss"] = out["term.bce"] = np.sin(steps) + shift
    out["weight.bce"], out["update_ratio"], out["classes"] = 1.0, np.nan, [3, 5]
    return out


@pytest.fixture(autouse=True)
def short_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few thousand records are a long run here."""
    monkeypatch.setattr(step_feed, "MAX_RECORDS", 4 * BLOCK)
    monkeypatch.setattr(step_feed, "MAX_DETAIL", 2000)


def write(paths: RunPaths, part: np.ndarray, keep: int | None = None) -> None:
    writer = StepWriter(paths, LAYOUT, keep)
    writer.append(part)
    writer.close()


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    found = RunPaths(tmp_path)
    write(found, records(1, LONG))
    return found


class Watched:
    """A feed and its view."""

    def __init__(self, paths: RunPaths) -> None:
        self.feed, self.view = RunFeed(paths), RunView(paths)

    def poll(self) -> RunUpdate:
        """One update, taken in."""
        update = self.feed.poll()
        self.view.apply(update)
        return update

    def catch_up(self) -> Watched:
        """Updates until there are no more at once."""
        self.poll()
        while self.feed.behind:
            self.poll()
        return self


def assert_shows(view: RunView, wanted: np.ndarray) -> None:
    """The view draws these records: ranges by the block, count, newest values."""
    series = view.series["loss"]
    assert (series.first, len(series), view.step) == (wanted["step"][0], len(wanted), wanted["step"][-1])
    assert series.last == pytest.approx(wanted["loss"][-1], nan_ok=True)
    blocks = [part["loss"] for part in np.array_split(wanted, range(BLOCK, len(wanted), BLOCK))]
    start, _ = series.extent
    found = series.envelope(start, start + len(blocks) * BLOCK, len(blocks))
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(found.lo, [np.nanmin(part) for part in blocks])
        np.testing.assert_array_equal(found.hi, [np.nanmax(part) for part in blocks])
    np.testing.assert_allclose(found.mean, [np.nanmean(part.astype(float)) for part in blocks], rtol=1e-4, atol=1e-6)


def test_a_short_run_is_read_whole(tmp_path: Path):
    write(RunPaths(tmp_path), records(1, 4 * BLOCK))
    watched = Watched(RunPaths(tmp_path))
    assert watched.poll().glance is None
    assert watched.view.stride == 1
    assert_shows(watched.view, records(1, 4 * BLOCK))


def test_a_long_run_opens_in_one_update_with_its_overview_and_its_tail(paths: RunPaths):
    watched = Watched(paths)
    update = watched.poll()
    assert not watched.feed.behind
    assert len(present(update.records)) == 30 and len(present(update.glance).overview.blocks) == 20
    assert watched.view.stride == BLOCK
    assert_shows(watched.view, records(1, LONG))


def test_what_comes_later_goes_on_behind_the_overview(paths: RunPaths):
    watched = Watched(paths).catch_up()
    write(paths, records(LONG + 1, LONG + 700), keep=LONG)
    assert len(present(watched.poll().records)) == 700
    assert_shows(watched.view, records(1, LONG + 700))
    assert present(watched.view.x_map("time")).x_of(float(LONG)) == pytest.approx((LONG - 1) * 0.5)


def test_an_overview_is_made_little_by_little_where_there_is_none_and_nothing_is_written(
    paths: RunPaths, monkeypatch: pytest.MonkeyPatch
):
    paths.overview.unlink()
    paths.overview_layout.unlink()
    monkeypatch.setattr("trainctl.engine.runs.overview.MAX_BLOCKS", 3)
    monkeypatch.setattr(step_feed, "BUILD_S", 0.0)  # each poll makes as little as it can
    watched = Watched(paths)
    counts = []
    while not counts or watched.feed.behind:
        update = watched.poll()
        counts += [len(update.glance.overview.blocks)] if update.glance else []
        assert watched.view.step == LONG, "the newest step is known from the start"
    assert counts == [3, 6, 12, 20]
    assert_shows(watched.view, records(1, LONG))
    assert sorted(path.name for path in paths.root.iterdir()) == ["steps.bin", "steps.json"]


def test_an_overview_that_lags_is_completed_in_memory(paths: RunPaths):
    data = paths.overview.read_bytes()
    paths.overview.write_bytes(data[: len(data) // 2])
    assert_shows(Watched(paths).catch_up().view, records(1, LONG))


def test_the_first_step_that_is_not_finite_is_found_exactly(tmp_path: Path):
    part = records(1, LONG)
    part["loss"][[2345, 2346, 4000]] = np.nan
    write(RunPaths(tmp_path), part)
    watched = Watched(RunPaths(tmp_path)).catch_up()
    assert watched.view.first_nonfinite == 2346
    assert_shows(watched.view, part)


def test_a_bad_loss_in_the_tail_is_found_too(tmp_path: Path):
    part = records(1, LONG)
    part["loss"][-3] = np.inf
    write(RunPaths(tmp_path), part)
    assert Watched(RunPaths(tmp_path)).catch_up().view.first_nonfinite == LONG - 2


@pytest.mark.parametrize(
    ("per_epoch", "present", "previous", "since"),
    [
        (500, LONG % 500, 500, None),  # both epochs lie within what is read
        (900, LONG % 900, None, None),  # the present one does, the previous one does not
        (LONG, 1024, None, LONG - 1023),  # neither does
    ],
)
def test_classes_are_counted_over_the_epoch_or_it_is_said_since_when(
    tmp_path: Path, per_epoch: int, present: int, previous: int | None, since: int | None
):
    paths = RunPaths(tmp_path)
    write(paths, records(1, LONG, per_epoch=per_epoch))
    view = Watched(paths).catch_up().view
    assert view.epoch == (LONG - 1) // per_epoch + 1
    assert view.epoch_counts is not None and view.epoch_counts.tolist() == [3 * present, 5 * present]
    assert (None if view.last_epoch_counts is None else view.last_epoch_counts[0] // 3) == previous
    assert view.counts_since_step == since


def test_an_epoch_that_was_not_seen_from_its_start_is_never_called_whole(tmp_path: Path):
    paths = RunPaths(tmp_path)
    write(paths, records(1, LONG, per_epoch=LONG + 50))
    watched = Watched(paths).catch_up()
    assert watched.view.counts_since_step == LONG - 4 * BLOCK + 1
    write(paths, records(LONG + 1, LONG + 60, per_epoch=LONG + 50), keep=LONG)
    watched.catch_up()
    assert (watched.view.epoch, watched.view.counts_since_step, watched.view.last_epoch_counts) == (2, None, None)
    assert present(watched.view.epoch_counts).tolist() == [30, 50]


def test_a_resume_of_a_long_run_opens_it_again(paths: RunPaths):
    watched = Watched(paths).catch_up()
    new = records(4 * BLOCK + 9, LONG, shift=3.0)
    write(paths, new, keep=4 * BLOCK + 8)
    assert watched.poll().restarted
    watched.catch_up()
    assert_shows(watched.view, np.concatenate((records(1, 4 * BLOCK + 8), new)))


def test_a_resume_while_the_overview_is_made_mixes_nothing(paths: RunPaths, monkeypatch: pytest.MonkeyPatch):
    paths.overview.unlink()
    monkeypatch.setattr("trainctl.engine.runs.overview.MAX_BLOCKS", 3)
    monkeypatch.setattr(step_feed, "BUILD_S", 0.0)
    watched = Watched(paths)
    watched.poll()
    assert watched.feed.behind
    new = records(2 * BLOCK, LONG + 5, shift=3.0)
    write(paths, new, keep=2 * BLOCK - 1)
    monkeypatch.setattr(step_feed, "BUILD_S", 1.0)
    watched.catch_up()
    assert_shows(watched.view, np.concatenate((records(1, 2 * BLOCK - 1), new)))


def test_a_closer_look_gives_every_step_of_the_window(paths: RunPaths):
    watched = Watched(paths).catch_up()
    watched.feed.request_detail(2000, 2100)
    watched.poll()
    found = watched.view.series["loss"].envelope(2000, 2100, 100)
    np.testing.assert_array_equal(found.lo, records(2000, 2099)["loss"])
    assert watched.view.series["loss"].at(2050) == records(2050, 2050)["loss"][0]
    watched.feed.request_detail(None)
    watched.poll()
    assert watched.view.series["loss"].at(2050) != records(2050, 2050)["loss"][0]


def test_a_closer_look_at_the_end_follows_the_run(paths: RunPaths):
    watched = Watched(paths).catch_up()
    watched.feed.request_detail(LONG - 50, LONG + 1000)
    watched.poll()
    write(paths, records(LONG + 1, LONG + 50), keep=LONG)
    watched.poll()
    found = watched.view.series["loss"].envelope(LONG - 50, LONG + 51, 101)
    np.testing.assert_array_equal(found.hi, records(LONG - 50, LONG + 50)["loss"])


def test_a_window_that_is_too_wide_is_drawn_from_the_blocks(paths: RunPaths):
    watched = Watched(paths).catch_up()
    watched.feed.request_detail(100, 3000)
    assert present(watched.poll().detail).series is None
    watched.feed.request_detail(9e9, 9e9 + 5)
    watched.poll()
    assert_shows(watched.view, records(1, LONG))


def test_the_newest_request_wins_and_is_answered_once(paths: RunPaths):
    watched = Watched(paths).catch_up()
    watched.feed.request_detail(100, 200)
    watched.feed.request_detail(3000, 3100)
    assert present(watched.poll().detail).first_place == 3000 - BLOCK
    assert watched.poll().detail is None


def test_a_request_does_not_wait_for_the_next_period(paths: RunPaths, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("trainctl.tui.run.feed.PERIOD_S", 60.0)
    feed = RunFeed(paths)
    answered = threading.Event()

    def deliver(update: RunUpdate) -> None:
        if update.detail is not None:
            answered.set()
        follower.applied()

    follower = Follower(feed, deliver, pytest.fail)
    thread = threading.Thread(target=follower.run)
    thread.start()
    feed.request_detail(100, 200)
    assert answered.wait(5)
    follower.stop()
    thread.join(5)
    assert not thread.is_alive()


def test_a_closer_look_that_nobody_draws_is_not_followed_for_ever():
    series = RunSeries(1.0)
    series.extend(np.zeros(10, np.float32))
    series.offer_detail(1.0, np.zeros(10, np.float32))
    for _ in range(4):
        series.extend(np.zeros(MAX_OFFERED // 2, np.float32))
    assert series._offered is None


def test_no_more_than_a_portion_of_the_records_is_touched_at_once(paths: RunPaths, monkeypatch: pytest.MonkeyPatch):
    touched: list[int] = []
    read = store.read_records

    def counted(file: BinaryIO, dtype: np.dtype[np.void], first: int, count: int):
        touched.append(count)
        return read(file, dtype, first, count)

    monkeypatch.setattr(store, "read_records", counted)
    Watched(paths).catch_up()
    assert max(touched) <= step_feed.MAX_RECORDS


def test_a_long_run_can_be_read_before_anybody_asks(paths: RunPaths):
    watched = Watched(paths)
    watched.feed.read_ahead()
    assert watched.feed.reads_ahead
    first = watched.poll()
    assert first.glance is not None and not watched.feed.reads_ahead
    assert_shows(watched.catch_up().view, records(1, LONG))
    assert watched.poll().glance is None, "once"


def test_a_mistake_found_while_reading_ahead_is_raised_when_it_is_asked_for(paths: RunPaths):
    paths.status.write_text('{"schema": 99}')
    feed = RunFeed(paths)
    feed.read_ahead()
    with pytest.raises(UserError, match="schema 99"):
        feed.poll()


def test_a_short_run_is_not_read_ahead(tmp_path: Path):
    short = RunPaths(tmp_path / "short")
    short.root.mkdir()
    write(short, records(1, 10))
    for run in (short, RunPaths(tmp_path / "nothing")):
        feed = RunFeed(run)
        feed.read_ahead()
        assert not feed.reads_ahead
