"""Events as somebody hostile would write them: each value of each event another, one at a time, and all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hostile import KEPT, VALUES

from trainctl.engine.runs.events import Event, EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.run.view import RunUpdate, RunView
from trainctl.tui.words.events import event_words

EVENTS = [json.loads(line) for line in (KEPT / "events.jsonl").read_text().splitlines()]
ODD: tuple[Any, ...] = (*VALUES, 2**63 - 1, -1e308, [[1, "x"], ["a", "b"], 3, [1, [2]], [None, None]], [{}], "\ud800")
MORE: tuple[dict[str, Any], ...] = (
    {"kind": "refit", "data": {"mode": "matched", "agreement": 0.5, "matched_agreement": 0.9, "failed": False}},
    {"kind": "finding", "data": {"code": "O601", "title": "t", "text": "t", "severity": "warning", "evidence": {}}},
    {"kind": "command", "data": {"verb": "set", "effect": "lr 1", "id": "1", "args": {"name": "lr", "value": 1}}},
    {"kind": "lr", "data": {"from": 1.0, "to": 0.1}},
    {"kind": "resume", "data": {"from_step": 1, "from_epoch": 1, "dropped": 1}},
    {"kind": "end", "data": {"state": "failed", "exit_reason": "x"}},
)


def changed(value: Any) -> Iterator[Any]:
    """The value with each part of it, at any depth, replaced by each odd one; whole first."""
    yield from ODD
    parts: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in [*parts][:12]:
        for other in changed(part):
            copy: Any = value.copy()
            copy[key] = other
            yield copy


@pytest.mark.parametrize("found", [*{row["kind"]: row for row in EVENTS}.values(), *MORE], ids=lambda row: row["kind"])
def test_no_value_of_an_event_ends_its_readers(found: dict[str, Any]) -> None:
    view, kind = RunView(RunPaths(KEPT)), EventKind(found["kind"])
    for data in changed(found["data"]):
        if isinstance(data, dict):
            event = Event(kind, 3, 1.0, data)
            assert event_words(event)[0], data
            view.apply(RunUpdate(events=(event,)))
            assert view.plan is None or view.plan.points.x.shape == view.plan.points.y.shape
            assert view.x_map("epoch") is None or view.metrics() is not None


def test_of_a_plan_whatever_are_two_numbers_is_drawn() -> None:
    view = RunView(RunPaths(KEPT))
    for points, drawn in ((5, []), ([[0, 1.0], ["a", 2], [3], 4, [5, 0.5], [6, True]], [0.0, 5.0]), ({}, [])):
        view.apply(RunUpdate(events=(Event(EventKind.PLAN, 0, 1.0, {"points": points}),)))
        assert view.plan is not None
        assert view.plan.points.x.tolist() == drawn
