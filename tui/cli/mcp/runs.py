"""Tools on runs: the list, one run in short, its events, runs side by side. Reads run directories only."""

from __future__ import annotations

import time
from typing import Annotated, Any

from pydantic import Field

from trainctl.engine.errors import UserError
from trainctl.engine.runs.events import Event, EventKind
from trainctl.engine.runs.index import list_runs as read_runs
from trainctl.engine.runs.index import run_info, run_names
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.reader import RunReader
from trainctl.tui.cli.commands.runs import as_json
from trainctl.tui.cli.mcp.bounds import Answer, Limit, RunName
from trainctl.tui.cli.mcp.grounds import Grounds
from trainctl.tui.run.feed import ConsoleTail

MOST_COMPARED = 8
"""Runs."""
ORIGINS = ("forked_from", "imported_from", "watched")
"""Keys of `meta.json` that say how a run came about where trainctl's own loop did not begin it anew."""


def list_runs(grounds: Grounds, limit: Limit = 20) -> Answer:
    """List runs, newest first: state, progress, best validation."""
    answer, runs_dir = Answer(), grounds.runs_dir
    missing = len(run_names(runs_dir)) - limit
    if missing > 0:
        answer.left_out.append(f"{missing:,} older runs; raise limit")
    answer.data = {"runs_dir": str(runs_dir.resolve()), "runs": [as_json(info) for info in read_runs(runs_dir, limit)]}
    return answer


def run_summary(grounds: Grounds, run: RunName = "latest", limit: Limit = 5) -> Answer:
    """Say where one run stands: progress, newest validation, findings, warnings, how it ended."""
    paths, answer = grounds.run(run), Answer()
    reader = _read(paths)
    status, summary, meta = reader.status, reader.summary, reader.meta or {}
    events = reader.current_events()
    findings = summary.findings if summary and summary.num_checks is not None else _data_of(events, EventKind.FINDING)
    warnings = [str(data.get("text", "")) for data in _data_of(events, EventKind.WARNING)]
    validations = [event for event in events if event.kind is EventKind.VALIDATION]
    answer.data = {
        **as_json(run_info(paths, time.time())),
        "steps_per_s": status.steps_per_s if status else None,
        "eta_s": status.eta_s if status else None,
        "device": status.device if status else "",
        "message": status.message if status else "",
        "last_validation": _event_data(validations[-1]) if validations else None,
        "findings": answer.first(findings, limit, "findings"),
        "verdict": summary.verdict if summary else "",
        "warnings": answer.last(warnings, limit, "older warnings"),
        "exit_reason": summary.exit_reason if summary else "",
        "checkpoint": summary.checkpoint if summary else None,
        "origin": {name: meta[name] for name in ORIGINS if name in meta},
        "problems": list(reader.problems.values()),
    }
    return answer


def run_events(
    grounds: Grounds,
    run: RunName = "latest",
    kinds: Annotated[
        list[EventKind] | None, Field(description="Only of these kinds; left out: all but the learning rate plan.")
    ] = None,
    before_step: Annotated[int | None, Field(description="Only before this step; left out: up to the newest.")] = None,
    limit: Limit = 20,
) -> Answer:
    """Read the newest events of a run, in order: epochs, validations, commands and their effects, warnings, the end."""
    answer = Answer()
    wanted = kinds or [kind for kind in EventKind if kind is not EventKind.PLAN]
    events = [
        event
        for event in _read(grounds.run(run)).current_events()
        if event.kind in wanted and (before_step is None or event.step < before_step)
    ]
    answer.data["events"] = [_event_data(event) for event in answer.last(events, limit, "older events")]
    return answer


def run_console(grounds: Grounds, run: RunName = "latest", limit: Limit = 30) -> Answer:
    """Read the newest lines that a run printed: where it crashed, the traceback."""
    paths, answer = grounds.run(run), Answer()
    lines = list(ConsoleTail(paths.console).read_new())
    answer.data = {"run": paths.root.name, "lines": answer.last(lines, limit, "older lines")}
    return answer


def compare_runs(
    grounds: Grounds,
    runs: Annotated[
        list[str], Field(min_length=2, max_length=MOST_COMPARED, description="Names; the first is the reference.")
    ],
    metric: Annotated[str, Field(description="Rank by this validation metric, epoch by epoch.")] = "",
    limit: Limit = 30,
) -> Answer:
    """Set runs side by side: final figures with the best of each, and the options that differ."""
    from trainctl.tui.cli.commands.compare import read_facts
    from trainctl.tui.cli.comparing.as_json import as_json as compared_json
    from trainctl.tui.cli.comparing.compared import Compared
    from trainctl.tui.compare.columns import grouped
    from trainctl.tui.run.names import short_names

    paths = list(dict.fromkeys(grounds.run(name) for name in runs))
    if len(paths) < 2:
        raise UserError("only one run is named, a comparison needs two", "list_runs has them")
    facts, answer = [read_facts(path) for path in paths], Answer()
    known = list(dict.fromkeys(name for one in facts for name in one.metrics()))
    if metric and metric not in known:
        raise UserError(f"no run has the metric {metric!r}", f"there is: {', '.join(known) or 'none'}")
    names = short_names([one.name for one in facts])
    found = compared_json(Compared(paths, facts, names, grouped(facts, names)), metric, promised=False)
    short = ("name", "preset", "state", "interventions")
    answer.data = {
        "runs": [{key: one[key] for key in short} for one in found["runs"]],
        "figures": answer.first(found["figures"], limit, "figures"),
        "configuration": answer.first(found["configuration"], limit, "options that differ"),
        **({"by_epoch": answer.last(found["by_epoch"], limit, "earlier epochs")} if metric else {}),
    }
    return answer


def _read(paths: RunPaths) -> RunReader:
    reader = RunReader(paths)
    reader.poll()
    return reader


def _event_data(event: Event) -> dict[str, Any]:
    return {"kind": str(event.kind), "step": event.step, "time": event.time, "data": event.data}


def _data_of(events: list[Event], kind: EventKind) -> list[dict[str, Any]]:
    return [event.data | {"step": event.step} for event in events if event.kind is kind]
