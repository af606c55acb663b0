"""meta.json, summary.json and the lock."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from sample_runs import new_run

from trainctl.engine.errors import UserError
from trainctl.engine.runs.atomic import write_json_atomic
from trainctl.engine.runs.lock import RunLock
from trainctl.engine.runs.meta import collect_meta, git_state, read_meta, write_meta
from trainctl.engine.runs.states import SCHEMA, RunState
from trainctl.engine.runs.summary import Best, Summary, read_summary, write_summary


def test_the_origin_is_read_back(tmp_path: Path):
    paths = new_run(tmp_path)
    meta = collect_meta(["trainctl", "run"], 42, {"device": "cpu", "num_parameters": 10})
    write_meta(paths, meta)
    assert read_meta(paths) == meta
    assert meta["schema"] == SCHEMA
    assert meta["argv"] == ["trainctl", "run"]
    assert meta["device"] == "cpu"
    assert {"torch", "numpy", "trainctl-cockpit"} <= set(meta["versions"])


def test_collecting_the_origin_imports_no_torch():
    code = (
        "import sys; from trainctl.engine.runs.meta import collect_meta; collect_meta([], 1);"
        "import trainctl.engine.runs.reader, trainctl.engine.runs.index, trainctl.engine.runs.export.export;"
        "print([m for m in ('torch', 'pyarrow', 'tensorboard', 'rich', 'textual') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_home_folder_is_not_recorded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    meta = collect_meta(["--data=/home/somebody/eyes"], 1, cwd=Path("/home/somebody/project"))
    assert "somebody" not in json.dumps(meta)
    assert meta["argv"] == ["--data=~/eyes"]


def test_the_revision_says_whether_tracked_files_changed(tmp_path: Path):
    assert git_state(tmp_path) is None
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    (tmp_path / "file").write_text("1")
    for words in (["init", "-q"], ["add", "file"], [*identity, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    clean = git_state(tmp_path)
    assert clean is not None
    assert (len(clean["revision"]), clean["dirty"]) == (40, False)
    (tmp_path / "file").write_text("2")
    assert git_state(tmp_path) == {"revision": clean["revision"], "dirty": True}


def test_the_summary_is_read_back(tmp_path: Path):
    paths = new_run(tmp_path)
    assert read_summary(paths) is None
    summary = Summary(
        state=RunState.FINISHED,
        steps=300,
        epochs=3,
        seconds=61.5,
        samples_per_s=320.0,
        metrics={"f1": 0.9},
        best=Best("f1", 0.92, 2),
        findings=[{"code": "X1", "severity": "warning"}],
        checkpoint="best_model.pth",
        exit_reason="all epochs done",
    )
    write_summary(paths, summary)
    assert read_summary(paths) == summary


def test_a_run_that_never_validated_has_no_best_and_nan_metrics_are_null(tmp_path: Path):
    paths = new_run(tmp_path)
    write_summary(paths, Summary(RunState.FAILED, 1, 0, 0.1, math.nan, metrics={"f1": math.nan}))
    assert json.loads(paths.summary.read_text())["metrics"] == {"f1": None}
    summary = read_summary(paths)
    assert summary is not None
    assert summary.best is None
    assert math.isnan(summary.metrics["f1"])


def test_a_newer_or_damaged_summary_is_refused(tmp_path: Path):
    paths = new_run(tmp_path)
    write_json_atomic(paths.summary, {"schema": SCHEMA + 1})
    with pytest.raises(UserError, match="newer"):
        read_summary(paths)
    write_json_atomic(paths.summary, {"schema": SCHEMA, "state": "finished"})
    with pytest.raises(UserError, match="cannot read"):
        read_summary(paths)


def test_a_run_has_one_writer(tmp_path: Path):
    paths = new_run(tmp_path)
    code = (
        "import sys; from pathlib import Path; from trainctl.engine.runs.layout import RunPaths;"
        "from trainctl.engine.runs.lock import RunLock; lock = RunLock(RunPaths(Path(sys.argv[1])));"
        "print('held', flush=True); input()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(paths.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(UserError, match=f"being written by process {other.pid}"):
        RunLock(paths)
    other.kill()
    other.communicate()
    with RunLock(paths), pytest.raises(UserError, match="being written"):
        RunLock(paths)
    RunLock(paths).release()
