"""The log: what is seen of many lines, in which place, and with how little."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from pilots import cockpit, screen_text, shows, until_in_view
from rich.cells import cell_len
from synthetic_run import SyntheticRun
from textual.app import App, ComposeResult

from trainctl.engine.runs.events import Event, EventKind
from trainctl.tui.app import CockpitApp
from trainctl.tui.widgets import log
from trainctl.tui.widgets.log import LogPanel
from trainctl.tui.words.events import number, validation_in_brief

SIZE = (40, 10)
ROWS = SIZE[1] - 2
"""Rows inside the border."""


class LogApp(App[None]):
    """A log that fills the screen."""

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return {"chart-border": "#333333", "chart-label": "#888888"}

    def compose(self) -> ComposeResult:
        self.panel = LogPanel()
        yield self.panel


def rows(app: LogApp) -> list[str]:
    """What stands on each row of the log."""
    return [app.panel.render_line(y).text.rstrip() for y in range(ROWS)]


def numbered(start: int, stop: int) -> list[str]:
    return [f"line {k}" for k in range(start, stop)]


async def test_the_newest_lines_are_seen():
    app = LogApp()
    async with app.run_test(size=SIZE) as pilot:
        app.panel.add((), numbered(0, 100))
        await pilot.pause()
        assert rows(app) == numbered(100 - ROWS, 100)
        app.panel.add((), ["the last"])
        await pilot.pause()
        assert rows(app)[-1] == "the last"


async def test_lines_that_came_before_the_first_layout_are_there():
    app = LogApp()
    async with app.run_test(size=SIZE) as pilot:
        panel = LogPanel()
        panel.add((), ["early"])
        await app.mount(panel)
        await pilot.pause()
        assert panel.render_line(0).text.rstrip() == "early"


async def test_what_is_looked_at_stays_when_lines_come_and_the_end_is_followed_again_from_there():
    app = LogApp()
    async with app.run_test(size=SIZE) as pilot:
        panel = app.panel
        panel.add((), numbered(0, 100))
        await pilot.pause()
        panel.scroll_to(y=20, animate=False, immediate=True)
        await pilot.pause()
        panel.add((), numbered(100, 150))
        await pilot.pause()
        assert rows(app) == numbered(20, 20 + ROWS)
        panel.scroll_end(animate=False, immediate=True)
        panel.add((), ["the last"])
        await pilot.pause()
        assert rows(app)[-1] == "the last"


async def test_the_oldest_lines_are_forgotten_without_moving_what_is_looked_at(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(log, "MAX_LINES", 100)
    app = LogApp()
    async with app.run_test(size=SIZE) as pilot:
        panel = app.panel
        panel.add((), numbered(0, 100))
        await pilot.pause()
        panel.scroll_to(y=50, animate=False, immediate=True)
        await pilot.pause()
        panel.add((), numbered(100, 130))
        await pilot.pause()
        assert list(panel.entries) == numbered(30, 130)
        assert rows(app) == numbered(50, 50 + ROWS)


@pytest.mark.parametrize("text", ["word " * 30, "日本語" * 20])
async def test_a_long_line_is_wrapped_and_wrapped_again_at_another_width(text: str):
    app = LogApp()
    async with app.run_test(size=SIZE) as pilot:
        app.panel.add((), [text])
        await pilot.pause()
        narrow = "".join(rows(app)).replace(" ", "")
        assert narrow == text.replace(" ", "")
        before = app.panel.virtual_size.height
        await pilot.resize_terminal(2 * SIZE[0], SIZE[1])
        await pilot.pause()
        assert "".join(rows(app)).replace(" ", "") == text.replace(" ", "")
        assert app.panel.virtual_size.height < before


async def test_nothing_printed_reaches_the_terminal_as_a_command():
    app = LogApp()
    async with app.run_test(size=SIZE) as pilot:
        app.panel.add(
            [Event(EventKind.NOTE, 1, 0.0, {"text": "a\x1b[31mb\x07"})], ["x\x1b[2Jy\x9bz", "[bold]as it is[/]", "a\tb"]
        )
        await pilot.pause()
        text = "\n".join(rows(app))
        assert "ab�" in text and "xy\n" in text and "[bold]as it is[/]" in text and "a       b" in text
        assert not {"\x1b", "\x9b", "\x07"} & set(text)


async def test_a_filter_leaves_the_lines_that_match():
    app = LogApp()
    async with app.run_test(size=SIZE) as pilot:
        app.panel.add((), numbered(0, 100))
        app.panel.set_filter("7$")
        await pilot.pause()
        assert rows(app) == [f"line {k}7" for k in range(2, 10)]
        app.panel.add((), ["line 101", "line 107"])
        await pilot.pause()
        assert rows(app)[-2:] == ["line 97", "line 107"]


def checkpoints(first: int, last: int) -> list[Event]:
    """A note at each step."""
    return [Event(EventKind.NOTE, k, 1e9 + k, {"text": f"note number {k} of the run"}) for k in range(first, last)]


def echo(event: Event) -> str:
    return f"12:00:01 · {event.data['text']}"


def told(panel: LogPanel) -> list[str]:
    return [entry if isinstance(entry, str) else f"<{entry.step}>" for entry in panel.entries]


async def test_what_was_printed_stands_between_the_events_it_came_between():
    app = LogApp()
    async with app.run_test(size=SIZE):
        first, second, third = checkpoints(0, 3)
        console = ["loading", echo(first), "a warning", echo(second), "Traceback", "boom"]
        app.panel.add([first, second, third], console)
        assert told(app.panel) == ["loading", "<0>", "a warning", "<1>", "<2>", "Traceback", "boom"]
        assert app.panel.last_words == "boom"


async def test_the_echoes_of_very_many_events_are_no_printed_text_and_the_last_words_are_of_the_end():
    app = LogApp()
    async with app.run_test(size=SIZE):
        events = checkpoints(0, 600)
        console = [line for event in events for line in (echo(event), *(["old warning"] if event.step == 40 else []))]
        app.panel.add(events[-256:], console, events)
        assert told(app.panel) == ["old warning", *(f"<{k}>" for k in range(344, 600))]
        assert app.panel.last_words == "", "what was printed long before the end is no last word"
        app.panel.add((), ["Killed by the kernel"])
        assert app.panel.last_words == "Killed by the kernel"


async def test_an_echo_that_comes_after_its_event_is_recognised():
    app = LogApp()
    async with app.run_test(size=SIZE):
        (event,) = checkpoints(7, 8)
        app.panel.add([event], ())
        app.panel.add((), ["before it", echo(event), "after it"])
        assert told(app.panel) == ["<7>", "before it", "after it"]


async def test_folded_and_repeated_echoes_are_recognised():
    app = LogApp()
    async with app.run_test(size=SIZE):
        same = [Event(EventKind.NOTE, k, 1e9, {"text": "checkpoint written, the newest one there is"}) for k in (1, 2)]
        app.panel.add(
            same,
            ["checkpoint written, the", "newest one there is", "x", "· checkpoint written, the newest one there is"],
        )
        assert told(app.panel) == ["<1>", "x", "<2>"]


def test_many_lines_beside_many_events_cost_little():
    echoes = log._Echoes([(f"note number {k} of the run", event) for k, event in enumerate(checkpoints(0, 2000))])
    lines = [f"some line that nobody else has printed, number {k}" for k in range(600)]
    began = time.perf_counter()
    assert not any(echoes.of(line) for line in lines)
    assert time.perf_counter() - began < 1.0
    assert [event.step for _, event in echoes.of("! note number 7 of the run")] == [7]


VALIDATED = {"raw": {"loss": 0.4, "accuracy": 0.9, "f1": 0.8812}, "ema": {"loss": 0.3, "f1": 0.89}, "best": True}


@pytest.mark.parametrize("width", [24, 30, 42, 50, 62, 78, 100, 118])
def test_the_monitored_metric_is_cut_last(width: int):
    event = Event(EventKind.VALIDATION, 123456, 0.0, {"epoch": 3, **VALIDATED})
    shown = log._Line(event).shown(width, "f1").plain
    assert "f1 0.8812" in shown and cell_len(shown) <= width
    is_whole = all(words in shown for words in ("loss 0.4", "accuracy 0.9", "loss 0.3", "0.89", "epoch 3"))
    assert is_whole or re.search(r"  \+\d$", shown), shown


@pytest.mark.parametrize("metric", [None, "f1", "not measured"])
@pytest.mark.parametrize(("raw", "ema"), [({}, {}), ({"loss": 1.0}, {}), ({}, {"f1": 0.5}), ({"f1": None}, {"f1": 1})])
def test_a_validation_in_brief_leaves_nothing_out(metric: str | None, raw: dict[str, float], ema: dict[str, float]):
    words = validation_in_brief({"epoch": 2, "after": "refit", "raw": raw, "ema": ema}, metric)
    assert words.startswith("val") and "epoch 2" in words and "after refit" in words
    assert all(words.count(f"{name} ") == 1 for name in raw) and all(number(value) in words for value in ema.values())


async def test_a_narrow_log_says_first_what_decides(runs_dir: Path):
    run = SyntheticRun(runs_dir).begin()
    run.train(50)
    run.validate(1, 0.5, 0.8, accuracy=0.9, precision=0.7, recall=0.6, auroc=0.95)
    async with CockpitApp(run.paths).run_test(size=(80, 24)) as pilot:
        await shows(pilot, "step 50/")
        await until_in_view(pilot, cockpit(pilot).log_panel, lambda: "✓ val f1 0.8" in screen_text(pilot))
