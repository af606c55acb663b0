"""Exports are read back by the programs they are for."""

from __future__ import annotations

import csv
import errno
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sample_runs import LAYOUT, new_run, records

from trainctl.engine.errors import UserError
from trainctl.engine.runs.events import EventKind, EventWriter
from trainctl.engine.runs.export import columns
from trainctl.engine.runs.export.columns import flat_columns, shortest
from trainctl.engine.runs.export.export import ExportFormat, export_run
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.store import StepWriter

STEPS = 25


def sick_records() -> np.ndarray:
    data = records(1, STEPS)
    data["loss"][3], data["loss"][4], data["grad_norm"][3] = np.nan, np.inf, -np.inf
    return data


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunPaths:
    monkeypatch.setattr(columns.blocks, "__defaults__", (7,))  # so that every export crosses blocks
    paths = new_run(tmp_path)
    writer = StepWriter(paths, LAYOUT)
    writer.append(sick_records())
    writer.close()
    events = EventWriter(paths)
    events.append(EventKind.VALIDATION, 10, epoch=1, raw={"f1": 0.5, "auc": float("nan")}, best=True)
    events.append(EventKind.VALIDATION, 30, epoch=3, raw={"f1": 0.1}, best=False)
    events.append(EventKind.RESUME, 10, from_step=10, dropped=20)
    events.append(EventKind.VALIDATION, 20, epoch=2, raw={"f1": 0.625}, ema={"f1": 0.75}, best=True)
    return paths


def test_vectors_are_taken_apart_and_named():
    names = [column.name for column in flat_columns(LAYOUT.dtype, LAYOUT)]
    assert names[:8] == ["step", "epoch", "time", "data_s", "step_s", "lr[0]", "lr[1]", "batch_size"]
    assert names[-2:] == ["classes.closed", "classes.open"]
    assert len(names) == len(set(names))


def test_32_bit_floats_are_written_short_and_exact():
    values = np.array([0.1, 1e-30, 3.4e38, 1 / 3, np.nan, np.inf, 1e-45, 16777217], np.float32)
    assert repr(float(shortest(values)[0])) == "0.1"
    np.testing.assert_array_equal(shortest(values).astype(np.float32), values)


def test_csv_gives_back_every_value_exactly(paths: RunPaths, tmp_path: Path):
    out = tmp_path / "steps.csv"
    assert export_run(paths, "csv", out) == [out, tmp_path / "steps.validation.csv"]
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    wanted = sick_records()
    for column in flat_columns(LAYOUT.dtype, LAYOUT):
        expected = column.values(wanted)
        np.testing.assert_array_equal(np.array([float(r[column.name]) for r in rows]).astype(expected.dtype), expected)
    assert rows[3]["loss"] == "nan"
    with (tmp_path / "steps.validation.csv").open(newline="") as file:
        validations = list(csv.DictReader(file))
    assert [(v["step"], v["weights"], v["f1"], v["auc"]) for v in validations] == [
        ("10", "raw", "0.5", "nan"),
        ("20", "raw", "0.625", ""),
        ("20", "ema", "0.75", ""),
    ]


def test_json_lines_are_strict_and_complete(paths: RunPaths, tmp_path: Path):
    def refuse(name: str) -> None:
        raise AssertionError(name)

    out = tmp_path / "steps.jsonl"
    export_run(paths, ExportFormat.JSONL, out)
    rows = [json.loads(line, parse_constant=refuse) for line in out.read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert (rows[3]["loss"], rows[4]["loss"]) == (None, None)
    assert rows[9]["lr"] == [0.01, 0.001]
    assert rows[9]["loss"] == 0.1
    assert rows[9]["classes"] == {"closed": 10, "open": 54}
    validations = [json.loads(line) for line in (tmp_path / "steps.validation.jsonl").read_text().splitlines()]
    assert validations[0]["metrics"] == {"f1": 0.5, "auc": None}


def test_parquet_keeps_values_and_widths(paths: RunPaths, tmp_path: Path):
    parquet = pytest.importorskip("pyarrow.parquet")
    export_run(paths, "parquet", tmp_path / "steps.parquet")
    table = parquet.read_table(tmp_path / "steps.parquet")
    for column in flat_columns(LAYOUT.dtype, LAYOUT):
        wanted = column.values(sick_records())
        got = table[column.name].to_numpy()
        assert got.dtype == wanted.dtype
        np.testing.assert_array_equal(got, wanted)
    validations = parquet.read_table(tmp_path / "steps.validation.parquet").to_pylist()
    assert [(v["step"], v["weights"], v["f1"]) for v in validations] == [
        (10, "raw", 0.5),
        (20, "raw", 0.625),
        (20, "ema", 0.75),
    ]


def test_tensorboard_reads_the_steps_and_validations(paths: RunPaths, tmp_path: Path):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    (file,) = export_run(paths, "tensorboard", tmp_path / "board")
    accumulator = accumulators.EventAccumulator(str(file.parent), {"scalars": 0})
    accumulator.Reload()
    wanted = sick_records()
    loss = accumulator.Scalars("loss")
    assert [point.step for point in loss] == wanted["step"].tolist()
    assert [point.wall_time for point in loss] == wanted["time"].tolist()
    np.testing.assert_array_equal(np.array([point.value for point in loss], np.float32), wanted["loss"])
    assert [point.value for point in accumulator.Scalars("classes/open")] == wanted["classes"][:, 1].tolist()
    tags = set(accumulator.Tags()["scalars"])
    assert {"term/bce", "weight/bce", "grad_norm", "grad_norm/stem", "lr/0", "lr/1", "scalar/accuracy"} <= tags
    assert "clip" not in tags  # never measured
    assert [(p.step, p.value) for p in accumulator.Scalars("validation/raw/f1")] == [(10, 0.5), (20, 0.625)]
    assert [(p.step, p.value) for p in accumulator.Scalars("validation/ema/f1")] == [(20, 0.75)]


@pytest.mark.parametrize("to", list(ExportFormat))
def test_what_exists_is_replaced_only_when_asked(paths: RunPaths, tmp_path: Path, to: ExportFormat):
    out = tmp_path / "out" / f"steps.{to}"
    (first, *_) = export_run(paths, to, out)
    first.write_bytes(b"precious")
    with pytest.raises(UserError, match="exists"):
        export_run(paths, to, out)
    assert first.read_bytes() == b"precious"
    export_run(paths, to, out, overwrite=True)
    assert first.read_bytes() != b"precious"


def test_an_existing_validation_file_alone_is_not_replaced_either(paths: RunPaths, tmp_path: Path):
    (tmp_path / "steps.validation.csv").write_text("precious")
    with pytest.raises(UserError, match=r"steps\.validation\.csv exists"):
        export_run(paths, "csv", tmp_path / "steps.csv")
    assert not (tmp_path / "steps.csv").exists()


def test_events_of_another_program_are_not_mixed_with_ours(paths: RunPaths, tmp_path: Path):
    (tmp_path / "events.out.tfevents.1.other").write_bytes(b"")
    with pytest.raises(UserError, match="other event files"):
        export_run(paths, "tensorboard", tmp_path, overwrite=True)


def test_a_run_without_steps_cannot_be_exported(tmp_path: Path):
    with pytest.raises(UserError, match="no step recorded yet"):
        export_run(new_run(tmp_path), "csv", tmp_path / "steps.csv")


def test_a_run_without_validations_gives_one_file(tmp_path: Path):
    paths = new_run(tmp_path)
    writer = StepWriter(paths, LAYOUT)
    writer.append(records(1, 3))
    writer.close()
    assert export_run(paths, "csv", tmp_path / "steps.csv") == [tmp_path / "steps.csv"]


def test_a_full_disk_leaves_nothing_half_written(paths: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "out"
    real = Path.replace

    def full(self: Path, target: Path):
        if self.parent == folder:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UserError, match="disk full"):
        export_run(paths, "csv", folder / "steps.csv")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("to", "module"), [("parquet", "pyarrow"), ("tensorboard", "tensorboard")])
def test_a_missing_package_is_named_with_the_way_to_install_it(
    paths: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str, module: str
):
    for name in (module, "tensorboard.compat.proto.event_pb2"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match="pip install"):
        export_run(paths, to, tmp_path / "out")


@pytest.mark.parametrize("to", ["parquet", "tensorboard"])
def test_no_export_imports_torch(paths: RunPaths, tmp_path: Path, to: str):
    code = (
        "import sys; from pathlib import Path; from trainctl.engine.runs.export.export import export_run;"
        "from trainctl.engine.runs.layout import RunPaths;"
        f"export_run(RunPaths(Path(sys.argv[1])), {to!r}, Path(sys.argv[2])); print('torch' in sys.modules)"
    )
    words = [sys.executable, "-c", code, str(paths.root), str(tmp_path / "out")]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "False\n"


def test_trackio_has_a_row_for_each_step_and_validation(paths: RunPaths, tmp_path: Path):
    out = tmp_path / "demo.db"
    assert export_run(paths, "trackio", out, settings={"lr": 1e-3, "layers": (1, 2)}) == [out]
    connection = sqlite3.connect(out)
    rows = connection.execute("SELECT run_name, step, metrics FROM metrics ORDER BY id").fetchall()
    ((config,),) = connection.execute("SELECT config FROM configs").fetchall()
    connection.close()
    assert [step for _, step, _ in rows] == [*range(1, STEPS + 1), 10, 20, 20]
    assert {name for name, _, _ in rows} == {paths.root.name}
    told = [json.loads(metrics) for _, _, metrics in rows]
    assert told[3]["loss"] == "NaN"
    assert told[4]["loss"] == "Infinity"
    assert told[3]["grad_norm"] == "-Infinity"
    assert told[0]["term/bce"] == 1.0
    assert told[0]["lr/1"] == 1e-4
    assert "clip" not in told[0]
    assert told[-3:] == [
        {"val/f1": 0.5, "val/auc": "NaN", "epoch": 1},
        {"val/f1": 0.625, "epoch": 2},
        {"val_ema/f1": 0.75, "epoch": 2},
    ]
    assert {key: value for key, value in json.loads(config).items() if key[0] != "_"} == {"lr": 1e-3, "layers": [1, 2]}


def test_trackio_on_a_full_disk_is_said_in_a_line(paths: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("trainctl.engine.runs.export.trackio_format._write", refuse)
    with pytest.raises(UserError, match="disk is full"):
        export_run(paths, "trackio", tmp_path / "demo.db")
    assert not list(tmp_path.glob("*demo.db*"))
