"""What is known of the hardware of a run: a series for each figure, and where the time of late went."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from synthetic_run import SyntheticRun

from trainctl.engine.machine.cards import Card
from trainctl.engine.machine.load import Load
from trainctl.engine.runs.hardware.samples import HardwareSample, line_of
from trainctl.engine.runs.lines import append_lines
from trainctl.tui.run.feed import RunFeed, read_whole
from trainctl.tui.run.hardware import MOST, OTHER, HardwareLog
from trainctl.tui.run.view import RunView


def sample(k: int, **phases: float) -> HardwareSample:
    load = Load(process_cpu_percent=50.0 + k, machine_cpu_percent=90)
    return HardwareSample(1e9 + 6 * k, 10 * k, 6.0, 2, load, phases)


def test_each_figure_has_a_series_and_one_that_comes_later_begins_there() -> None:
    log = HardwareLog()
    log.add([sample(0), sample(1)])
    log.add([HardwareSample(1e9 + 12, 20, 6.0, cards=(Card(0, power_w=300.0),))])
    assert log.series["process_cpu_percent"].extent == (0, 3) and math.isnan(log.series["process_cpu_percent"].last)
    assert log.series["gpu0.power_w"].extent == (2, 3) and log.series["gpu0.power_w"].last == 300
    assert log.count == 3 and log.newest is not None and log.newest.step == 20


def test_shares_are_those_of_the_last_minute() -> None:
    log = HardwareLog()
    log.add([sample(k, data=5.0, step=1.0) for k in range(50)])
    log.add([sample(k, data=1.5, step=3.0, validation=0.0) for k in range(10)])
    assert log.shares() == pytest.approx({"data": 0.25, "step": 0.5, "validation": 0.0, OTHER: 0.25})


def test_of_steps_longer_than_a_minute_more_is_looked_at() -> None:
    log = HardwareLog()
    for _ in range(3):  # a step of two minutes, told when it is over
        log.add([*(sample(k, data=0.0, step=0.0) for k in range(19)), sample(19, data=12.0, step=108.0)])
    log.add([sample(k, data=0.0, step=0.0) for k in range(15)])
    shares = log.shares()
    assert shares["step"] > 0.5 > shares[OTHER]


def test_more_than_all_of_the_time_is_all_of_it() -> None:
    log = HardwareLog()
    log.add([sample(0, data=6.0, step=6.0)])
    assert log.shares() == {"data": 0.5, "step": 0.5, OTHER: 0.0}


def test_where_no_phase_is_measured_there_are_no_shares() -> None:
    log = HardwareLog()
    assert log.shares() == {} and math.isnan(log.step_s)
    log.add([sample(0)])
    assert log.shares() == {} and math.isnan(log.step_s)


def test_a_step_takes_what_its_samples_say() -> None:
    log = HardwareLog()
    log.add([sample(k, data=1.0, step=4.0) for k in range(4)])
    assert log.step_s == pytest.approx(0.5)


def test_a_long_run_takes_no_more_memory_than_a_short_one() -> None:
    log = HardwareLog()
    for start in range(0, 20_000, 2000):
        log.add([sample(k) for k in range(start, start + 2000)])
    assert len(log._newest) == MOST and log.series["process_cpu_percent"].nbytes < 4e6


def test_the_feed_hands_out_samples_once_and_starts_over_where_the_file_is_another(tmp_path: Path) -> None:
    run = SyntheticRun(tmp_path, name="run").begin()
    run.train(5)
    append_lines(run.paths.hardware, [line_of(sample(k)) for k in range(3)])
    feed, view = RunFeed(run.paths), RunView(run.paths)
    view.apply(feed.poll())
    assert view.hardware.count == 3
    append_lines(run.paths.hardware, [line_of(sample(3))])
    view.apply(feed.poll())
    view.apply(feed.poll())
    assert view.hardware.count == 4
    run.paths.hardware.write_text(line_of(sample(9)) + "\n")
    view.apply(feed.poll())
    assert view.hardware.count == 1


def test_what_is_no_such_file_has_no_samples(tmp_path: Path) -> None:
    run = SyntheticRun(tmp_path, name="run").begin()
    run.train(5)
    run.paths.hardware.mkdir()
    view = read_whole(run.paths)
    assert view.hardware.count == 0 and view.step == 5
