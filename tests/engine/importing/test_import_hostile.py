"""Files that are cut, damaged, made up or meant to harm: an import of them, or one line that says why there is none."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from foreign_files import (
    REAL,
    course,
    framed,
    write_csv,
    write_events,
    write_mlflow,
    write_mlruns,
    write_trackio,
    write_wandb,
)
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from trainctl.engine.diagnosis.records.evidence import read_evidence
from trainctl.engine.errors import UserError
from trainctl.engine.importing.found import find_sources
from trainctl.engine.importing.keeping import Shelf
from trainctl.engine.importing.sources import database, walking
from trainctl.engine.runs.index import list_runs
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.reader import RunReader

MAKERS: dict[str, Callable[[Path], Path | str]] = {
    "csv": lambda folder: write_csv(folder / "log.csv", course(20)),
    "events": lambda folder: write_events(folder / "events.out.tfevents.1.host", course(20)),
    "real events": lambda folder: shutil.copy(next((REAL / "tensorboard").glob("events*")), folder),
    "wandb": lambda folder: write_wandb(folder / "run-a.wandb", course(20)),
    "real wandb": lambda folder: shutil.copy(REAL / "first.wandb", folder),
    "mlflow": lambda folder: write_mlflow(folder / "mlflow.db", {"r": course(20)}, {"lr": "1"}),
    "trackio": lambda folder: write_trackio(folder / "demo.db", {"r": course(20)}, {"lr": 1}),
}


def import_anyhow(path: Path, runs_dir: Path) -> list[RunPaths]:
    """The runs that come of it; whatever else is raised than what a user is told fails the test."""
    try:
        shelf = Shelf(runs_dir)
        return [shelf.keep(source, force=True).run for source in find_sources(path)]
    except UserError as err:
        assert "\n" not in str(err)
        return []


def check_whole(run: RunPaths) -> None:
    """Everything that opens a run opens this one."""
    reader = RunReader(run)
    reader.poll()
    assert reader.problems == {}
    assert len(reader.steps.all())
    read_evidence(run)


def check_import(path: Path) -> None:
    """Whatever comes of a file is whole."""
    with tempfile.TemporaryDirectory() as runs_dir:
        for run in import_anyhow(path, Path(runs_dir)):
            check_whole(run)


@pytest.fixture(scope="module")
def originals() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        return {name: Path(make(Path(folder))).read_bytes() for name, make in MAKERS.items()}


FUZZ = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(kind=st.sampled_from(list(MAKERS)), cut=st.floats(0, 1))
def test_a_file_that_is_cut(tmp_path: Path, originals: dict[str, bytes], kind: str, cut: float) -> None:
    data = originals[kind]
    path = tmp_path / f"cut.{kind.split()[-1]}"
    path.write_bytes(data[: int(len(data) * cut)])
    check_import(path)


@FUZZ
@given(
    kind=st.sampled_from(list(MAKERS)),
    changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=9)), max_size=8),
)
@example(kind="mlflow", changes=[(0.12, b"\x00\x00\x80")])  # SQLite quotes what is no text
def test_a_file_with_other_bytes_in_it(
    tmp_path: Path, originals: dict[str, bytes], kind: str, changes: list[tuple[float, bytes]]
) -> None:
    data = bytearray(originals[kind])
    for place, part in changes:
        at = int(place * max(len(data) - len(part), 0))
        data[at : at + len(part)] = part
    path = tmp_path / f"bad.{kind.split()[-1]}"
    path.write_bytes(bytes(data))
    check_import(path)


@FUZZ
@given(data=st.one_of(st.binary(max_size=400), st.text(max_size=400).map(lambda text: text.encode("utf-8", "replace"))))
def test_whatever_a_file_holds(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any.log"
    path.write_bytes(data)
    check_import(path)


NUMBERS = st.one_of(
    st.floats(), st.integers(-(10**400), 10**400), st.sampled_from(["nan", "-inf", "1e999", "", "x", None, True])
)
NAMES = st.one_of(
    st.sampled_from(["step", "epoch", "loss", "val_loss", "lr", "time", "grad_norm", "acc"]), st.text(max_size=12)
)


@FUZZ
@given(rows=st.lists(st.dictionaries(NAMES, NUMBERS, max_size=6), min_size=1, max_size=12))
def test_whatever_json_lines_hold(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    check_import(path)


@pytest.mark.parametrize(
    "name", ["a/../../x", "\x1b[31mred", "a\nb", "..", ".", "", "\udcff", "x" * 500, "con\0", "$(touch x)"]
)
def test_names_that_would_do_something(tmp_path: Path, name: str) -> None:
    path = write_trackio(tmp_path / "demo.db", {"r": [{"step": k, "loss": 1.0} for k in range(5)]})
    connection = sqlite3.connect(path)
    told = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    connection.execute(
        "UPDATE metrics SET run_name = ?, metrics = ?", (told, json.dumps({f"loss {name}": 1.0, name: 2}))
    )
    connection.commit()
    connection.close()
    (run,) = import_anyhow(path, tmp_path / "runs")
    assert run.root.parent == tmp_path / "runs"
    assert run.root.name.isprintable()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo.db", "runs"]
    layout = RunReader(run).steps.layout
    assert layout is not None
    assert all(scalar.isprintable() for scalar in layout.scalars)
    check_whole(run)
    (info,) = list_runs(tmp_path / "runs")
    assert not info.problem


def test_a_circle_of_links(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "up").symlink_to(folder)
    (folder / "self").symlink_to(folder / "self")
    (folder / "events.out.tfevents.9.gone").symlink_to(folder / "nowhere")
    write_events(folder / "a" / "events.out.tfevents.1.host", course(5))
    assert [source.name for source in find_sources(folder)] == ["a"]
    with pytest.raises(UserError):
        find_sources(folder / "self")


def test_folders_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path.joinpath(*["d"] * 40)
    deep.mkdir(parents=True)
    write_events(deep / "events.out.tfevents.1.host", course(5))
    with pytest.raises(UserError, match="holds no log"):
        find_sources(tmp_path)
    monkeypatch.setattr(walking, "MOST", 20)
    for k in range(50):
        (tmp_path / f"file-{k}").touch()
    with pytest.raises(UserError, match="holds no log"):
        find_sources(tmp_path)


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_file_makes_nobody_wait(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "log.csv"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    assert import_anyhow(path, tmp_path / "runs") == []


# --- databases ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schema",
    [
        "CREATE TABLE people (name TEXT)",
        "CREATE VIEW metrics AS SELECT 1 AS run_name, 1 AS step, '{}' AS metrics, 1 AS timestamp",
        "CREATE TABLE metrics (run_name TEXT, step TEXT, metrics BLOB, timestamp REAL)",
        "CREATE TABLE metrics (key TEXT, value TEXT, timestamp TEXT, run_uuid TEXT, step TEXT)",
        "CREATE TABLE runs (run_uuid TEXT);"
        "CREATE VIRTUAL TABLE metrics USING fts5(key, value, timestamp, run_uuid, step);"
        "INSERT INTO runs VALUES ('a'); INSERT INTO metrics VALUES ('loss', 1, 1, 'a', 1)",
    ],
)
def test_a_schema_of_somebody_else(tmp_path: Path, schema: str) -> None:
    path = tmp_path / "x.db"
    connection = sqlite3.connect(path)
    connection.executescript(schema)
    connection.commit()
    connection.close()
    assert import_anyhow(path, tmp_path / "runs") == []


def test_a_view_that_never_ends_is_not_asked(tmp_path: Path) -> None:
    path = write_mlflow(tmp_path / "mlflow.db", {"r": course(5)})
    connection = sqlite3.connect(path)
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT"
    connection.execute("DROP TABLE params")
    connection.execute(f"CREATE VIEW params AS {endless} x AS key, x AS value, '0' AS run_uuid FROM n")
    connection.execute("DROP TABLE experiments")
    connection.execute(f"CREATE VIEW experiments AS {endless} x AS experiment_id, 'x' AS name FROM n")
    connection.commit()
    connection.close()
    (run,) = import_anyhow(path, tmp_path / "runs")
    check_whole(run)


def test_values_of_the_wrong_kind(tmp_path: Path) -> None:
    path = write_mlflow(tmp_path / "mlflow.db", {"r": course(10)})
    connection = sqlite3.connect(path)
    connection.execute("UPDATE metrics SET value = 'many' WHERE step = 3")
    connection.execute("UPDATE metrics SET timestamp = 'soon' WHERE step = 4")
    connection.execute("UPDATE metrics SET step = 'next' WHERE step = 5")
    connection.execute("UPDATE metrics SET key = X'ff00' WHERE step = 6 AND key = 'lr'")
    connection.execute("UPDATE runs SET start_time = 'x', end_time = 1e300, name = X'fe'")
    connection.commit()
    connection.close()
    (run,) = import_anyhow(path, tmp_path / "runs")
    check_whole(run)


def test_a_database_that_is_held_says_so_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "WAIT_S", 0.1)
    path = write_trackio(tmp_path / "demo.db", {"r": course(5)})
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(UserError, match="locked"):
            find_sources(path)
    finally:
        holder.close()


def test_a_database_in_a_folder_where_nothing_can_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "readonly"
    folder.mkdir()
    path = write_trackio(folder / "demo.db", {"r": course(5)})
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    before = sorted(folder.iterdir())
    folder.chmod(0o500)
    try:
        (run,) = import_anyhow(path, tmp_path / "runs")
    finally:
        folder.chmod(0o700)
    check_whole(run)
    assert sorted(folder.iterdir()) == before


def test_a_database_while_it_is_written_to(tmp_path: Path) -> None:
    path = write_trackio(tmp_path / "demo.db", {"r": course(5)})
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode = WAL")
    told = ("rr", "2026-01-02T10:00:09+00:00", "r", 5, '{"train/loss": 0.5}')
    writer.execute("INSERT INTO metrics (run_id, timestamp, run_name, step, metrics) VALUES (?, ?, ?, ?, ?)", told)
    writer.commit()
    (source,) = find_sources(path)
    assert source.read().table.num_rows == 6
    for ending in ("", "-wal"):
        shutil.copy(f"{path}{ending}", tmp_path / f"copied.db{ending}")
    writer.close()
    (source,) = find_sources(tmp_path / "copied.db")
    assert source.read().table.num_rows == 6
    assert sorted(one.name for one in tmp_path.iterdir()) == ["copied.db", "copied.db-wal", "demo.db"]


# --- event files ----------------------------------------------------------------------------------------------


def test_event_records_that_lie_about_their_length(tmp_path: Path) -> None:
    path = write_events(tmp_path / "events.out.tfevents.1.host", course(5))
    whole = path.read_bytes()
    head = framed(b"x" * 10)[:12]
    for tail in (b"\0" * 64, head, head + b"xx", framed(b"\xff" * 10)[:12] + b"\xff" * 14):
        path.write_bytes(whole + tail)
        runs = import_anyhow(path, tmp_path / "runs")
        assert len(runs) == (0 if tail[:12] == framed(b"\xff" * 10)[:12] and len(tail) > 20 else 1)


def test_a_folder_where_nobody_may_write(tmp_path: Path) -> None:
    runs_dir = tmp_path / "file"
    runs_dir.write_text("")
    path = write_csv(tmp_path / "log.csv", course(5))
    with pytest.raises(UserError):
        Shelf(runs_dir).keep(find_sources(path)[0])


def test_metric_files_of_mlflow_that_are_none(tmp_path: Path) -> None:
    run = write_mlruns(tmp_path, course(5))
    (run / "metrics" / "noise").write_bytes(bytes(range(256)))
    (run / "metrics" / "words").write_text("one two three\n1 2\n" + "9" * 400 + " 1 1\n")
    (run / "meta.yaml").write_bytes(b"\xff\xfe: [")
    assert import_anyhow(run, tmp_path / "runs")


def test_two_that_import_the_same_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "log.csv", course(50))
    threads = [threading.Thread(target=import_anyhow, args=(path, tmp_path / "runs")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runs = list_runs(tmp_path / "runs")
    assert len(runs) == 4
    for info in runs:
        check_whole(info.paths)
