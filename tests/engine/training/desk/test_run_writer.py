"""A run directory written without a task, and a training that writes none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from toy import ToyTask, reader_of, resolved, run_toy

from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.store import StepReader
from trainctl.engine.runs.summary import Summary, read_summary
from trainctl.engine.training.desk.control import Signals
from trainctl.engine.training.desk.desk import silent_desk
from trainctl.engine.training.desk.run_writer import Ending, RunWriter
from trainctl.engine.training.loop.trainer import Trainer
from trainctl.engine.training.setup import assemble_run

TRAIN = {"epochs": 4, "batch_size": 16}


def test_a_run_is_written_without_a_task(tmp_path: Path) -> None:
    writer = RunWriter(RunPaths(tmp_path))
    about = {"preset": "", "task": "mine", "classes": []}
    writer.begin("seed: 3\n", 0, about)
    writer.meta(["train.py"], 3, about)
    layout = RecordLayout(terms=("loss",))
    sink = writer.records(layout, None)
    records = np.zeros(5, layout.dtype)
    records["step"], records["term.loss"] = np.arange(1, 6), 0.5
    sink.append(records)
    sink.close()
    writer.notes(EventKind.NOTE, 5, ["all is well"])
    ending = Ending(RunState.FINISHED, "done", ExitCode.OK)
    assert writer.end(ending, 5, Summary(RunState.FINISHED, 5, 1, 1.0, 5.0)) == []

    reader = reader_of(tmp_path)
    assert [event.kind for event in reader.events] == [EventKind.START, EventKind.NOTE, EventKind.END]
    assert reader.steps.all()["step"].tolist() == [1, 2, 3, 4, 5]
    assert json.loads((tmp_path / "meta.json").read_text())["task"] == "mine"
    summary = read_summary(RunPaths(tmp_path))
    assert summary is not None and summary.state is RunState.FINISHED


def test_a_silent_desk_trains_the_same_network_and_leaves_nothing(tmp_path: Path) -> None:
    config = resolved(train=TRAIN)
    silent, heard = tmp_path / "silent", tmp_path / "heard"
    silent.mkdir()
    assembly = assemble_run(config.config, ToyTask, None)
    with Signals() as signals:
        desk = silent_desk(RunPaths(silent), signals)
        desk.scribe.start()
        a = assembly
        trainer = Trainer(a.task, a.splits, a.state, config.config, a.precision, a.device, desk)
        ending = trainer.run()
        desk.scribe.close()
        trainer.close()
    assert ending.state is RunState.FINISHED
    assert list(silent.iterdir()) == []
    run_toy(heard, config)
    summary = read_summary(RunPaths(heard))
    assert summary is not None and assembly.state.last_metrics["raw"] == summary.metrics


def without(root: Path, *names: str) -> None:
    """Make the records of a run what a version wrote that had not these columns yet."""
    paths = RunPaths(root)
    records = StepReader(paths).all()
    assert records.dtype.names is not None
    kept = np.dtype([(name, records.dtype[name]) for name in records.dtype.names if name not in names])
    older = np.zeros(len(records), kept)
    for name in kept.names or ():
        older[name] = records[name]
    paths.steps.write_bytes(older.tobytes())
    described = json.loads(paths.steps_layout.read_text())
    described["fields"] = [field for field in described["fields"] if field[0] not in names]
    described["itemsize"] = kept.itemsize
    paths.steps_layout.write_text(json.dumps(described))


def test_an_unfinished_run_of_a_version_with_fewer_columns_is_resumed(tmp_path: Path) -> None:
    older, same = tmp_path / "older", tmp_path / "same"
    config = resolved(train=TRAIN)
    run_toy(older, config, signal_at=7)
    shutil.copytree(older, same)
    without(older, "update_ratio", "clip")
    for root in (older, same):
        run_toy(root, config, resume=True)

    ours, theirs = (StepReader(RunPaths(root)).all() for root in (older, same))
    assert ours.dtype.names == tuple(name for name in theirs.dtype.names or () if name not in ("update_ratio", "clip"))
    np.testing.assert_array_equal(ours["loss"], theirs["loss"])
    np.testing.assert_array_equal(ours["lr"], theirs["lr"])
    notes = [event.data["text"] for event in reader_of(older).events if event.kind is EventKind.NOTE]
    assert "records go on as the version that began the run wrote them, without clip, update_ratio" in notes


def test_a_resume_under_another_configuration_still_blames_the_configuration(tmp_path: Path) -> None:
    from trainctl.engine.errors import UserError

    writer = RunWriter(RunPaths(tmp_path))
    writer.records(RecordLayout(terms=("ce",)), None).close()
    with pytest.raises(UserError, match="recorded with another terms, lr_groups"):
        writer.records(RecordLayout(terms=("bce",), lr_groups=2), 0)
