"""What the cockpit remembers, and that nothing breaks where it cannot."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pilots import MEDIUM, cockpit, screen_text, shows, until
from synthetic_run import SyntheticRun

from trainctl.tui.app import CockpitApp
from trainctl.tui.memory import Memory, load_memory, memory_path
from trainctl.tui.run.scene import LossMode, Unit


def test_it_comes_back_as_it_was(tmp_path: Path):
    memory = Memory("trainctl-light", {"lr"}, {"loss": True}, Unit.TIME, 4, LossMode.SHARE)
    memory.save(tmp_path / "deep" / "cockpit.json")
    assert load_memory(tmp_path / "deep" / "cockpit.json") == memory


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null"),
        pytest.param("[" * 100_000, id="deep"),
        json.dumps({"unit": "parsec", "smoothing": 99, "hidden": 3, "log_axes": {"a": 1}}),
    ],
)
def test_what_makes_no_sense_means_the_defaults(tmp_path: Path, text: str):
    path = tmp_path / "cockpit.json"
    path.write_text(text)
    assert load_memory(path) == Memory()


def test_a_pipe_in_its_place_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "cockpit.json")
    assert load_memory(tmp_path / "cockpit.json") == Memory()


def test_a_folder_that_cannot_be_written_to_is_no_error(tmp_path: Path):
    (tmp_path / "file").write_text("")
    Memory("trainctl-light").save(tmp_path / "file" / "cockpit.json")
    assert [path.name for path in tmp_path.iterdir()] == ["file"] and (tmp_path / "file").read_text() == ""
    assert load_memory(tmp_path / "file" / "cockpit.json") == Memory()


def test_the_place_follows_xdg(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/x")
    assert memory_path() == Path("/x/trainctl/cockpit.json")


async def test_looks_are_the_same_the_next_time(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "RUNNING")
        await pilot.press("y", "x", "plus", "plus", "u", "t", "down", "enter")
        cockpit(pilot)._toggle_panel("gradients")
        await until(pilot, lambda: "Gradient norm" not in screen_text(pilot))
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "Loss log")
        assert "Gradient norm" not in screen_text(pilot)
        assert pilot.app.theme == "trainctl-light"
        scene = cockpit(pilot).scene
        assert (scene.unit, scene.smoothing, scene.loss_mode) == (Unit.EPOCH, 2, LossMode.RAW)
