"""The bar while data is loaded: shown where it takes long and a person may be watching, gone afterwards."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from trainctl.engine.data.progress import report
from trainctl.tui.cli.live import loading
from trainctl.tui.cli.live.loading import bar_line, loading_shown


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    stream = Terminal()
    monkeypatch.setattr(loading, "sys", SimpleNamespace(stderr=stream))  # pytest puts its own back before the test
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(loading, "PATIENCE_S", -1.0)
    monkeypatch.setattr(loading, "REDRAW_S", -1.0)
    return stream


def test_what_is_done_is_drawn_and_removed_when_finished(terminal: Terminal) -> None:
    with loading_shown():
        report("reading photographs", 12, 48)
        drawn = terminal.getvalue()
        report("reading photographs", 48, 48)
    assert "reading photographs" in drawn
    assert "12/48" in drawn
    assert terminal.getvalue().endswith("\x1b[1A\r\x1b[J")


def test_an_error_removes_it_too(terminal: Terminal) -> None:
    with pytest.raises(ValueError), loading_shown():
        report("reading photographs", 12, 48)
        raise ValueError
    assert terminal.getvalue().endswith("\x1b[1A\r\x1b[J")


def test_what_is_quick_is_not_shown(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "PATIENCE_S", 60.0)
    with loading_shown():
        report("reading photographs", 12, 48)
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("why", ["no terminal", "dumb"])
def test_nothing_is_shown_where_nobody_watches(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    if why == "dumb":
        monkeypatch.setenv("TERM", "dumb")
    else:
        monkeypatch.setattr(terminal, "isatty", lambda: False)
    with loading_shown():
        report("reading photographs", 12, 48)
    assert terminal.getvalue() == ""


def test_the_line_fits_any_terminal() -> None:
    assert bar_line("reading", 1, 4, 9, 80) == f"reading {'━' * 6}{'─' * 18}  1/4  9 s left"
    assert bar_line("reading", 1, 4, 9, 80, "ascii") == f"reading {'#' * 6}{'-' * 18}  1/4  9 s left"
    for width in range(60):
        assert len(bar_line("reading", 1, 4, 9, width)) <= max(width - 1, 0)
