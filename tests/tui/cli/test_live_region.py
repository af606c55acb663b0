"""The lines at the bottom of the terminal, on a terminal of a few lines of code that wraps like a real one."""

from __future__ import annotations

import io
import re

import pytest

from trainctl.tui.cli.live.region import LiveRegion

SEQUENCE = re.compile(r"\x1b\[(\d*)([AJm])|(\r)|(\n)|([^\x1b\r\n]+)")


class Terminal(io.StringIO):
    """Rows of text; narrowing it wraps what is wider, as terminals do that reflow."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width, self.rows = width, [""]

    def write(self, text: str) -> int:
        for count, kind, _, newline, plain in SEQUENCE.findall(text):
            if plain:
                self.rows[-1] += plain
                assert len(self.rows[-1]) <= self.width, "wider than the terminal"
            elif newline:
                self.rows.append("")
            elif kind == "A":
                assert self.rows[-1] == "", "the cursor is left at the start of a line"
                del self.rows[len(self.rows) - 1 - int(count) :]
                self.rows.append("")
        return len(text)

    def resize(self, width: int) -> None:
        self.width = width
        self.rows = [row[k : k + width] for row in self.rows for k in range(0, max(len(row), 1), width)]


def region(terminal: Terminal, *, is_coloured: bool = False) -> LiveRegion:
    return LiveRegion(terminal, is_coloured=is_coloured, width=lambda: terminal.width)


def plain(*lines: str) -> list[list[tuple[str, str]]]:
    return [[(line, "")] for line in lines]


def test_lines_are_redrawn_in_place_and_text_goes_above() -> None:
    terminal = Terminal(40)
    live = region(terminal)
    live.draw(plain("one", "two"))
    live.draw(plain("three", "four"))
    live.write_above(*plain("first"), *plain("second"))
    live.draw(plain("five"))
    assert terminal.rows == ["first", "second", "five", ""]
    live.erase()
    assert terminal.rows == ["first", "second", ""]


@pytest.mark.parametrize("width", [60, 39, 20, 7])
def test_a_resize_leaves_no_remains(width: int) -> None:
    terminal = Terminal(40)
    live = region(terminal)
    live.write_above(*plain("above"))
    live.draw(plain("x" * 39, "y" * 25, "z"))
    terminal.resize(width)
    live.draw(plain("after"))
    assert terminal.rows == ["above", "after", ""]


def test_styles_are_left_out_where_there_is_no_colour() -> None:
    for is_coloured in (False, True):
        stream = io.StringIO()
        LiveRegion(stream, is_coloured=is_coloured, width=lambda: 80).draw([[("bold", "bold"), (" plain", "")]])
        assert ("\x1b[1mbold\x1b[0m plain\n" if is_coloured else "bold plain\n") == stream.getvalue()
