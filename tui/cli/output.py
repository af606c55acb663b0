"""Printing for the commands: plain text into a pipe, colour and the terminal's width on a terminal; in the language
that is spoken (`tui.spoken`).

Colour is rich's decision (`NO_COLOR`, `TERM=dumb`); a pipe gets whole lines without a single escape code. Whatever is
printed goes through `tui.plain`: names and messages can come from anybody's files.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Generator, Iterable, Sequence
from typing import Any, TextIO

import typer

from trainctl.tui.plain import escaped_json, printable
from trainctl.tui.spoken import said, said_in_columns
from trainctl.tui.words.styles import TERMINAL

GAP = 2
"""Spaces between columns."""
LEAST_ROOM = 16
"""A last piece with fewer columns than this is left to the terminal to wrap."""

SCHEMA = 1
"""Version of what `--json` prints (docs/json.md)."""

Cell = tuple[str, str]
"""Text and its rich style (empty: none)."""

_documents: list[TextIO] = []
"""Where JSON goes; empty: to standard output, like everything."""


@contextlib.contextmanager
def only_documents() -> Generator[None]:
    """Within, standard output has JSON and nothing else: what anybody prints, such as a task of the user's, goes to
    standard error."""
    _documents.append(sys.stdout)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _documents.pop()


def print_lines(lines: Iterable[Sequence[Cell]]) -> None:
    """Print lines of styled pieces. On a terminal, a last piece that does not fit continues under itself."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, emoji=False)
    for line in lines:
        pieces = [(said_in_columns(printable(text)), style) for text, style in line]
        if not console.is_terminal:
            typer.echo("".join(text for text, _ in pieces).rstrip())
            continue
        start = Text.assemble(*pieces[:-1])
        last = Text.assemble(*pieces[-1:])
        room = console.width - start.cell_len
        if last.cell_len <= room or room < LEAST_ROOM:
            console.print(start + last, soft_wrap=True)
            continue
        for part in last.wrap(console, room):
            console.print(start + part, soft_wrap=True)
            start = Text(" " * start.cell_len)


def print_meant(lines: Iterable[Sequence[Cell]]) -> None:
    """Print lines whose pieces carry a meaning in place of a style, see `words.styles`."""
    print_lines([(text, TERMINAL.get(meaning, "")) for text, meaning in line] for line in lines)


def say(*lines: str, err: bool = False) -> None:
    """Print lines of plain text, on standard error if that is asked."""
    for line in lines:
        typer.echo(said(printable(line)), err=err)


def ask(question: str) -> str:
    """What is typed behind a question, without spaces around it; empty at the end of the input."""
    sys.stdout.write(f"  {question}: ")
    sys.stdout.flush()
    return sys.stdin.readline().strip()


def say_json(value: Any) -> None:
    """Print one line of strict JSON, see `to_plain`."""
    from trainctl.engine.runs.atomic import to_json

    _echo_document(to_json(value))


def align(rows: Sequence[Sequence[Cell]], indent: int = 0) -> list[list[Cell]]:
    """Rows with every column but the last padded to its widest cell."""
    from rich.cells import cell_len

    rows = [[(said(printable(text)), style) for text, style in row] for row in rows]
    columns = max((len(row) for row in rows), default=0)
    widths = [max((cell_len(row[i][0]) for row in rows if i < len(row)), default=0) for i in range(columns)]
    return [
        [
            (" " * indent, ""),
            *((text + " " * (widths[i] - cell_len(text) + GAP), style) for i, (text, style) in enumerate(row[:-1])),
            *row[-1:],
        ]
        for row in rows
    ]


def print_json(value: Any) -> None:
    """Print one JSON document. A number that JSON lacks (infinity, NaN) becomes null."""
    _echo_document(json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False))


def print_document(text: str) -> None:
    """Print a document as it is, which no terminal is to read."""
    typer.echo(text, nl=False)


def _echo_document(text: str) -> None:
    typer.echo(escaped_json(text), file=_documents[-1] if _documents else None)


def tell(**progress: Any) -> None:
    """Say how far a command is: a JSON line on standard error, for a program that shows it as it comes."""
    from trainctl.engine.runs.atomic import to_json

    sys.stderr.write(escaped_json(to_json(progress)) + "\n")
    sys.stderr.flush()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {str(key): _finite(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(below) for below in value]
    return value
