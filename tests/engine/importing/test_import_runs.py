"""A log of another tool as a run directory: what is recorded, what is told, and that it is judged as the log it was."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from foreign_files import course, write_csv
from log_files import as_csv, as_json_lines, classifier_steps

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.logs.evidence import read_log_evidence
from trainctl.engine.diagnosis.records.evidence import read_evidence
from trainctl.engine.errors import UserError
from trainctl.engine.importing.found import find_sources
from trainctl.engine.importing.keeping import Imported, Shelf
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.index import list_runs
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.meta import read_meta
from trainctl.engine.runs.reader import RunReader
from trainctl.engine.runs.series import series_names
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Liveness
from trainctl.engine.runs.summary import Best, read_summary


def imported(path: Path, runs_dir: Path, columns: str = "", name: str = "", *, force: bool = False) -> Imported:
    (source,) = find_sources(path)
    return Shelf(runs_dir).keep(source, columns, name, force=force)


def reader_of(run: RunPaths) -> RunReader:
    reader = RunReader(run)
    reader.poll()
    assert not reader.problems
    return reader


def events(reader: RunReader, kind: EventKind) -> list[tuple[int, dict[str, object]]]:
    return [(event.step, event.data) for event in reader.events if event.kind is kind]


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def test_each_row_with_a_training_loss_is_a_record(tmp_path: Path, runs_dir: Path) -> None:
    run = imported(write_csv(tmp_path / "log.csv", course(60)), runs_dir).run
    reader = reader_of(run)
    records, layout = reader.steps.all(), reader.steps.layout
    assert layout is not None
    assert records["step"].tolist() == list(range(60))
    assert records["loss"] == pytest.approx([math.exp(-k / 30) + 0.1 for k in range(60)], rel=1e-6)
    assert records["lr"][:, 0] == pytest.approx([1e-3 * (1 - k / 60) for k in range(60)])
    assert records["grad_norm"][0] == 2
    assert set(series_names(records.dtype, layout)) == {"loss", "grad_norm", "lr"}


def test_validations_are_events_with_the_best_among_them(tmp_path: Path, runs_dir: Path) -> None:
    run = imported(write_csv(tmp_path / "log.csv", course(60)), runs_dir).run
    told = events(reader_of(run), EventKind.VALIDATION)
    assert [step for step, _ in told] == [9, 19, 29, 39, 49, 59]
    assert told[-1][1]["raw"] == pytest.approx({"loss": math.exp(-59 / 30) + 0.2, "acc": 1 - math.exp(-59 / 30)})
    assert (told[-1][1]["monitor"], told[-1][1]["monitor_mode"], told[-1][1]["best"]) == ("loss", "min", True)
    summary = read_summary(run)
    assert summary is not None
    assert summary.best == Best("loss", math.exp(-59 / 30) + 0.2, 0)
    assert set(summary.metrics) == {"loss", "acc"}


def test_it_stands_in_the_list_of_runs_as_finished(tmp_path: Path, runs_dir: Path) -> None:
    run = imported(write_csv(tmp_path / "my log.csv", course(60)), runs_dir).run
    (info,) = list_runs(runs_dir)
    assert (info.state, info.liveness, info.step, info.problem) == (RunState.FINISHED, Liveness.OVER, 59, "")
    assert "-csv-my-log-" in run.root.name
    assert run.root.stat().st_mode & 0o777 == 0o700
    assert not (runs_dir / "latest").exists()
    assert [path.name for path in runs_dir.iterdir()] == [run.root.name]


def test_meta_says_where_it_comes_from(tmp_path: Path, runs_dir: Path) -> None:
    path = write_csv(tmp_path / "log.csv", course(20))
    meta = read_meta(imported(path, runs_dir).run)
    assert meta is not None
    origin = meta["imported_from"]
    assert (origin["path"], origin["tool"], origin["name"]) == (str(path), "csv", "log")
    assert origin["size"] == path.stat().st_size
    assert len(origin["fingerprint"]) == 64


def test_epochs_have_means_and_validations_of_their_own(tmp_path: Path, runs_dir: Path) -> None:
    rows = [{"epoch": e, "loss": 1 / (1 + e), "accuracy": e / 10, "val_loss": 2 / (1 + e)} for e in range(8)]
    reader = reader_of(imported(write_csv(tmp_path / "log.csv", rows), runs_dir).run)
    records = reader.steps.all()
    assert (records["step"].tolist(), records["epoch"].tolist()) == (list(range(1, 9)), list(range(1, 9)))
    told = events(reader, EventKind.EPOCH)
    assert told[2] == (3, {"epoch": 3, "train": {"loss": pytest.approx(1 / 3)}})
    assert events(reader, EventKind.VALIDATION)[0][1]["raw"] == {"loss": 2.0, "accuracy": 0.0}


def test_terms_that_add_up_have_their_weights(tmp_path: Path, runs_dir: Path) -> None:
    noise = np.random.default_rng(0).random((50, 2))
    rows = [{"step": k, "loss": a + 0.1 * b, "ce_loss": a, "kl_loss": b} for k, (a, b) in enumerate(noise)]
    reader = reader_of(imported(write_csv(tmp_path / "log.csv", rows), runs_dir).run)
    records = reader.steps.all()
    assert reader.steps.layout is not None
    assert reader.steps.layout.terms == ("ce", "kl")
    assert (records["weight.ce"][0], records["weight.kl"][0]) == pytest.approx((1, 0.1), rel=1e-4)


def test_terms_without_a_total_have_no_sum_that_nobody_minimised(tmp_path: Path, runs_dir: Path) -> None:
    rows = [{"epoch": k + 1, "train/box_loss": 2 - k / 10, "train/cls_loss": 1.0} for k in range(10)]
    reader = reader_of(imported(write_csv(tmp_path / "log.csv", rows), runs_dir).run)
    records, layout = reader.steps.all(), reader.steps.layout
    assert layout is not None
    assert "loss" not in series_names(records.dtype, layout)
    assert {"raw.box", "raw.cls"} <= set(series_names(records.dtype, layout))
    assert "weighted.box" not in series_names(records.dtype, layout)


def test_a_number_beyond_single_precision_stays_finite_and_what_is_not_stays_so(tmp_path: Path, runs_dir: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("step,train_loss,size\n1,nan,1e300\n2,inf,5\n3,1e39,-1e300\n")
    records = reader_of(imported(path, runs_dir).run).steps.all()
    assert np.isnan(records["loss"][0])
    assert records["loss"][1] == np.inf
    assert np.isfinite(records["loss"][2])
    assert np.isfinite(records["scalar.size"]).all()


def test_columns_say_what_a_name_is(tmp_path: Path, runs_dir: Path) -> None:
    rows = [{"n": k, "a": 1 / (k + 1), "b": 2 / (k + 1)} for k in range(20)]
    path = write_csv(tmp_path / "log.csv", rows)
    run = imported(path, runs_dir, "train=a,val=b,step=n").run
    reader = reader_of(run)
    assert reader.steps.all()["loss"][1] == 0.5
    assert len(events(reader, EventKind.VALIDATION)) == 20
    log = read_evidence(run).log
    assert log is not None
    assert {series.name: str(series.meaning.kind) for series in log.series} == {"a": "total loss", "b": "total loss"}


def test_the_same_is_imported_once(tmp_path: Path, runs_dir: Path) -> None:
    path = write_csv(tmp_path / "log.csv", course(20))
    first = imported(path, runs_dir)
    again = imported(path, runs_dir)
    moved = imported(path.rename(tmp_path / "log.csv.old").rename(tmp_path / "log.csv"), runs_dir)
    assert (again.is_new, again.run.root) == (False, first.run.root)
    assert (moved.is_new, moved.run.root) == (False, first.run.root)
    assert imported(path, runs_dir, force=True).run.root != first.run.root
    assert imported(path, runs_dir, name="other").is_new
    assert imported(path, runs_dir, "ignore=lr").is_new


def test_a_log_that_has_grown_is_imported_anew_and_the_older_run_is_named(tmp_path: Path, runs_dir: Path) -> None:
    first = imported(write_csv(tmp_path / "log.csv", course(20)), runs_dir)
    second = imported(write_csv(tmp_path / "log.csv", course(30)), runs_dir)
    assert (second.is_new, second.older) == (True, first.run.root.name)


def test_what_is_no_training_leaves_nothing_behind(tmp_path: Path, runs_dir: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("dear diary\nnothing was trained today\n")
    with pytest.raises(UserError, match="no figures"):
        imported(path, runs_dir)
    assert not runs_dir.exists()


def test_a_disk_that_refuses_leaves_no_half_a_run(
    tmp_path: Path, runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise UserError("disk full")

    monkeypatch.setattr("trainctl.engine.importing.writing.write_summary", refuse)
    with pytest.raises(UserError, match="disk full"):
        imported(write_csv(tmp_path / "log.csv", course(20)), runs_dir)
    assert list(runs_dir.iterdir()) == []


def test_a_healthy_log_is_as_healthy_as_a_run(tmp_path: Path, runs_dir: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(as_json_lines(classifier_steps()))
    summary = read_summary(imported(path, runs_dir).run)
    assert summary is not None
    assert (summary.verdict, summary.findings) == ("nothing wrong in what was looked at", [])


@pytest.mark.parametrize(
    "rows",
    [
        [{"step": k, "train_loss": 0.693 + 1e-4 * math.sin(k), "lr": 1e-3} for k in range(300)],
        [{"epoch": k, "loss": 1 / (k + 1), "val_loss": 0.5 + abs(k - 6) / 10} for k in range(40)],
        [{"step": k, "train_loss": math.nan if k > 70 else 2 ** (k / 10), "lr": 0.1} for k in range(90)],
        [{"epoch": k, "loss": round(math.exp(-k / 20), 4), "acc": 0.0} for k in range(40)],
        [{"step": 10 * k, "loss": 1 / (k + 1), "grad_norm": math.nan, "learning_rate": 0.0} for k in range(80)],
    ],
    ids=["stands still", "overfits", "diverges", "metric at nought", "no rate"],
)
def test_a_run_is_judged_as_the_log_it_was_made_of(
    tmp_path: Path, runs_dir: Path, rows: list[dict[str, float]]
) -> None:
    path = tmp_path / "log.csv"
    path.write_text(as_csv(rows))
    of_log = diagnose(read_log_evidence(str(path)))
    run = imported(path, runs_dir).run
    of_run = diagnose(read_evidence(run))
    assert [finding.code for finding in of_log.findings] == [finding.code for finding in of_run.findings]
    assert of_log.findings
    summary = read_summary(run)
    assert summary is not None
    told = {finding["code"] for finding in summary.findings}
    assert {finding.code for finding in of_run.findings if str(finding.confidence) != "hint"} == told
