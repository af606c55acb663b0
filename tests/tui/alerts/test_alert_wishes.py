"""Who is to be told: the command line before the environment before the user's file; a token is recorded nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainctl.engine.errors import UserError
from trainctl.tui.alerts.wishes import (
    ON_END,
    ON_FINDING,
    Wishes,
    alerts_path,
    load_wishes,
    unalerted,
    wished,
    without_secrets,
)


@pytest.fixture
def own_file() -> Path:
    path = alerts_path()
    path.parent.mkdir(parents=True)
    path.write_text("on_end: tell me\non_finding: https://x.test/a\nbell: true\n")
    return path


def test_nothing_is_wished_unless_somebody_says_so():
    assert wished(environ={}) == Wishes()
    assert not Wishes().leave_the_terminal
    assert not Wishes().are_in_the_terminal


@pytest.mark.usefixtures("own_file")
def test_the_command_line_is_heard_before_the_environment_and_that_before_the_file():
    assert wished(environ={}) == Wishes("tell me", "https://x.test/a", bell=True)
    assert wished(environ={ON_END: "tell her"}).on_end == "tell her"
    assert wished("tell him", environ={ON_END: "tell her"}).on_end == "tell him"
    assert wished("", bell=False, environ={}) == Wishes("", "https://x.test/a")


@pytest.mark.usefixtures("own_file")
def test_short_trials_tell_nobody():
    assert not wished(environ=unalerted({"PATH": "/bin"})).leave_the_terminal
    assert not wished(environ={ON_END: "", ON_FINDING: ""}).leave_the_terminal


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("on_ent: x", "no alert called 'on_ent'; did you mean on_end?"),
        ("lights: x", "no alert called 'lights'; there is: on_end, on_finding, bell, notify"),
        ("bell: loud", "bell is 'loud'; write true or false"),
        ("on_end: 3", "on_end is 3; write a command or a URL"),
        ("- on_end", "is not a list of alerts"),
        ("on_end: [", "is not YAML"),
    ],
)
def test_a_mistake_in_the_file_is_said_in_a_line(tmp_path: Path, text: str, words: str):
    path = tmp_path / "alerts.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        load_wishes(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_token_stays_out_of_what_is_recorded():
    argv = ["trainctl", "run", "--on-end", "https://x.test/secret", "--on-finding=curl secret", "train.epochs=3"]
    assert without_secrets(argv) == ["trainctl", "run", "train.epochs=3"]
    foreign = ["trainctl", "run", "--", "python", "--on-end", "theirs"]
    assert without_secrets(foreign) == foreign
