"""A foreign training that grows while somebody looks at it: rows appear, and nothing is left behind."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from foreign_files import course, write_csv, write_events, write_trackio

from trainctl.engine.importing import following
from trainctl.engine.importing.following import Followed, newest_first
from trainctl.engine.importing.found import find_sources
from trainctl.engine.importing.passing import Passing, foreign_path
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.index import create_run
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.reader import RunReader
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Liveness
from trainctl.tui.processes.foreign import followed


@pytest.fixture(autouse=True)
def without_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK_S", 0.0)
    monkeypatch.setattr(following, "PATIENCE", 0.0)


def follow(path: Path, folder: Path) -> Followed:
    folder.mkdir(exist_ok=True)
    return Followed(find_sources(path)[0], folder, (), "")


def polled(reader: RunReader) -> RunReader:
    reader.poll()
    assert not reader.problems
    return reader


def test_rows_that_are_added_are_appended(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "log.csv", course(40))
    one = follow(path, tmp_path / "runs")
    reader = polled(RunReader(one.run))
    assert (len(reader.steps.read_new()), reader.state, reader.liveness()[0]) == (40, RunState.RUNNING, Liveness.LIVE)
    with path.open("a") as file:
        file.write("40,0.36,1e-4,1.3,,\n41,0.35,")  # the second is still being written
    one.look()
    assert reader.steps.read_new()["step"].tolist() == [40, 41]
    with path.open("a") as file:
        file.write("1e-4,1.3,0.5,0.7\n42,0.34,1e-4,1.3,,\n")
    one.look()
    fresh = reader.steps.read_new()
    assert fresh["step"].tolist()[-1] == 42
    told = [event.step for event in polled(reader).current_events() if event.kind is EventKind.VALIDATION]
    assert told == [9, 19, 29, 39, 41]
    assert reader.status is not None
    assert reader.status.step == 42


def test_a_log_that_begins_anew_replaces_the_records(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "log.csv", course(40))
    one = follow(path, tmp_path / "runs")
    reader = polled(RunReader(one.run))
    reader.steps.read_new()
    write_csv(path, [{**row, "train/loss": 9.0} for row in course(15)])
    one.look()
    fresh = reader.steps.read_new()
    assert (reader.steps.generation, len(fresh), fresh["loss"][0]) == (1, 15, 9.0)
    assert len([e for e in polled(reader).events if e.kind is EventKind.VALIDATION]) == 1


def test_a_name_that_comes_later_begins_the_records_anew(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(f'{{"step": {k}, "loss": 1.0}}\n' for k in range(10)))
    one = follow(path, tmp_path / "runs")
    path.write_text("".join(f'{{"step": {k}, "loss": 1.0, "lr": 0.1}}\n' for k in range(20)))
    one.look()
    reader = polled(RunReader(one.run))
    assert reader.steps.all()["lr"][:, 0].tolist() == [0.1] * 20


def test_one_that_nobody_writes_to_is_over_until_somebody_does(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "log.csv", course(40))
    os.utime(path, (1e9, 1e9))
    one = follow(path, tmp_path / "runs")
    reader = polled(RunReader(one.run))
    assert (reader.state, reader.liveness()[0]) == (RunState.FINISHED, Liveness.OVER)
    with path.open("a") as file:
        file.write("40,0.36,1e-4,1.3,,\n")
    one.look()
    polled(reader)
    assert (reader.state, reader.summary, reader.liveness()[0]) == (RunState.RUNNING, None, Liveness.LIVE)
    assert [event for event in reader.current_events() if event.kind is EventKind.END] == []


def test_one_that_is_written_to_no_more_is_summed_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = follow(write_csv(tmp_path / "log.csv", course(40)), tmp_path / "runs")
    monkeypatch.setattr(following, "FRESH_S", -1.0)
    one.look()
    reader = polled(RunReader(one.run))
    assert (reader.state, reader.liveness()[0]) == (RunState.FINISHED, Liveness.OVER)
    assert reader.summary is not None
    assert reader.summary.best is not None


def test_a_source_that_is_gone_or_nonsense_for_a_while_keeps_what_is_known(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "log.csv", course(40))
    one = follow(path, tmp_path / "runs")
    for content in (b"", b"\0\0\0", b"nothing"):
        path.write_bytes(content)
        one.look()
    path.unlink()
    one.look()
    assert len(RunReader(one.run).steps.all()) == 40


@pytest.mark.parametrize("kind", ["events", "trackio"])
def test_other_sources_grow_too(tmp_path: Path, kind: str) -> None:
    def write(steps: int) -> Path:
        if kind == "events":
            return write_events(tmp_path / "tb" / "events.out.tfevents.1.host", course(100)[:steps]).parent
        (tmp_path / "demo.db").unlink(missing_ok=True)
        return write_trackio(tmp_path / "demo.db", {"r": course(100)[:steps]})

    one = follow(write(20), tmp_path / "runs")
    reader = RunReader(one.run)
    assert len(reader.steps.read_new()) == 20
    write(30)
    one.look()
    assert reader.steps.read_new()["step"].tolist() == list(range(20, 30))


def test_the_training_that_was_written_to_last_comes_first(tmp_path: Path) -> None:
    for k, name in enumerate(("a", "b", "c")):
        path = write_events(tmp_path / name / "events.out.tfevents.1.host", course(5))
        os.utime(path, (1e9 + (k == 1), 1e9 + (k == 1)))
    assert [source.name for source in newest_first(find_sources(tmp_path))] == ["b", "a", "c"]


# --- the process ----------------------------------------------------------------------------------------------


def wait_until(holds: Callable[[], bool], limit_s: float = 60.0) -> None:
    end = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.02)


def test_a_process_follows_and_removes_what_it_made(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "log.csv", course(40))
    with followed(path, "", os.environ) as there:
        reader = RunReader(there.run)
        assert len(reader.steps.read_new()) == 40
        with path.open("a") as file:
            file.write("40,0.36,1e-4,1.3,,\n")
        wait_until(lambda: len(reader.steps.read_new()) == 1)
        assert there.runs_dir.is_dir()
    assert not there.runs_dir.exists()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["log.csv"]


def test_a_process_whose_starter_is_gone_leaves(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "log.csv", course(40))
    context = followed(path, "", os.environ)
    there = context.__enter__()
    frame = context.gen.gi_frame  # pyright: ignore[reportAttributeAccessIssue]
    frame.f_locals["process"].stdin.close()  # as when whoever holds it is killed
    wait_until(lambda: not there.runs_dir.exists())
    context.__exit__(None, None, None)


@pytest.mark.parametrize("content", ["nothing of use\n", ""])
def test_what_cannot_be_read_is_said_before_anything_is_drawn(tmp_path: Path, content: str) -> None:
    from trainctl.engine.errors import UserError

    path = tmp_path / "log.txt"
    path.write_text(content)
    with pytest.raises(UserError, match=r"log\.txt"), followed(path, "", os.environ):
        pass


# --- names ----------------------------------------------------------------------------------------------------


def test_which_words_mean_a_run_and_which_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs_dir = tmp_path / "runs"
    run = create_run(runs_dir, "eyes/balanced")
    path = write_csv(tmp_path / "log.csv", course(5))
    (tmp_path / "balanced").mkdir()
    (tmp_path / "logs").mkdir()
    for word in ("latest", "last", "", "balanced", "nowhere", str(run.root), "nowhere/at/all"):
        assert foreign_path(word, runs_dir) is None, word
    assert foreign_path("log.csv", runs_dir) == Path("log.csv")
    assert foreign_path(str(path), runs_dir) == path
    assert foreign_path("logs", runs_dir) == Path("logs")
    assert foreign_path("./balanced", runs_dir) == Path("balanced")


def test_runs_in_passing_are_removed(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "log.csv", course(20))
    with Passing(tmp_path / "runs") as passing:
        (run,) = passing.runs_of(str(path))
        assert isinstance(run, RunPaths)
        assert len(RunReader(run).steps.all()) == 20
        assert passing.runs_of("nothing") == ()
    assert not run.root.parent.exists()
    assert not (tmp_path / "runs").exists()
