"""The entry point: overview, exit codes, one line per mistake, and nothing heavy imported."""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import typer

from trainctl.engine.errors import ExitCode, UserError
from trainctl.tui.cli import main as cli
from trainctl.tui.cli.options import Overrides, Preset, ScaleChoice, Set, all_overrides
from trainctl.tui.cli.output import print_json
from trainctl.tui.cli.table import COMMANDS, CommandEntry

# Runs in a fresh process; prints which heavy modules it ended up with.
HEAVY_ONES = ("torch", "sklearn", "textual", "pyarrow", "mcp")
HEAVY = f"print(__import__('json').dumps([m for m in {HEAVY_ONES!r} if m in sys.modules]))"
LIGHT_PACKAGES = ("trainctl.engine.config", "trainctl.engine.runs", "trainctl.tui")
WALK = f"""
import importlib, pkgutil, sys
for name in {LIGHT_PACKAGES!r}:
    package = importlib.import_module(name)
    for found in pkgutil.walk_packages(package.__path__, name + "."):
        importlib.import_module(found.name)
        assert "torch" not in sys.modules, found.name + " imports torch"
        print(found.name)
"""


class Probe(types.ModuleType):
    """A module of a command."""

    command: Callable[..., None]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Probe:
    """A module in the table under the name `probe`; a test gives it its `command`."""
    module = Probe("trainctl_probe")
    monkeypatch.setitem(sys.modules, "trainctl_probe", module)
    monkeypatch.setitem(COMMANDS, "probe", CommandEntry("trainctl_probe", "A probe."))
    return module


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def heavy_after(argv: Sequence[str]) -> list[str]:
    out = python(f"import sys; from trainctl.tui.cli.main import run_command_line as r; r({list(argv)!r}); {HEAVY}")
    return json.loads(out.splitlines()[-1])


def complaint(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert cli.run_command_line(argv) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("trainctl: error: ")
    assert err.count("\n") == 1
    return err.removeprefix("trainctl: error: ").rstrip("\n")


def test_help_lists_every_command_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run_command_line(["--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for name, entry in COMMANDS.items():
        assert f" {name} {entry.help}" in text


def test_trainctl_alone_prints_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run_command_line([]) == 0
    alone = capsys.readouterr().out
    cli.run_command_line(["-h"])
    assert capsys.readouterr().out == alone


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run_command_line(["--version"]) == 0
    assert capsys.readouterr().out.startswith("trainctl 0.")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["preset"], "unknown command 'preset'; did you mean presets?"),
        (["qqq"], "unknown command 'qqq'; see `trainctl --help`"),
        (["--preset"], "no such option: --preset; see `trainctl --help`"),
        (["presets", "show", "--sclae", "x"], "no such option: --sclae"),
    ],
)
def test_a_wrong_command_line_is_one_line(capsys: pytest.CaptureFixture[str], argv: list[str], message: str) -> None:
    assert complaint(capsys, *argv).startswith(message)


def test_a_user_error_in_a_command_is_one_line(capsys: pytest.CaptureFixture[str], command: Probe) -> None:
    def run() -> None:
        raise UserError("no such run:\n r1", "see `trainctl runs`")

    command.command = run
    assert complaint(capsys, "probe") == "no such run:  r1; see `trainctl runs`"


def test_an_interrupt_ends_with_130(command: Probe) -> None:
    def run() -> None:
        raise KeyboardInterrupt

    command.command = run
    assert cli.run_command_line(["probe"]) == ExitCode.INTERRUPTED


def test_a_command_chooses_its_exit_code(command: Probe) -> None:
    def run() -> None:
        raise typer.Exit(ExitCode.FINDINGS)

    command.command = run
    assert cli.run_command_line(["probe"]) == ExitCode.FINDINGS


def test_our_own_mistake_is_not_hidden(command: Probe) -> None:
    def run() -> None:
        raise ValueError("ours")

    command.command = run
    with pytest.raises(ValueError, match="ours"):
        cli.run_command_line(["probe"])


def test_overrides_come_as_arguments_or_with_set(capsys: pytest.CaptureFixture[str], command: Probe) -> None:
    def run(preset: Preset = None, overrides: Overrides = None, sets: Set = None) -> None:
        print_json([preset, all_overrides(sets, overrides, "cpu")])

    command.command = run
    assert cli.run_command_line(["probe", "a=1", "-p", "balanced", "--set", "b=2", "c=[1, 2]"]) == 0
    expected = ["balanced", ["runtime.device=cpu", "b=2", "a=1", "c=[1, 2]"]]
    assert json.loads(capsys.readouterr().out) == expected


@pytest.mark.parametrize(
    ("choice", "device", "scale"),
    [("auto", "cpu", "small"), ("auto", "cuda", "full"), ("small", "cuda", "small"), ("full", "cpu", "full")],
)
def test_the_automatic_scale_depends_on_the_device(choice: str, device: str, scale: str) -> None:
    assert ScaleChoice(choice).on(device) == scale


def test_main_ends_the_process_with_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0


def test_a_reader_that_goes_away_is_no_error() -> None:
    code = "from trainctl.tui.cli.main import main; main(['presets', 'show', '--resolved'])"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


@pytest.mark.parametrize("argv", [["--help"], ["presets", "list"], ["presets", "show", "--resolved"]])
def test_what_only_prints_imports_nothing_heavy(argv: list[str]) -> None:
    assert heavy_after(argv) == []


def test_help_imports_no_command_and_neither_pydantic_nor_rich() -> None:
    out = python(
        "import sys; from trainctl.tui.cli.main import run_command_line as r; r(['--help']); "
        "from trainctl.tui.cli.table import COMMANDS; "
        "print([m for m in [e.module for e in COMMANDS.values()] + ['pydantic', 'rich', 'yaml'] if m in sys.modules])"
    )
    assert out.splitlines()[-1] == "[]"


def test_configuration_run_directories_and_cockpit_import_no_torch() -> None:
    walked = python(WALK).splitlines()
    assert {"trainctl.engine.config.schema", "trainctl.engine.runs.store", "trainctl.tui.app"} <= set(walked)


def test_help_answers_at_once() -> None:
    code = "from trainctl.tui.cli.main import main; main(['--help'])"
    # Processor time, not the clock: how busy the machine is, is no fault of ours. The benchmark has the clock.
    assert min(_work_s(code) - _work_s("pass") for _ in range(3)) < 0.3


def _work_s(code: str) -> float:
    """Processor seconds of a fresh interpreter that runs `code`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    python(f"try:\n  exec({code!r})\nexcept SystemExit: pass")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert cli.run_command_line([name, "--help"]) == 0
    assert f"Usage: trainctl {name}" in capsys.readouterr().out


def test_every_command_file_is_in_the_table() -> None:
    files = {
        path for path in Path(cli.__file__).with_name("commands").glob("*.py") if "\ndef command(" in path.read_text()
    }
    assert {path.stem for path in files} <= {entry.module.rpartition(".")[2] for entry in COMMANDS.values()}
