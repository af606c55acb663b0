"""`trainctl mcp` as a client meets it: in memory, and as a process that speaks on standard input and output."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from foreign_files import course, write_csv
from sample_run_directories import NAME, SampleRun

from trainctl.engine.runs.commands import CommandReader
from trainctl.engine.runs.events import EventKind
from trainctl.tui.cli.commands import send as send_module
from trainctl.tui.cli.main import run_command_line
from trainctl.tui.cli.mcp.grounds import Grounds
from trainctl.tui.cli.mcp.server import READING, make_server

mcp = pytest.importorskip("mcp", reason="needs the extra `mcp`")

# What would import torch, or is printed by anybody, must not reach the client.
STRICT = """
import sys
sys.modules["torch"] = None
from trainctl.tui.cli import main
from trainctl.tui.cli.mcp import runs
as_json = runs.as_json
runs.as_json = lambda info: (print("stray words"), as_json(info))[1]
main.main(["mcp", *sys.argv[1:]])
"""


async def text_of(client: Any, tool: str, **arguments: Any) -> tuple[str, bool]:
    """What a call answers, and whether it is a mistake."""
    found = await client.call_tool(tool, arguments)
    (content,) = found.content
    return content.text, found.is_error


async def test_tools_read_only_unless_control_is_allowed(tmp_path: Path) -> None:
    reading = [tool.__name__ for tool in READING]
    for allow_control, wanted in ((False, reading), (True, [*reading, "send_command"])):
        async with mcp.Client(make_server(Grounds(tmp_path, tmp_path), allow_control=allow_control)) as client:
            tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == wanted
        assert all(tool.annotations.read_only_hint is (tool.name != "send_command") for tool in tools)
        assert all(tool.description for tool in tools)
        bounded = {tool.name for tool in tools if {"limit", "points"} & set(tool.input_schema["properties"])}
        assert bounded == set(reading)


async def test_answers_are_short_json_and_mistakes_are_told_to_the_client(tmp_path: Path) -> None:
    run = SampleRun(tmp_path / "runs")
    run.end()
    async with mcp.Client(make_server(Grounds(tmp_path / "runs", tmp_path), allow_control=False)) as client:
        text, is_error = await text_of(client, "list_runs")
        assert not is_error and json.loads(text)["runs"][0]["name"] == NAME
        text, is_error = await text_of(client, "run_summary", run="../..")
        assert is_error and text.endswith("'../..' is no name of a run; list_runs has them")
        text, is_error = await text_of(client, "diagnose_log", path="/etc/hostname")
        assert is_error and "outside" in text
        assert (await text_of(client, "list_runs", limit=1000))[1]
        text, is_error = await text_of(client, "send_command", run=NAME, command="stop")
        assert is_error and "send_command" in text
    assert not run.paths.commands.exists()


async def test_a_command_reaches_the_run_and_its_answer_the_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = SampleRun(tmp_path / "runs")
    reader = CommandReader(run.paths)

    def answer(seconds: float) -> None:
        for command in reader.read_new():
            data = {"id": command.id, "verb": command.verb, "args": command.args}
            run.events.append(EventKind.COMMAND, run.step, effect="paused", **data)

    monkeypatch.setattr(send_module.time, "sleep", answer)
    async with mcp.Client(make_server(Grounds(tmp_path / "runs", tmp_path), allow_control=True)) as client:
        text, is_error = await text_of(client, "send_command", run="latest", command="pause", wait_s=10)
    assert not is_error
    assert {key: json.loads(text)[key] for key in ("verb", "has_answered", "effect", "step")} == {
        "verb": "pause",
        "has_answered": True,
        "effect": "paused",
        "step": 20,
    }


@pytest.mark.slow
async def test_as_a_process_without_torch_whose_stray_words_do_not_reach_the_client(tmp_path: Path) -> None:
    SampleRun(tmp_path / "runs").end()
    write_csv(tmp_path / "log.csv", course(100))
    words = ["-c", STRICT, "--runs-dir", "runs", "--root", "."]
    started = mcp.StdioServerParameters(command=sys.executable, args=words, cwd=tmp_path, env=dict(os.environ))
    with (tmp_path / "stderr").open("w+") as errors:
        async with mcp.Client(mcp.stdio_client(started, errlog=errors)) as client:
            for tool, arguments in (
                *(("list_runs", {}), ("run_summary", {}), ("run_series", {"names": ["loss"]}), ("run_events", {})),
                *(("diagnose_run", {}), ("diagnose_log", {"path": "log.csv"}), ("explain_rule", {"code": "D101"})),
                *(("list_presets", {}), ("show_preset", {"name": "eyes/balanced"})),
            ):
                text, is_error = await text_of(client, tool, **arguments)
                assert not is_error, (tool, text)
                assert "left_out" in json.loads(text)
        errors.seek(0)
        assert errors.read() == "stray words\n" * 2


def test_without_the_extra_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    for name in [name for name in sys.modules if name.startswith("mcp.")]:
        monkeypatch.delitem(sys.modules, name)
    assert run_command_line(["mcp"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "trainctl: error: trainctl mcp needs the extra `mcp`; install it: pip install 'trainctl-cockpit[mcp]'\n"
    )


def test_a_root_that_is_no_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["mcp", "--root", str(tmp_path / "none")]) == 2
    assert "no folder" in capsys.readouterr().err
