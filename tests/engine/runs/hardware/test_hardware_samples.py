"""Samples come back from the file as they went in; whatever else lies there, they can be read."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from trainctl.engine.machine.cards import Card
from trainctl.engine.machine.load import Load
from trainctl.engine.runs.hardware import samples
from trainctl.engine.runs.hardware.samples import (
    HardwareReader,
    HardwareSample,
    line_of,
    newest_samples,
    sample_of,
)
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.lines import append_lines

WHOLE = HardwareSample(
    time=1796019675.5,
    step=40,
    seconds=6.0,
    cores=2,
    load=Load(187.5, 93.1, 812345678, 5 << 30, 24 << 30),
    phases={"data": 0.4, "step": 5.0, "validation": 0.0},
    cards=(Card(3, "NVIDIA H200", 87, 12 << 30, 141 << 30, 54, 412.3),),
)


def test_a_sample_comes_back_as_it_was_written() -> None:
    assert sample_of(json.loads(line_of(WHOLE))) == WHOLE


def test_what_is_not_known_is_not_in_the_line() -> None:
    line = json.loads(line_of(HardwareSample(1.0, 2, 6.0, load=Load(process_cpu_percent=50))))
    assert line == {"time": 1.0, "step": 2, "seconds": 6.0, "cores": 0, "process_cpu_percent": 50}


def test_every_figure_has_a_name_of_its_own() -> None:
    figures = WHOLE.figures
    assert figures["gpu3.power_w"] == 412.3 and figures["data_s"] == 0.4 and figures["machine_cpu_percent"] == 93.1
    assert "checkpoint_s" not in figures


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"time": "now", "seconds": 6},
        {"time": 1.0},
        {"time": 1.0, "seconds": 0},
        {"time": True, "seconds": 6},
        {"time": 1.0, "seconds": -3},
        {"time": None, "seconds": None},
    ],
)
def test_a_line_without_time_is_no_sample(data: dict[str, object]) -> None:
    assert sample_of(data) is None


def test_figures_that_are_none_are_not_known() -> None:
    strange = {"machine_cpu_percent": "all", "process_memory_bytes": -5, "data_s": [1], "step": "x", "cores": None}
    cards = [7, {"index": -1}, {"index": True}, {"index": 1, "name": 5, "power_w": {}, "use_percent": 3}]
    sample = sample_of({"time": 1.0, "seconds": 6, "cards": cards, **strange})
    assert sample is not None
    assert sample.figures == {"gpu1.use_percent": 3} and sample.step == 0 and sample.cards[0].name == ""
    assert sample_of({"time": 1.0, "seconds": 6, "cards": {"index": 0}}) == HardwareSample(1.0, 0, 6)


def test_damaged_lines_are_passed_over(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    whole = line_of(WHOLE)
    paths.hardware.write_bytes(b"\xff\x00{\n[1]\n" + whole.encode() + b"\n" + whole.encode()[:40])
    assert HardwareReader(paths).read_new() == [WHOLE]
    assert newest_samples(paths) == [WHOLE]


def test_no_file_and_what_is_no_file_have_no_samples(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    assert HardwareReader(paths).read_new() == [] and newest_samples(paths) == []
    paths.hardware.mkdir()
    assert newest_samples(paths) == []
    paths.hardware.rmdir()
    paths.hardware.symlink_to("/dev/zero")
    assert newest_samples(paths) == []


def test_of_a_long_file_only_the_end_is_read(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    append_lines(paths.hardware, [line_of(HardwareSample(float(k), k, 6.0)) for k in range(1000)])
    found = newest_samples(paths, 4096)
    assert 10 < len(found) < 200 and found[-1].step == 999
    assert [sample.step for sample in found] == list(range(1000 - len(found), 1000))


def test_of_a_very_long_file_the_older_samples_are_thinned_and_the_newest_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "DENSE_BYTES", 4096)
    paths = RunPaths(tmp_path)
    append_lines(paths.hardware, [line_of(HardwareSample(float(k), k, 6.0)) for k in range(5000)])
    reader = HardwareReader(paths)
    steps = [sample.step for sample in reader.read_new()]
    assert steps[-128:] == list(range(4872, 5000)) and steps == sorted(steps) and steps[0] == 0
    assert 30 < len(steps) - 128 < 120 and max(b - a for a, b in pairwise(steps)) < 200
    append_lines(paths.hardware, [line_of(HardwareSample(1.0, 5000, 6.0)), "damaged"])
    assert [sample.step for sample in reader.read_new()] == [5000] and reader.read_new() == []
    assert len(HardwareReader(paths).read_all()) == 5001


def test_a_week_takes_less_than_fifty_megabytes() -> None:
    assert len(line_of(WHOLE)) * 10 * 60 * 24 * 7 < 50e6
