"""Samples of the hardware are exported beside the steps, in every format; a run without them has no such file."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sample_runs import LAYOUT, new_run, records

from trainctl.engine.errors import UserError
from trainctl.engine.machine.cards import Card
from trainctl.engine.machine.load import Load
from trainctl.engine.runs.export.export import export_run
from trainctl.engine.runs.hardware.samples import HardwareSample, line_of
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.lines import append_lines
from trainctl.engine.runs.store import StepWriter

SAMPLES = (
    HardwareSample(1e9, 5, 1.0, 2, Load(process_cpu_percent=50.5), {"data": 0.25}),
    HardwareSample(1e9 + 6, 20, 6.0, 2, cards=(Card(0, "H200", 87, power_w=412.3),)),
)


@pytest.fixture
def sampled(tmp_path: Path) -> RunPaths:
    paths = new_run(tmp_path)
    writer = StepWriter(paths, LAYOUT)
    writer.append(records(1, 25))
    writer.close()
    append_lines(paths.hardware, ["damaged", *map(line_of, SAMPLES)])
    return paths


def test_csv_has_a_column_for_every_figure(sampled: RunPaths, tmp_path: Path) -> None:
    out = tmp_path / "steps.csv"
    assert export_run(sampled, "csv", out) == [out, tmp_path / "steps.hardware.csv"]
    with (tmp_path / "steps.hardware.csv").open(newline="") as file:
        first, last = csv.DictReader(file)
    assert first["step"] == "5" and first["process_cpu_percent"] == "50.5" and first["gpu0.power_w"] == ""
    assert last["gpu0.power_w"] == "412.3" and last["gpu0.use_percent"] == "87.0" and last["data_s"] == ""


def test_json_lines_leave_out_what_is_not_known(sampled: RunPaths, tmp_path: Path) -> None:
    export_run(sampled, "jsonl", tmp_path / "steps.jsonl")
    first, _ = map(json.loads, (tmp_path / "steps.hardware.jsonl").read_text().splitlines())
    assert first == {"time": 1e9, "step": 5, "seconds": 1.0, "cores": 2, "process_cpu_percent": 50.5, "data_s": 0.25}


def test_parquet_has_nulls_where_nothing_is_known(sampled: RunPaths, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    export_run(sampled, "parquet", tmp_path / "steps.parquet")
    first, last = parquet.read_table(tmp_path / "steps.hardware.parquet").to_pylist()
    assert first["gpu0.power_w"] is None and last["gpu0.power_w"] == 412.3 and last["step"] == 20


def test_trackio_has_them_among_its_figures(sampled: RunPaths, tmp_path: Path) -> None:
    export_run(sampled, "trackio", tmp_path / "project.db")
    with closing(sqlite3.connect(tmp_path / "project.db")) as connection:
        rows = [json.loads(row[0]) for row in connection.execute("SELECT metrics FROM metrics")]
    assert {"hardware/gpu0/use_percent": 87.0, "hardware/gpu0/power_w": 412.3} in rows


def test_a_file_of_that_name_is_not_replaced(sampled: RunPaths, tmp_path: Path) -> None:
    (tmp_path / "steps.hardware.csv").write_text("precious")
    with pytest.raises(UserError, match=r"steps\.hardware\.csv exists"):
        export_run(sampled, "csv", tmp_path / "steps.csv")
    assert not (tmp_path / "steps.csv").exists()


def test_what_is_no_file_of_samples_is_not_exported(sampled: RunPaths, tmp_path: Path) -> None:
    sampled.hardware.unlink()
    sampled.hardware.mkdir()
    assert export_run(sampled, "csv", tmp_path / "steps.csv") == [tmp_path / "steps.csv"]
