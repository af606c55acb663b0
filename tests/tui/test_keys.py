"""A user's own keys: what is accepted, and what is explained."""

from __future__ import annotations

from pathlib import Path

import pytest
from pilots import MEDIUM, commands, screen_text, shows
from synthetic_run import SyntheticRun

from trainctl.engine.errors import UserError
from trainctl.tui.actions import ACTIONS
from trainctl.tui.app import CockpitApp
from trainctl.tui.keys import keys_path, load_keymap


def file_of(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "keys.yaml"
    path.write_text(text)
    return path


def test_the_file_names_actions_and_keys(tmp_path: Path):
    path = file_of(tmp_path, "stop: ctrl+s\nwhole_run: home\nvalidate: 'V'\nsmoother: +\n")
    found = load_keymap(path, must_exist=True)
    assert found == {"stop": "ctrl+s", "whole_run": "home", "validate": "V", "smoother": "plus"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stopp: x", "did you mean stop?"),
        ("stop: ctlr+s", "no key is called 'ctlr+s'"),
        ("stop: pageupp", "no key is called"),
        ("stop: escape", "belongs to dialogs"),
        ("stop: c", "c is given to stop and to checkpoint"),
        ("stop: f5\ncheckpoint: f5", "f5 is given to stop and to checkpoint"),
        ("- stop", "is not a list of keys"),
        ("stop: [", "is not YAML"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_file(tmp_path: Path, text: str, words: str):
    path = file_of(tmp_path, text)
    with pytest.raises(UserError) as caught:
        load_keymap(path, must_exist=True)
    assert words in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_named_file_must_be_there_and_the_usual_one_need_not(tmp_path: Path):
    assert load_keymap(tmp_path / "none.yaml", must_exist=False) == {}
    with pytest.raises(UserError, match="cannot read"):
        load_keymap(tmp_path / "none.yaml", must_exist=True)


def test_an_empty_file_changes_nothing(tmp_path: Path):
    assert load_keymap(file_of(tmp_path, "# nothing\n"), must_exist=True) == {}


def test_no_two_actions_share_a_key():
    keys = [key for action in ACTIONS for key in action.key.split(",")]
    assert len(keys) == len(set(keys))


def test_the_usual_place_follows_xdg(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", "/x")
    assert keys_path() == Path("/x/trainctl/keys.yaml")


async def test_a_key_of_ones_own_acts_and_the_old_one_does_not(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths, keymap={"checkpoint": "f5"}).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "f5 save")
        await pilot.press("c")
        assert commands(live_run) == []
        await pilot.press("f5")
        await shows(pilot, "asked: checkpoint")
        await pilot.press("question_mark")
        await shows(pilot, "f5  Write a checkpoint now.")
        assert "  c  Write" not in screen_text(pilot)
