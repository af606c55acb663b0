"""What a loop names of its own: ways to save and to validate, called between two steps; what they say is said."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from foreign_loops import events_of, watched
from torch import nn

from trainctl.engine.runs.commands import send_command
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.watch.watch import Watch


def effects(watch: Watch, opt: torch.optim.Optimizer, model: nn.Module, *verbs: str) -> list[str]:
    """What is acknowledged to these commands, each given before a step."""
    assert watch.path is not None
    paths = RunPaths(watch.path)
    for verb in verbs:
        send_command(paths, verb, {})
    while True:
        opt.zero_grad()
        model(torch.ones(1, 2)).pow(2).sum().backward()
        opt.step()
        found = [str(event.data["effect"]) for event in events_of(paths) if event.kind is EventKind.COMMAND]
        if len(found) == len(verbs):
            return found


def test_a_loop_validates_and_saves_its_own_way(tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    model = nn.Linear(2, 1)
    opt = torch.optim.SGD(model.parameters(), lr=0.01)
    watch = begin(opt)
    watch.configure({"depth": 3})
    watch.on_validate(lambda: watch.validation({"loss": 0.5}))
    watch.on_checkpoint(lambda: "saved later")
    assert effects(watch, opt, model, "validate", "checkpoint") == ["validated by the loop", "saved later"]
    paths = end()
    assert [event.data["raw"] for event in events_of(paths) if event.kind is EventKind.VALIDATION] == [{"loss": 0.5}]
    assert {"validate", "checkpoint"} <= set(json.loads(paths.meta.read_text())["watched"]["obeys"])
    assert "depth: 3" in paths.config.read_text()


def test_what_fails_in_a_way_of_the_loop_is_a_refusal(tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    model = nn.Linear(2, 1)
    opt = torch.optim.SGD(model.parameters(), lr=0.01)
    watch = begin(opt)
    watch.on_validate(lambda: 1 / 0)
    found = effects(watch, opt, model, "validate", "checkpoint")
    assert found[0].startswith("refused: on_validate failed: ZeroDivisionError")
    assert found[1] == "refused: the loop named no on_checkpoint"
    end()
