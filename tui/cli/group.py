"""The command line as typer sees it: one group whose commands are imported when they are used.

Knows no command beyond the table in `table.py`.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from trainctl.engine.errors import ExitCode, UserError
from trainctl.tui.cli.live.loading import loading_shown
from trainctl.tui.cli.output import only_documents
from trainctl.tui.cli.table import COMMANDS, CommandEntry

WrongUsageError = cast("type[Exception]", typer.BadParameter.__bases__[0])
"""What typer raises for a wrong command line. Taken by descent: newer versions carry their own click."""


class _ReaderGoneError(Exception):
    """Nobody reads our output any more."""


class LazyGroup(TyperGroup):
    """A group of commands that are imported when they are used."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, imported now; none if the table does not know it."""
        del ctx
        entry = COMMANDS.get(cmd_name)
        return None if entry is None else load_command(cmd_name, entry)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As the base class, but an unknown command names the nearest one."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            near = difflib.get_close_matches(args[0], COMMANDS, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else "see `trainctl --help`"
            raise UserError(f"unknown command {args[0]!r}", hint)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """As the base class, which would end the process with an error when the reader of our output goes."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as err:
            raise _ReaderGoneError from err

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The overview, from the table alone."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


def load_command(name: str, entry: CommandEntry) -> Any:
    """Import a command and wrap it for typer."""
    found = importlib.import_module(entry.module).command
    if not isinstance(found, typer.Typer):
        function, found = found, typer.Typer(add_completion=False, rich_markup_mode=None)
        found.command(name, context_settings=CONTEXT_SETTINGS)(function)
    command = typer.main.get_command(found)
    command.name = name
    return command


CONTEXT_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    name="trainctl",
    cls=LazyGroup,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=CONTEXT_SETTINGS,
    epilog="`trainctl COMMAND --help` says more about a command.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"trainctl {version('trainctl-cockpit')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The training cockpit for the terminal: trains, records every step, says why it fails."""
    del version
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def run_group(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code.

    Raises:
        UserError: a mistake of the user, in the command line or found by the command.
        BrokenPipeError: nobody reads our output any more.
        KeyboardInterrupt: the user interrupted it.
    """
    try:
        with loading_shown(), only_documents() if _wants_documents(argv) else contextlib.nullcontext():
            result = typer.main.get_command(app).main(list(argv), prog_name="trainctl", standalone_mode=False)
    except WrongUsageError as err:
        raise UserError(_usage_message(err)) from err
    except _ReaderGoneError as err:
        raise BrokenPipeError from err
    except typer.Abort as err:
        raise KeyboardInterrupt from err
    return result if isinstance(result, int) else ExitCode.OK


def _wants_documents(argv: Sequence[str]) -> bool:
    """Whether JSON is asked of a command that prints it when it is done; `run` parts its lines from others itself."""
    return "run" not in argv[:1] and ("--json" in argv or ("--sarif", "-") in pairwise(argv))


def _usage_message(err: Any) -> str:
    """One line from typer's error, with the command whose help explains it."""
    message = " ".join(err.format_message().split()).rstrip(".").replace("Value error, ", "")
    path = err.ctx.command_path if err.ctx is not None else "trainctl"
    message = message[:1].lower() + message[1:]
    return message if message.endswith("?") else f"{message}; see `{path} --help`"
