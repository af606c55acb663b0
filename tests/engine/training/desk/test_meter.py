"""Hardware and time are sampled ten times a minute, in the clerk's thread; what goes wrong costs the samples alone."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_nvml import FakeLibrary, h200
from toy import resolved, run_toy

from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.atomic import DiskError
from trainctl.engine.runs.events import EventKind, EventReader
from trainctl.engine.runs.hardware.samples import PHASES, newest_samples
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.summary import Summary
from trainctl.engine.training.desk import meter as metering
from trainctl.engine.training.desk import run_writer
from trainctl.engine.training.desk.meter import HardwareMeter
from trainctl.engine.training.desk.phases import Phases
from trainctl.engine.training.desk.pulse import Pulse
from trainctl.engine.training.desk.run_writer import Ending, RunWriter
from trainctl.engine.training.device import card_ids


class Clock:
    """Passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1e9 + self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(metering, "time", found)
    return found


def meter_of(folder: Path) -> tuple[HardwareMeter, Phases]:
    writer, phases = RunWriter(RunPaths(folder)), Phases()
    return HardwareMeter(writer, Pulse(writer, "own", "cpu"), phases), phases


def pass_seconds(meter: HardwareMeter, clock: Clock, seconds: int) -> None:
    for _ in range(seconds):
        clock.now += 1
        meter.beat()


def test_ten_samples_a_minute_the_first_of_them_early(tmp_path: Path, clock: Clock) -> None:
    meter, _ = meter_of(tmp_path)
    meter.beat()
    pass_seconds(meter, clock, 61)
    found = newest_samples(RunPaths(tmp_path))
    assert [sample.time - 1e9 for sample in found] == [101, *range(107, 162, 6)]
    assert len(found) == 11 and found[-1].seconds == 6


def test_a_sample_holds_the_phases_since_the_one_before(tmp_path: Path, clock: Clock) -> None:
    meter, phases = meter_of(tmp_path)
    meter.beat()
    pass_seconds(meter, clock, 1)
    rows = np.zeros(10, RecordLayout(terms=("ce",)).dtype)
    rows["data_s"], rows["step_s"] = 0.1, 0.4
    phases.hear(rows)
    phases.add("validation", 1.5)
    pass_seconds(meter, clock, 6)
    newest = newest_samples(RunPaths(tmp_path))[-1]
    assert newest.phases == pytest.approx({"data": 1.0, "step": 3.0, "validation": 1.5, "checkpoint": 0, "recorder": 0})
    pass_seconds(meter, clock, 6)
    assert set(newest_samples(RunPaths(tmp_path))[-1].phases.values()) == {0.0}


def test_cards_are_sampled_where_they_are_trained_on(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", FakeLibrary(h200(), h200(uuid="GPU-other")))
    meter, _ = meter_of(tmp_path)
    meter.beat()
    pass_seconds(meter, clock, 1)
    meter.look_at(["abc-1"])
    pass_seconds(meter, clock, 6)
    without, with_card = newest_samples(RunPaths(tmp_path))
    assert without.cards == ()
    assert [card.figures["power_w"] for card in with_card.cards] == [412.3]


def test_what_goes_wrong_is_said_once_and_ends_nothing(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter, _ = meter_of(tmp_path)
    meter.beat()

    def fail() -> None:
        raise ZeroDivisionError("a machine without cores")

    monkeypatch.setattr(metering, "usable_cores", fail)
    pass_seconds(meter, clock, 30)
    (event,) = EventReader(RunPaths(tmp_path)).read_new()
    assert "not recorded any more" in event.data["text"] and "without cores" in event.data["text"]


def test_samples_that_the_disk_refuses_wait_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = RunWriter(RunPaths(tmp_path))
    writer._is_posting = True  # as within the clerk: what is refused stays
    monkeypatch.setattr(writer, "_post", writer._outbox.write_out)

    def refuse(*_: object) -> None:
        raise DiskError("disk full")

    with monkeypatch.context() as full:
        full.setattr(run_writer, "append_lines", refuse)
        for k in range(3):
            writer.hardware(f'{{"time": {k}, "seconds": 6}}')
    writer.hardware('{"time": 3, "seconds": 6}')
    assert [sample.time for sample in newest_samples(RunPaths(tmp_path))] == [0, 1, 2, 3]


def test_a_file_that_cannot_be_written_costs_a_run_nothing(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    paths.hardware.mkdir()
    writer = RunWriter(paths)
    writer.hardware('{"time": 1, "seconds": 6}')
    ending = Ending(RunState.FINISHED, "done", ExitCode.OK)
    assert writer.end(ending, 5, Summary(RunState.FINISHED, 5, 1, 1.0, 5.0)) == []
    assert [event.kind for event in EventReader(paths).read_new()] == [EventKind.END]


def test_a_run_knows_what_each_of_its_phases_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Phases] = []
    begin = Phases.__init__

    def keep(self: Phases) -> None:
        begin(self)
        made.append(self)

    monkeypatch.setattr(Phases, "__init__", keep)
    run_toy(tmp_path, resolved())
    (phases,) = made
    assert tuple(phases.so_far()) == PHASES
    assert all(seconds > 0 for seconds in phases.so_far().values())


def test_a_processor_is_no_card() -> None:
    assert card_ids(torch.device("cpu")) == ()
