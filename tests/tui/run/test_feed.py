"""The feed and the view: what arrives from a run directory, in whatever state it is."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from present import present
from synthetic_run import NewRun, SyntheticRun

from trainctl.engine.runs.events import Event, EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Liveness
from trainctl.engine.runs.summary import Best, Summary, write_summary
from trainctl.tui.run.feed import ConsoleTail, Follower, RunFeed
from trainctl.tui.run.view import RunUpdate, RunView
from trainctl.tui.words.verdict import Severity, state_word, verdict


def seen(run: SyntheticRun) -> RunView:
    """Everything a run directory says now."""
    feed, view = RunFeed(run.paths), RunView(run.paths)
    view.apply(feed.poll())
    while feed.behind:
        view.apply(feed.poll())
    return view


def test_an_empty_run_is_starting(empty_run: RunPaths):
    view = RunView(empty_run)
    view.apply(RunFeed(empty_run).poll())
    assert view.state is RunState.STARTING and view.liveness is Liveness.STARTING
    assert verdict(view).text == "waiting for the first step"


def test_each_poll_brings_only_what_is_new(live_run: SyntheticRun):
    feed, view = RunFeed(live_run.paths), RunView(live_run.paths)
    view.apply(feed.poll())
    live_run.train(10)
    update = feed.poll()
    assert len(present(update.records)) == 10 and update.events == ()
    view.apply(update)
    assert view.step == 110 and len(view.series["loss"]) == 110


def test_terms_are_weighted(live_run: SyntheticRun):
    view = seen(live_run)
    assert view.series["weighted.aux"].last == pytest.approx(0.15)
    total = view.series["weighted.bce"].last + view.series["weighted.aux"].last
    assert view.series["loss"].last == pytest.approx(total, rel=1e-5)


def test_validation_points_of_raw_and_averaged_weights(live_run: SyntheticRun):
    view = seen(live_run)
    assert list(view.validation("raw", "loss").x) == [50, 100]
    assert view.validation("ema", "loss").last == pytest.approx(0.45)


def test_classes_are_counted_over_the_epoch_in_progress(live_run: SyntheticRun):
    live_run.train(7)
    view = seen(live_run)
    assert view.epoch == 3 and present(view.epoch_counts).sum() == 7 * 64
    assert present(view.last_epoch_counts).sum() == 50 * 64
    assert present(view.batch_counts()).sum() == 64


def test_counting_does_not_depend_on_how_the_records_arrive(new_run: NewRun):
    run = new_run().begin()
    feed, view = RunFeed(run.paths), RunView(run.paths)
    for steps in (3, 60, 1, 40):
        run.train(steps)
        view.apply(feed.poll())
    whole = seen(run)
    np.testing.assert_array_equal(view.epoch_counts, whole.epoch_counts)
    np.testing.assert_array_equal(view.last_epoch_counts, whole.last_epoch_counts)


def test_a_class_that_an_epoch_never_saw_is_a_warning(new_run: NewRun):
    run = new_run().begin()
    run.train(60, classes=[0, 64])
    found = verdict(seen(run))
    assert found.severity is Severity.WARNING and "no sample of closed" in found.text


def test_the_first_step_that_is_not_finite_is_named(live_run: SyntheticRun):
    live_run.train(5, loss=[1, 1, np.nan, np.inf, 1])
    view = seen(live_run)
    assert view.first_nonfinite == 103
    assert verdict(view).severity is Severity.ERROR and "103" in verdict(view).text


def test_a_process_that_is_gone_is_presumed_crashed(live_run: SyntheticRun):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    live_run.status(RunState.RUNNING, pid=child.pid, process_start=1)
    live_run.say("RuntimeError: out of memory")
    view = seen(live_run)
    assert state_word(view) == ("presumed crashed", Severity.ERROR)
    assert verdict(view, "RuntimeError: out of memory").text.endswith("RuntimeError: out of memory")


def test_a_process_that_ends_before_it_wrote_anything_did_not_start(empty_run: RunPaths):
    child = subprocess.Popen([sys.executable, "-c", "raise SystemExit(2)"])
    child.wait()
    view = RunView(empty_run)
    view.apply(RunFeed(empty_run, child).poll())
    assert state_word(view)[0] == "did not start" and view.is_over
    assert "code 2: no such preset" in verdict(view, "no such preset").text


def test_the_worst_finding_is_the_verdict(live_run: SyntheticRun):
    live_run.events.append(EventKind.FINDING, 90, code="LOSS_FLAT", severity="error", title="the loss does not move")
    live_run.events.append(EventKind.FINDING, 95, code="LR_LOW", severity="warning", title="slow")
    assert verdict(seen(live_run)).text == "the loss does not move (LOSS_FLAT)"


def test_what_a_resume_took_back_is_gone(live_run: SyntheticRun):
    live_run.events.append(EventKind.RESUME, 60, from_step=60, dropped=40)
    assert list(seen(live_run).validation("raw", "loss").x) == [50]


def test_records_that_start_over_replace_the_old_ones(live_run: SyntheticRun):
    view = seen(live_run)
    view.apply(RunUpdate(restarted=True, layout=live_run.layout))
    assert view.series == {} and view.epoch_counts is None


def test_an_acknowledged_command_is_no_longer_asked(live_run: SyntheticRun):
    feed, view = RunFeed(live_run.paths), RunView(live_run.paths)
    view.apply(feed.poll())
    view.asked["ab"] = "pause"
    live_run.events.append(EventKind.COMMAND, 101, id="ab", verb="pause", args={}, effect="paused")
    view.apply(feed.poll())
    assert view.asked == {}


def test_a_half_written_run_does_not_stop_the_feed(live_run: SyntheticRun):
    with live_run.paths.steps.open("ab") as file:
        file.write(b"torn")
    with live_run.paths.events.open("ab") as file:
        file.write(b'{"kind": "epo')
    live_run.paths.meta.write_text("{")
    view = seen(live_run)
    assert view.step == 100 and "meta.json" in verdict(view).text


def test_the_console_keeps_what_a_carriage_return_left(tmp_path: Path):
    path = tmp_path / "console.log"
    path.write_bytes(b"10%\r50%\r100%\nnext\nhalf")
    tail = ConsoleTail(path)
    assert tail.read_new() == ("100%", "next")
    with path.open("ab") as file:
        file.write(b" line\n")
    assert tail.read_new() == ("half line",)


def test_the_follower_waits_until_an_update_was_taken_in(live_run: SyntheticRun):
    delivered: list[RunUpdate] = []
    arrived = threading.Event()

    def deliver(update: RunUpdate) -> None:
        delivered.append(update)
        arrived.set()

    follower = Follower(RunFeed(live_run.paths), deliver, pytest.fail)
    thread = threading.Thread(target=follower.run)
    thread.start()
    assert arrived.wait(5)
    thread.join(0.5)  # longer than two periods: nothing more comes before `applied`
    assert len(delivered) == 1
    follower.stop()
    thread.join(5)
    assert not thread.is_alive()


def test_a_run_of_a_newer_version_is_refused_with_a_reason(live_run: SyntheticRun):
    live_run.paths.status.write_text('{"schema": 99}')
    reasons: list[str] = []
    Follower(RunFeed(live_run.paths), lambda update: pytest.fail("it was read"), reasons.append).run()
    assert "schema 99" in reasons[0]


def test_the_panels_find_every_series_by_name(live_run: SyntheticRun):
    view = seen(live_run)
    assert {"loss", "lr", "grad_norm", "grad_norm.stem", "raw.bce", "weighted.bce", "share.bce", "time"} <= set(
        view.series
    )
    assert view.series["share.aux"].last + view.series["share.bce"].last == pytest.approx(1.0)


def test_what_was_not_measured_is_no_illness(live_run: SyntheticRun):
    live_run.train(20, update_ratio=[1e-3] + [np.nan] * 19)
    ratio = seen(live_run).series["update_ratio"]
    assert ratio.last == pytest.approx(1e-3)
    assert not ratio.envelope(1, 121, 10).bad.any()


def test_the_x_axis_can_show_epochs_and_time(live_run: SyntheticRun):
    view = RunView(live_run.paths)
    feed = RunFeed(live_run.paths)
    assert view.x_map("epoch") is view.x_map("time") is view.x_map("step") is None
    view.apply(feed.poll())
    assert view.x_map("step") is None
    assert present(view.x_map("epoch")).x_of(75.0) == pytest.approx(1.5)
    assert view.x_map("epoch") is view.x_map("epoch")
    live_run.train(2, time=[0.0, 0.0])  # a clock that was set back
    live_run.train(1, time=4e9)
    view.apply(feed.poll())
    assert present(view.x_map("time")).x_of(103.0) > 1e9


def test_validation_metrics_keep_their_order_and_grow(live_run: SyntheticRun):
    view = seen(live_run)
    assert view.metrics() == ["loss", "f1"]
    view.apply(RunUpdate(events=(Event(EventKind.VALIDATION, 150, 0.0, {"raw": {"loss": None, "auc": 1.0}}),)))
    assert view.metrics() == ["loss", "f1", "auc"]
    assert len(view.validation("raw", "loss")) == 3 and np.isnan(view.validation("raw", "loss").last)


def test_the_best_validation_is_named_with_its_weights(live_run: SyntheticRun):
    assert seen(live_run).best is None  # it is flagged, but nobody says by which metric
    results = {"raw": {"f1": 0.91}, "ema": {"f1": 0.94}, "best": True, "monitor": "f1", "monitor_mode": "max"}
    live_run.events.append(EventKind.VALIDATION, 100, **results)
    live_run.events.append(EventKind.VALIDATION, 150, **(results | {"best": False, "raw": {"f1": 0.99}}))
    assert seen(live_run).best == ("f1", 0.94, 100, "ema")


def test_a_finished_run_names_its_best_by_its_summary(live_run: SyntheticRun):
    write_summary(live_run.paths, Summary(RunState.FINISHED, 100, 2, 1.0, 1.0, best=Best("f1", 0.9, 2)))
    assert seen(live_run).best == ("f1", 0.9, 100, "raw")


def test_a_run_that_died_before_its_first_word_is_over_also_for_who_did_not_start_it(empty_run: RunPaths):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    lock = empty_run.root / ".lock"
    lock.write_text(f"{child.pid}\n")
    for file in (lock, empty_run.root):
        os.utime(file, (1e9, 1e9))
    view = RunView(empty_run)
    view.apply(RunFeed(empty_run).poll())
    assert view.liveness is Liveness.CRASHED and view.is_over


def test_a_process_we_started_may_prepare_as_long_as_it_likes(empty_run: RunPaths):
    os.utime(empty_run.root, (1e9, 1e9))
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    view = RunView(empty_run)
    view.apply(RunFeed(empty_run, child).poll())
    assert view.liveness is Liveness.STARTING and not view.is_over
    child.communicate(b"\n")


def test_very_many_events_arrive_in_portions_and_none_is_lost(live_run: SyntheticRun, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("trainctl.tui.run.feed.MAX_EVENT_BYTES", 1000)
    for number in range(100):
        live_run.events.append(EventKind.NOTE, 100, text=str(number))
    feed, view = RunFeed(live_run.paths), RunView(live_run.paths)
    sizes = [len(view.apply(feed.poll()))]
    while feed.behind:
        sizes.append(len(view.apply(feed.poll())))
    assert len(sizes) > 5 and max(sizes) < 50
    assert [event.data["text"] for event in view.of_kind(EventKind.NOTE)] == [str(number) for number in range(100)]


def test_events_that_were_replaced_are_not_shown_twice(live_run: SyntheticRun):
    feed, view = RunFeed(live_run.paths), RunView(live_run.paths)
    view.apply(feed.poll())
    live_run.paths.events.unlink()
    live_run.events.append(EventKind.NOTE, 5, text="again")
    view.apply(feed.poll())
    assert [event.kind for event in view.events] == [EventKind.NOTE]
    assert len(view.validation("raw", "loss")) == 0
