"""What may be asked of a run, in words and on file; mistakes are explained, never passed on."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_runs import new_run

from trainctl.engine.errors import UserError
from trainctl.engine.runs.atomic import DamagedFileError
from trainctl.engine.runs.commands import CommandReader, Verb, check_args, parse_command, send_command
from trainctl.engine.runs.layout import RunPaths


@pytest.mark.parametrize("verb", [verb for verb in Verb if verb is not Verb.SET])
def test_a_plain_verb_has_no_arguments(verb: Verb):
    assert parse_command([verb.value]) == (verb, {})
    assert parse_command([verb.value.upper()]) == (verb, {})


@pytest.mark.parametrize(
    ("words", "args"),
    [
        ("set lr 3e-4", {"name": "lr", "op": "set", "value": 3e-4}),
        ("set lr=3e-4", {"name": "lr", "op": "set", "value": 3e-4}),
        ("set lr = 3e-4", {"name": "lr", "op": "set", "value": 3e-4}),
        ("set lr x0.5", {"name": "lr", "op": "mul", "value": 0.5}),
        ("set lr x 0.5", {"name": "lr", "op": "mul", "value": 0.5}),
        ("set lr×0.5", {"name": "lr", "op": "mul", "value": 0.5}),
        ("set lr*2", {"name": "lr", "op": "mul", "value": 2.0}),
        ("lr x0.5", {"name": "lr", "op": "mul", "value": 0.5}),
        ("lrx0.5", {"name": "lr", "op": "mul", "value": 0.5}),
        ("set weight.bce 0.5", {"name": "weight", "term": "bce", "op": "set", "value": 0.5}),
        ("set weight bce 0", {"name": "weight", "term": "bce", "op": "set", "value": 0.0}),
        ("set weight.box x2", {"name": "weight", "term": "box", "op": "mul", "value": 2.0}),
        ("set weight.box×2", {"name": "weight", "term": "box", "op": "mul", "value": 2.0}),
        ("set weight.bce=1", {"name": "weight", "term": "bce", "op": "set", "value": 1.0}),
        ("weight a.b 1", {"name": "weight", "term": "a.b", "op": "set", "value": 1.0}),
        ("set clip 1.0", {"name": "clip", "op": "set", "value": 1.0}),
        ("set clip off", {"name": "clip", "op": "set", "value": None}),
        ("set epochs 30", {"name": "epochs", "op": "set", "value": 30}),
        ("epochs 30", {"name": "epochs", "op": "set", "value": 30}),
    ],
)
def test_a_setting_in_words(words: str, args: dict[str, object]):
    assert parse_command(words.split()) == (Verb.SET, args)
    assert parse_command([words]) == (Verb.SET, args)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "which command"),
        ("pasue", "did you mean pause"),
        ("set", "which setting"),
        ("set lrr 1", "did you mean lr"),
        ("set momentum 0.9", "unknown setting 'momentum'"),
        ("set lr", "cannot understand: set lr"),
        ("set lr 0", "not above 0"),
        ("set lr -1e-3", "not above 0"),
        ("set lr x0", "not above 0"),
        ("set lr nan", "not a finite number"),
        ("set lr inf", "not a finite number"),
        ("set lr 1e999", "not a finite number"),
        ("set lr 0,001", "'0,001' is not a number"),
        ("set lr 1 2", "cannot understand"),
        ("set weight 0.5", "cannot understand: set weight 0.5"),
        ("set weight.bce -1", "below 0"),
        ("set clip 0", "not above 0"),
        ("set clip x0.5", "not a number"),
        ("set epochs 0", "whole number"),
        ("set epochs 2.5", "whole number"),
        ("set epochs inf", "not a finite number"),
        ("pause now", "takes no arguments"),
    ],
)
def test_a_mistake_is_explained_in_one_line(words: str, says: str):
    with pytest.raises(UserError, match=says) as caught:
        parse_command(words.split())
    assert "\n" not in str(caught.value)
    assert caught.value.hint


@given(st.lists(st.text(max_size=12), max_size=4))
def test_any_words_are_a_valid_command_or_a_user_error(words: list[str]):
    try:
        verb, args = parse_command(words)
    except UserError:
        return
    check_args(verb, args)
    assert bool(args) == (verb is Verb.SET)


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_a_learning_rate_is_taken_exactly(value: float):
    assert parse_command(["set", "lr", repr(value)])[1]["value"] == value


def test_what_was_sent_is_what_the_run_reads(tmp_path: Path):
    paths = new_run(tmp_path)
    reader = CommandReader(paths)
    assert reader.read_new() == []
    first = send_command(paths, *parse_command(["set", "lr", "x0.5"]), sender="cockpit")
    second = send_command(paths, "stop", {})
    commands = reader.read_new()
    assert [(c.id, c.verb, c.args, c.sender) for c in commands] == [
        (first, Verb.SET, {"name": "lr", "op": "mul", "value": 0.5}, "cockpit"),
        (second, Verb.STOP, {}, "cli"),
    ]
    assert first != second
    assert reader.read_new() == []


def test_a_resume_does_not_repeat_old_commands(tmp_path: Path):
    paths = new_run(tmp_path)
    send_command(paths, "stop", {})
    reader = CommandReader(paths, skip_existing=True)
    send_command(paths, "pause", {})
    assert [command.verb for command in reader.read_new()] == ["pause"]


@pytest.mark.parametrize(
    "line",
    [
        "garbage",
        '{"verb": "stop"}',
        '{"id": "1", "verb": "explode", "args": {}, "time": 1}',
        '{"id": "1", "verb": "stop", "args": [], "time": 1}',
        '{"id": "1", "verb": "stop", "args": {"now": 1}, "time": 1}',
        '{"id": "1", "verb": "set", "args": {"name": "lr", "op": "set", "value": -1}, "time": 1}',
        '{"id": "1", "verb": "set", "args": {"name": "lr", "op": "set", "value": NaN}, "time": 1}',
        '{"id": "1", "verb": "set", "args": {"name": "lr", "op": "set", "value": true}, "time": 1}',
        '{"id": "1", "verb": "set", "args": {"name": "lr", "op": "add", "value": 1}, "time": 1}',
        '{"id": "1", "verb": "set", "args": {"name": ["lr"], "op": "set", "value": 1}, "time": 1}',
        '{"id": "1", "verb": "set", "args": {"name": "weight", "op": "set", "value": 1}, "time": 1}',
        '{"id": "1", "verb": "set", "args": {"name": "epochs", "op": "set", "value": 1.5}, "time": 1}',
        '{"id": "1", "verb": "set", "args": {"name": "clip", "op": "set"}, "time": 1}',
        '{"id": "1", "verb": "set", "args": {"name": "lr", "op": "set", "value": 1, "more": 1}, "time": 1}',
        '{"id": "1", "verb": "set", "args": {"name": "lr", "op": "set", "value": 1, "term": "ce"}, "time": 1}',
        '{"id": "1", "verb": "set", "args": {"name": "lr", "op": "set", "value": 1, "x": '
        + "[" * 900
        + "]" * 900
        + "}}",
        '{"id": "1", "verb": "set", "args": {"name": "weight", "op": "set", "value": 1, "term": "'
        + "t" * 3000
        + '"}, "time": 1}',
        '{"id": "' + "1" * 3000 + '", "verb": "stop", "args": {}, "time": 1}',
        '{"id": [1], "verb": "stop", "args": {}, "time": 1}',
        '{"id": "1", "verb": "stop", "args": {}, "time": 1, "x": ' + "[" * 700 + r'"\ud800"' + "]" * 700 + "}",
    ],
)
def test_a_line_that_is_no_allowed_command_never_reaches_the_run(tmp_path: Path, line: str):
    paths = new_run(tmp_path)
    paths.commands.write_text(line + "\n")
    reader = CommandReader(paths)
    assert reader.read_new() == []
    assert reader.skipped == 1


@pytest.mark.parametrize("value", [math.nan, 0, "1", None])
def test_what_is_not_allowed_is_not_sent(tmp_path: Path, value: object):
    paths = new_run(tmp_path)
    with pytest.raises(UserError):
        send_command(paths, "set", {"name": "lr", "op": "set", "value": value})
    assert not paths.commands.exists()


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    """A folder of runs into which others may write."""
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    return tmp_path / "open"


def test_nothing_is_obeyed_where_others_may_write(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    reader = CommandReader(run)
    send_command(run, Verb.STOP, {})
    run.root.chmod(0o777)
    with pytest.raises(DamagedFileError, match=r"others may write in .*run \(mode 0777\); chmod go-w it"):
        reader.read_new()
    assert reader.read_new() == []
    with pytest.raises(UserError, match="obeys nobody where anybody could ask"):
        send_command(run, Verb.STOP, {})
    run.root.chmod(0o700)
    assert reader.read_new() == [], "what was not obeyed then is not obeyed later"
    send_command(run, Verb.PAUSE, {})
    assert [command.verb for command in reader.read_new()] == [Verb.PAUSE]


def test_a_folder_that_others_could_replace_counts_as_open(open_folder: Path) -> None:
    run = new_run(open_folder)
    run.root.chmod(0o700)
    with pytest.raises(UserError, match=r"others may write in the folder above, .*open \(mode 0777\)"):
        send_command(run, Verb.STOP, {})
    open_folder.chmod(0o1777)  # sticky, as /tmp: what is another's stays
    send_command(run, Verb.STOP, {})


def test_a_folder_counts_by_where_it_lies_however_it_is_named(
    tmp_path: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run(open_folder)
    run.root.chmod(0o700)
    (tmp_path / "link").symlink_to(run.root)
    monkeypatch.chdir(run.root)
    for name in (tmp_path / "link", Path(), Path("..") / run.root.name):
        with pytest.raises(UserError, match="others may write in the folder above"):
            send_command(RunPaths(name), Verb.STOP, {})
    monkeypatch.chdir(tmp_path)
    closed = new_run(tmp_path)
    (open_folder / "link").symlink_to(closed.root)
    with pytest.raises(UserError, match="others may write in the folder above"):  # they could point it elsewhere
        send_command(RunPaths(open_folder / "link"), Verb.STOP, {})


def test_a_file_of_commands_in_the_hands_of_others_is_not_obeyed(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    before = os.umask(0)
    try:
        send_command(run, Verb.PAUSE, {})
    finally:
        os.umask(before)
    run.root.chmod(0o755)
    reader = CommandReader(run)
    assert [command.verb for command in reader.read_new()] == [Verb.PAUSE]  # whatever the umask, nobody writes to it
    send_command(run, Verb.STOP, {})
    run.commands.chmod(0o664)
    with pytest.raises(DamagedFileError, match=r"others may write .*commands\.jsonl \(mode 0664\); chmod go-w it"):
        reader.read_new()
    with pytest.raises(UserError, match=r"others may write .*commands\.jsonl"):
        send_command(run, Verb.STOP, {})
    run.root.chmod(0o700)  # then nobody reaches it
    send_command(run, Verb.STOP, {})
    assert [command.verb for command in reader.read_new()] == [Verb.STOP]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("what", ["file", "folder", "above"])
def test_what_belongs_to_somebody_else_is_not_obeyed(tmp_path: Path, what: str) -> None:
    (tmp_path / "runs").mkdir()
    run = new_run(tmp_path / "runs")
    reader = CommandReader(run)
    send_command(run, Verb.STOP, {})
    os.chown({"file": run.commands, "folder": run.root, "above": run.root.parent}[what], 12345, -1)
    with pytest.raises(DamagedFileError, match="belongs to somebody else"):
        reader.read_new()
    with pytest.raises(UserError, match="belongs to somebody else"):
        send_command(run, Verb.STOP, {})


def test_a_resume_passes_over_what_was_asked_in_an_open_folder(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    send_command(run, Verb.STOP, {})
    run.root.chmod(0o777)
    reader = CommandReader(run, skip_existing=True)
    run.root.chmod(0o700)
    assert reader.read_new() == []
