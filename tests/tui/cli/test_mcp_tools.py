"""What the tools of `trainctl mcp` answer, how much of it, and where they do not look. Needs no SDK."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from foreign_files import course, write_csv, write_events
from sample_run_directories import NAME, SampleRun, records

from trainctl.engine.errors import UserError
from trainctl.engine.runs.commands import CommandReader
from trainctl.engine.runs.events import EventKind
from trainctl.engine.tasks.configured import resolve
from trainctl.tui.cli.commands import send as send_module
from trainctl.tui.cli.mcp import series as series_module
from trainctl.tui.cli.mcp.bounds import MOST_CHARS, Answer
from trainctl.tui.cli.mcp.control import send_command
from trainctl.tui.cli.mcp.grounds import Grounds
from trainctl.tui.cli.mcp.judging import diagnose_log, diagnose_run, explain_rule
from trainctl.tui.cli.mcp.presets import list_presets, show_preset
from trainctl.tui.cli.mcp.runs import compare_runs, list_runs, run_console, run_events, run_summary
from trainctl.tui.cli.mcp.series import run_series

OTHER = "20260102-120000-eyes-aggressive-00bb"


@pytest.fixture
def grounds(tmp_path: Path) -> Grounds:
    """A folder of runs, and one of logs beside it."""
    (tmp_path / "logs").mkdir()
    return Grounds(tmp_path / "runs", tmp_path / "logs")


def told(answer: Answer) -> dict[str, Any]:
    """What arrives."""
    return json.loads(answer.text())


def test_runs_are_listed_and_it_is_said_how_many_are_not(grounds: Grounds) -> None:
    for day in range(1, 5):
        SampleRun(grounds.runs_dir, f"2026010{day}-120000-eyes-00aa", steps=0)
    found = told(list_runs(grounds, limit=3))
    assert [run["name"][:8] for run in found["runs"]] == ["20260104", "20260103", "20260102"]
    assert found["left_out"] == ["1 older runs; raise limit"]
    assert told(list_runs(grounds))["left_out"] == []


def test_a_run_in_short(grounds: Grounds) -> None:
    run = SampleRun(grounds.runs_dir)
    run.validate(0.5)
    for k in range(8):
        run.events.append(EventKind.WARNING, run.step, text=f"warning {k}")
    found = told(run_summary(grounds, limit=3))
    assert (found["state"], found["liveness"], found["step"], found["eta_s"]) == ("running", "live", 20, 280)
    assert found["last_validation"]["data"]["raw"] == {"f1": 0.5}
    assert found["warnings"] == ["warning 5", "warning 6", "warning 7"]
    assert found["left_out"] == ["5 older warnings; raise limit"]
    run.end()
    assert told(run_summary(grounds))["best"] == {"metric": "f1", "value": 0.75, "epoch": 1}


def test_the_newest_events_come_in_order_and_by_kind(grounds: Grounds) -> None:
    run = SampleRun(grounds.runs_dir, steps=0)
    for _ in range(30):
        run.go(1)
        run.validate(0.5)
    run.end()
    found = told(run_events(grounds, limit=3))
    assert [(event["kind"], event["step"]) for event in found["events"]] == [
        ("validation", 29),
        ("validation", 30),
        ("end", 30),
    ]
    assert found["left_out"] == ["28 older events; raise limit"]
    assert [event["kind"] for event in told(run_events(grounds, kinds=[EventKind.END]))["events"]] == ["end"]
    assert [event["step"] for event in told(run_events(grounds, before_step=3))["events"]] == [1, 2]


def test_the_newest_lines_that_were_printed(grounds: Grounds) -> None:
    run = SampleRun(grounds.runs_dir)
    assert told(run_console(grounds))["lines"] == []
    run.paths.console.write_text("".join(f"line {k}\n" for k in range(50)) + "RuntimeError: out of memory\n")
    found = told(run_console(grounds, limit=2))
    assert found["lines"] == ["line 49", "RuntimeError: out of memory"]
    assert found["left_out"] == ["49 older lines; raise limit"]


def test_a_short_curve_is_exact_and_a_long_one_keeps_its_spikes(grounds: Grounds) -> None:
    run = SampleRun(grounds.runs_dir, steps=0)
    steps = records(1, 1000)
    steps["loss"] = 1.0
    steps["loss"][[400, 401]] = 50.0, np.nan
    run.writer.append(steps)
    exact = told(run_series(grounds, names=["loss"], first_step=400, last_step=404))["series"]["loss"]
    assert exact == {"steps": [400, 401, 402, 403, 404], "values": [1.0, 50.0, None, 1.0, 1.0]}
    found = told(run_series(grounds, names=["loss"], points=10))
    assert found["series"]["loss"]["steps"] == list(range(100, 1001, 100))
    assert found["series"]["loss"]["max"] == [1.0] * 4 + [50.0] + [1.0] * 5
    assert found["series"]["loss"]["mean"][4] == pytest.approx((98 + 50) / 99, rel=1e-5)
    assert found["series"]["loss"]["nonfinite"] == [0] * 4 + [1] + [0] * 5
    assert found["left_out"] == ["loss: 1,000 values in 10 stretches; narrow the steps for more detail"]


def test_a_very_long_curve_is_that_of_its_records(grounds: Grounds, monkeypatch: pytest.MonkeyPatch) -> None:
    run = SampleRun(grounds.runs_dir, steps=0)
    rng = np.random.default_rng(1)
    steps = records(1, 5000)
    steps["loss"] = rng.normal(size=5000)
    run.writer.append(steps)
    between: dict[str, Any] = {"names": ["loss"], "points": 4, "first_step": 101, "last_step": 4900}
    exact = told(run_series(grounds, **between))["series"]["loss"]
    monkeypatch.setattr(series_module, "MOST_RECORDS", 1000)
    short = told(run_series(grounds, **between))
    assert short["left_out"] == ["loss: 4,800 values in 4 stretches; narrow the steps for more detail"]
    found = short["series"]["loss"]
    assert found["steps"][-1] == exact["steps"][-1] == 4900
    assert (min(found["min"]), max(found["max"])) == (min(exact["min"]), max(exact["max"]))
    widths = np.diff([100, *found["steps"]])
    window = steps["loss"][100:4900].astype(float)
    assert np.average(found["mean"], weights=widths) == pytest.approx(window.mean(), abs=1e-4)
    for k, (a, b) in enumerate(zip([100, *found["steps"]], found["steps"], strict=False)):
        assert found["mean"][k] == pytest.approx(steps["loss"][a:b].astype(float).mean(), abs=1e-4)


def test_validation_metrics_are_curves_and_unknown_names_have_near_ones(grounds: Grounds) -> None:
    run = SampleRun(grounds.runs_dir)
    run.validate(0.5)
    run.go(10)
    run.validate(0.6)
    names = told(run_series(grounds))["names"]
    assert {"loss", "lr", "grad_norm", "raw.bce", "validation.f1"} <= set(names)
    found = told(run_series(grounds, names=["validation.f1"], first_step=21))
    assert found["series"] == {"validation.f1": {"steps": [30], "values": [0.6]}}
    with pytest.raises(UserError, match=r"no curve 'valid.f1'.*did you mean validation.f1"):
        run_series(grounds, names=["valid.f1"])


def test_many_curves_have_fewer_points_each(grounds: Grounds) -> None:
    SampleRun(grounds.runs_dir, steps=1000)
    names = ["loss", "lr", "grad_norm", "grad_norm.stem", "raw.bce", "weighted.bce", "share.bce", "time"]
    found = told(run_series(grounds, names=names, points=200))
    assert {len(curve["steps"]) for curve in found["series"].values()} == {62}
    assert found["left_out"][0] == "points beyond 62 of each of 8 curves; ask for fewer names"
    assert len(json.dumps(found)) < 2 * MOST_CHARS


def test_a_run_and_a_log_are_judged(grounds: Grounds) -> None:
    run = SampleRun(grounds.runs_dir, steps=0)
    steps = records(1, 200)
    steps["loss"][150:] = steps["term.bce"][150:] = np.nan
    run.writer.append(steps)
    run.end()
    found = told(diagnose_run(grounds, limit=1))
    assert found["verdict"] == "wrong" and len(found["findings"]) == 1
    assert set(found["findings"][0]["fix"]) == {"text", "set"}
    assert any("rules could not be asked" in words for words in found["left_out"])
    write_csv(grounds.root / "log.csv", course(200))
    found = told(diagnose_log(grounds, "log.csv"))
    assert found["log"] == "log.csv" and found["read_as"][0].startswith("CSV, 200 rows")
    write_events(grounds.root / "tb" / "events.out.tfevents.1", course(50))
    assert told(diagnose_log(grounds, "tb"))["read_as"][0].startswith("TensorBoard")


def test_a_rule_is_explained(grounds: Grounds) -> None:
    found = told(explain_rule(grounds, "n901"))
    assert found["code"] == "N901" and found["rules"][0]["do"]
    with pytest.raises(UserError, match="no rule has the code"):
        explain_rule(grounds, "X1")


def test_runs_are_compared(grounds: Grounds) -> None:
    for name, preset, f1 in ((NAME, "eyes/balanced", 0.9), (OTHER, "eyes/aggressive", 0.95)):
        run = SampleRun(grounds.runs_dir, name)
        data = {"epoch": 1, "raw": {"f1": f1}, "monitor": "f1", "monitor_mode": "max"}
        run.events.append(EventKind.VALIDATION, 10, **data)
        run.paths.config.write_text(resolve(preset).to_yaml())
        run.end()
    found = told(compare_runs(grounds, [NAME, OTHER], metric="f1", limit=5))
    assert next(one for one in found["figures"] if one["name"] == "best f1")["values"] == [0.9, 0.95]
    assert len(found["configuration"]) == 5 and "options that differ" in found["left_out"][-1]
    with pytest.raises(UserError, match="a comparison needs two"):
        compare_runs(grounds, [NAME, "baseline"])
    with pytest.raises(UserError, match="no run has the metric 'f2'; there is: f1"):
        compare_runs(grounds, [NAME, OTHER], metric="f2")


def test_presets_are_listed_shown_and_compared_and_no_file_is_one(grounds: Grounds) -> None:
    assert {"eyes/balanced", "weld/repaired"} <= {one["name"] for one in told(list_presets(grounds))["presets"]}
    found = told(show_preset(grounds, "weld/stuck", prefix="train.", limit=3))
    assert len(found["values"]) == 3 and found["values"][0]["key"].startswith("train.")
    assert {"key": "optimizer.lr", "a": 0.0002, "b": 0.0003} in told(
        show_preset(grounds, "eyes/balanced", against="aggressive", limit=100)
    )["differences"]
    secret = grounds.root.parent / "secret.yaml"
    secret.write_text("task: eyes\n")
    for name in (str(secret), "secret.yaml", "original", ""):
        with pytest.raises(UserError, match=r"no preset|presets are called"):
            show_preset(grounds, name)


def test_no_answer_is_longer_than_it_may_be(grounds: Grounds) -> None:
    run = SampleRun(grounds.runs_dir, steps=0)
    for k in range(60):
        run.events.append(EventKind.NOTE, k, text="x" * 5000, rows=[[k] * 4] * 50)
    text = run_events(grounds, limit=20).text()
    found = json.loads(text)
    assert len(text) <= MOST_CHARS
    assert [event["step"] for event in found["events"]] == list(range(40, 60))
    assert found["left_out"][:3] == [
        "40 older events; raise limit",
        "events[0].data.text: 4,600 characters",
        "events[0].data.rows: 34 elements",
    ]
    with pytest.raises(UserError, match="the answer is too long; ask for less"):
        Answer({"rows": [{"text": "x" * 100}] * 400}).text()


OUTSIDE = ["../outside", "/etc", "..", ".", "", "~", "a/b", "x\0y", "runs/../../outside"]


@pytest.mark.parametrize("ref", OUTSIDE)
def test_a_run_is_named_and_never_a_path(grounds: Grounds, ref: str) -> None:
    SampleRun(grounds.runs_dir.parent, "outside")
    SampleRun(grounds.runs_dir)
    with pytest.raises(UserError, match=r"is no name of a run|no run"):
        grounds.run(ref)


def test_a_folder_beside_is_no_run_even_where_the_server_was_started(
    grounds: Grounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    SampleRun(grounds.root, "20260303-120000-other-00cc")
    SampleRun(grounds.runs_dir)
    monkeypatch.chdir(grounds.root)
    with pytest.raises(UserError, match="no run '20260303"):
        grounds.run("20260303-120000-other-00cc")


@pytest.mark.parametrize("name", ["latest", "a run", "its configuration"])
def test_a_link_leads_nowhere_else(grounds: Grounds, name: str) -> None:
    outside = SampleRun(grounds.runs_dir.parent, "outside")
    outside.paths.config.write_text("secret: 1\n")
    inside = SampleRun(grounds.runs_dir)
    if name == "latest":
        (grounds.runs_dir / "latest").symlink_to(outside.paths.root, target_is_directory=True)
    elif name == "a run":
        (grounds.runs_dir / "20260404-120000-linked-00dd").symlink_to(outside.paths.root, target_is_directory=True)
    else:
        inside.paths.config.symlink_to(outside.paths.config)
    ref = {"latest": "latest", "a run": "linked"}.get(name, NAME)
    with pytest.raises(UserError, match=r"outside|no run"):
        grounds.run(ref)


@pytest.mark.parametrize(
    "ref", ["../secret.csv", "/etc/passwd", "-", "linked.csv", "tb", "missing.csv", "x\0y", "~/secret.csv"]
)
def test_a_log_lies_below_the_folder_that_was_allowed(grounds: Grounds, ref: str) -> None:
    secret = grounds.root.parent / "secret.csv"
    write_csv(secret, course(50))
    (grounds.root / "linked.csv").symlink_to(secret)
    elsewhere = grounds.root.parent / "tb" / "events.out.tfevents.1"
    write_events(elsewhere, course(50))
    (grounds.root / "tb").mkdir()
    (grounds.root / "tb" / elsewhere.name).symlink_to(elsewhere)
    with pytest.raises(UserError, match=r"outside|file not found|is no path"):
        diagnose_log(grounds, ref)


def test_a_log_may_be_named_as_a_whole(grounds: Grounds) -> None:
    write_csv(grounds.root / "log.csv", course(50))
    assert grounds.log(str(grounds.root / "log.csv")) == (grounds.root / "log.csv").resolve()


Answering = Callable[[SampleRun, str], None]


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Answering:
    """Lets a run read its commands and answer whenever somebody waits for it."""

    def answer_with(run: SampleRun, effect: str) -> None:
        reader = CommandReader(run.paths)

        def answer(seconds: float) -> None:
            for command in reader.read_new():
                data = {"id": command.id, "verb": command.verb, "args": command.args}
                run.events.append(EventKind.COMMAND, run.step, effect=f"{effect} for {command.sender}", **data)

        monkeypatch.setattr(send_module.time, "sleep", answer)

    return answer_with


def test_a_command_is_acknowledged_as_that_of_send(grounds: Grounds, answering: Answering) -> None:
    answering(SampleRun(grounds.runs_dir), "lr 0.001 -> 0.0005")
    found = told(send_command(grounds, "latest", "set lr x0.5"))
    assert (found["has_answered"], found["step"], found["effect"]) == (True, 20, "lr 0.001 -> 0.0005 for mcp")
    assert found["args"] == {"name": "lr", "op": "mul", "value": 0.5}


def test_a_run_that_refuses_is_over_or_silent_says_so(grounds: Grounds, answering: Answering) -> None:
    run = SampleRun(grounds.runs_dir)
    found = told(send_command(grounds, "latest", "pause", wait_s=0))
    assert found["has_answered"] is False and "step" not in found
    answering(run, "refused: no such thing")
    with pytest.raises(UserError, match="refused: no such thing"):
        send_command(grounds, "latest", "pause")
    with pytest.raises(UserError, match="unknown command 'explode'"):
        send_command(grounds, "latest", "explode")
    run.end()
    with pytest.raises(UserError, match="is over"):
        send_command(grounds, "latest", "pause")
