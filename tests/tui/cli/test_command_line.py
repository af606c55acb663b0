"""A command whose options are fields of a dataclass: what typer makes of it, and that no help needs torch."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from trainctl.tui.cli.command_line import takes
from trainctl.tui.cli.options import OverridableOptions, ScaleChoice
from trainctl.tui.cli.table import COMMANDS


@dataclass(frozen=True)
class Words(OverridableOptions):
    name: Annotated[str, typer.Option("--name", help="Whose.")] = "nobody"
    loud: Annotated[bool, typer.Option("--loud", help="How.")] = False


def told(*words: str, first: tuple[str, ...] = ()) -> tuple[list[Words], str]:
    """What the command was given, and what it printed."""
    given: list[Words] = []
    app = typer.Typer(add_completion=False, rich_markup_mode=None)

    @app.command()
    @takes(Words, first=first)
    def command(options: Words) -> None:
        """Say it."""
        given.append(options)

    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output
    return given, done.output


def test_every_field_is_given_or_has_its_default():
    ((nothing,), _), ((some,), _) = told(), told("a=1", "--scale", "full", "--loud", "-s", "b=2", "--device", "cpu")
    assert nothing == Words() and nothing.scale is ScaleChoice.AUTO
    assert some == Words(overrides=["a=1"], scale=ScaleChoice.FULL, loud=True, sets=["b=2"], device="cpu")
    assert some.assignments == ["runtime.device=cpu", "b=2", "a=1"]


def test_the_help_is_the_function_s_and_its_order_can_be_chosen():
    def order(text: str) -> list[str]:
        return sorted(("--preset", "--scale", "--name", "--loud"), key=text.index)

    _, plain = told("--help")
    _, chosen = told("--help", first=("loud", "scale"))
    assert "Say it." in plain and "Whose.  [default: nobody]" in plain
    assert order(plain) == ["--preset", "--scale", "--name", "--loud"]
    assert order(chosen) == ["--loud", "--scale", "--preset", "--name"]


def test_no_help_imports_torch():
    code = (
        "import sys; from trainctl.tui.cli.main import run_command_line as r; "
        "[r([name, '--help']) for name in sys.argv[1:]]; sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, *COMMANDS], capture_output=True, text=True, check=True)
    assert all(f"Usage: trainctl {name} " in done.stdout for name in COMMANDS)


def test_a_field_that_does_not_exist_cannot_come_first():
    with pytest.raises(KeyError, match="colour"):
        takes(Words, first=("colour",))(lambda options: None)
