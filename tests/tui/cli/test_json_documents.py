"""Every command with `--json` has a section in docs/json.md, prints nothing else, and what the section says.

What the other tests of a command print is held against the page as well (`tests/conftest.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from json_page import check_output, faults, tables
from sample_run_directories import NAME, SampleRun

from trainctl.engine.runs.events import EventKind
from trainctl.engine.tasks.configured import resolve
from trainctl.tui.cli.group import load_command
from trainctl.tui.cli.main import run_command_line
from trainctl.tui.cli.table import COMMANDS

Capture = pytest.CaptureFixture[str]
OTHER = "20260102-120000-eyes-aggressive-00bb"
LOUD = """
import torch
print("a task of the user's, which says hello")
from torch import nn
from trainctl.engine.tasks.task import Split, Splits, StepOutput, Task

class Loud(Task):
    def load(self):
        print("loading")
        x = torch.randn(64, 4)
        return Splits(Split({"x": x, "y": x.sum(1)}), Split({"x": x, "y": x.sum(1)}))
    def build_model(self, splits):
        return nn.Linear(4, 1)
    def step(self, model, batch):
        return StepOutput({"mse": (model(batch["x"])[:, 0] - batch["y"]).square().mean() * float("nan")})
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two finished runs, a log and a task that prints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRAINCTL_RUNS_DIR", raising=False)
    for name, preset in ((NAME, "eyes/balanced"), (OTHER, "eyes/aggressive")):
        run = SampleRun(tmp_path / "runs", name)
        data = {"epoch": 1, "raw": {"f1": 0.9, "loss": float("inf")}, "monitor": "f1", "monitor_mode": "max"}
        run.events.append(EventKind.VALIDATION, 10, **data)
        run.paths.config.write_text(resolve(preset).to_yaml())
        run.end()
    (tmp_path / "loud.py").write_text(LOUD)
    steps = [f"{k},{1 / k:.4f},{'nan' if k > 90 else 0.001}" for k in range(1, 100)]
    (tmp_path / "log.csv").write_text("\n".join(["step,loss,lr", *steps]))
    return tmp_path


def options_of(command: Any, name: str) -> Iterator[tuple[str, bool]]:
    """Each command line without its arguments, and whether it takes `--json`."""
    for below, inner in getattr(command, "commands", {}).items():
        yield from options_of(inner, f"{name} {below}")
    if not getattr(command, "commands", {}) or command.invoke_without_command:
        yield name, any("--json" in getattr(param, "opts", ()) for param in command.params)


def test_the_page_has_a_section_for_each_command_that_prints_json_and_for_no_other() -> None:
    known = dict(pair for name, entry in COMMANDS.items() for pair in options_of(load_command(name, entry), name))
    with_json = {name for name, has_json in known.items() if has_json}
    assert with_json == {name for name, table in tables().items() if table.form}
    without = {"ui", "mcp", "report", "presets", "runs delete", "runs rename"}
    assert {name for name in known if name not in with_json} <= without


COMMAND_LINES = {
    "runs": ["runs"],
    "tail": ["tail", NAME],
    "diagnose a run": ["diagnose", NAME],
    "diagnose a log": ["diagnose", "log.csv"],
    "diagnose in Chinese": ["diagnose", "log.csv", "--lang", "zh"],
    "explain": ["explain", "D101"],
    "explain in Chinese": ["explain", "N901", "--lang", "zh"],
    "rules": ["rules"],
    "compare": ["compare", NAME, OTHER, "--metric", "f1", "--promised"],
    "presets list": ["presets", "list"],
    "presets show": ["presets", "show", "balanced", "optimizer.lr=1e-3"],
    "presets diff": ["presets", "diff", "eyes/balanced", "eyes/aggressive"],
    "import": ["import", "log.csv"],
    "export": ["export", NAME, "--to", "csv"],
}


@pytest.mark.parametrize("words", COMMAND_LINES.values(), ids=COMMAND_LINES)
def test_what_is_printed_is_what_the_page_says(here: Path, capsys: Capture, words: list[str]) -> None:
    assert run_command_line([*words, "--json"]) in (0, 3)
    out, err = capsys.readouterr()
    check_output(words, out)
    assert err == ""


@pytest.mark.parametrize("verb", ["data", "lr-find"])
def test_what_a_task_prints_goes_to_standard_error(here: Path, capsys: Capture, verb: str) -> None:
    words = [verb, "--task", "loud.py:Loud", "--device", "cpu", "train.batch_size=8"]
    assert run_command_line([*words, *(["--steps", "10"] if verb == "lr-find" else []), "--json"]) == 0
    out, err = capsys.readouterr()
    check_output(words, out)
    assert "loading\n" in err


def test_so_it_does_where_sarif_is_printed(here: Path, capsys: Capture) -> None:
    words = ["diagnose", "--task", "loud.py:Loud", "--device", "cpu", "--only", "data", "--sarif", "-"]
    assert run_command_line(words) in (0, 3)
    out, err = capsys.readouterr()
    assert json.loads(out)["version"] == "2.1.0" and "loading\n" in err


@pytest.mark.parametrize(
    "words",
    [["tail", "nothing"], ["diagnose", "nothing"], ["explain", "D1"], ["compare", NAME], ["presets", "show", "none"],
     ["send", NAME, "pause"], ["import", "nothing"], ["export", "nothing"], ["predict", NAME, "none.png"],
     ["runs", "--limit", "0"], ["evaluate", NAME]],
    ids=" ".join,
)  # fmt: skip
def test_a_mistake_is_one_line_on_standard_error(here: Path, capsys: Capture, words: list[str]) -> None:
    assert run_command_line([*words, "--json"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("trainctl: error: ") and err.count("\n") == 1


def test_a_key_too_many_one_too_few_and_one_of_another_type_are_faults() -> None:
    rows = {"a": "integer", "b": "list of string", "c": "object or null", "c.d": "number or null", "e": "map, optional"}
    assert list(faults({"a": 1, "b": ["x"], "c": {"d": None}, "e": {}}, rows)) == []
    assert list(faults({"a": 1, "b": [], "c": None, "x": 1}, rows)) == ["x is in no table"]
    assert list(faults({"a": 1, "c": None}, rows)) == ["b is missing"]
    wrong = {"a": "1", "b": [1], "c": {"d": True}}
    assert [one.split(" is ")[0] for one in faults(wrong, rows)] == ["a", "b[]", "c.d"]


def test_a_number_that_json_lacks_is_refused() -> None:
    with pytest.raises(AssertionError, match="NaN is no JSON"):
        check_output(["runs"], "[NaN]")
