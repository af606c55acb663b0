"""The cockpit in Chinese: no English sentence is left on any screen, and whatever is wider or narrower has its room.

Names, codes, options, metrics, keys and figures stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from every_page import every_page, tell
from pilots import LARGE, MEDIUM, SMALL, screen_text, shows
from rich.cells import cell_len
from synthetic_run import NewRun
from textual.pilot import Pilot
from textual.screen import ModalScreen

from trainctl.tui.app import CockpitApp
from trainctl.tui.words.language import speaking

WORD = re.compile(r"(?<![\w./:=<>\[-])[A-Za-z][a-z]{2,}(?![\w./=\]-])")
"""A plain word of a Latin script."""
KEPT = {
    *("bce", "aux", "ema", "log", "cpu", "eyes", "balanced", "closed", "open", "accuracy", "train", "val", "teacher"),
    *("stem", "blocks", "head", "aggressive", "conservative", "current", "latest", "quality", "test", "images"),
    *("enter", "esc", "tab", "shift", "ctrl", "spc", "space", "home", "end", "trainctl", "NaN", "set", "off", "min"),
    *("CSV", "JSON", "SVG", "lines", "config", "yaml", "weld", "RandomSampler", "raw", "shared", "escape", "down"),
}
"""Names of the run below, of its terms, groups, metrics and presets; keys, codes, units."""
FIELDS = {
    *("name", "state", "preset", "task", "study", "metric", "paused", "age", "took", "best", "loss", "step", "epoch"),
    *("steps", "epochs", "trial"),
}
"""What a filter of runs can ask for, as it is typed; series that are compared."""
DOCUMENT = re.compile(r"承诺|document|^│ {2,}[^●\s]")
"""Lines that quote what a preset or its document says."""


def shown(pilot: Pilot[None]) -> Iterator[str]:
    """Rows of what is in front; what lies behind a dialog is cut by its edges."""
    screen = pilot.app.screen
    strips = screen._compositor.render_strips()
    if isinstance(screen, ModalScreen) and screen.children:
        box = screen.children[0].region
        strips = [strip.crop(box.x, box.right) for strip in strips[box.y : box.bottom]]
    yield from ("".join(segment.text for segment in strip) for strip in strips)


def english(pilot: Pilot[None], page: str) -> Iterator[str]:
    """Rows with plain English words, and the words."""
    kept = KEPT | (FIELDS if "list of runs" in page or "compare" in page else set())
    for row in shown(pilot):
        if (page, bool(DOCUMENT.search(row))) in (("compare, page 4", True), ("key p", True)):
            continue
        left = [word for word in WORD.findall(row) if word not in kept]
        if left:
            yield f"{' '.join(left)}: {row.strip()}"


def misplaced(pilot: Pilot[None]) -> Iterator[str]:
    """Rows that are wider or narrower than the terminal: something overlaps. Words that end without saying so."""
    width = pilot.app.size.width
    for row in screen_text(pilot).splitlines():
        if cell_len(row) != width:
            yield f"{cell_len(row)} columns: {row}"


@pytest.mark.slow
@pytest.mark.parametrize("size", [MEDIUM, SMALL, LARGE], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_no_english_is_left_on_any_screen(
    new_run: NewRun, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
):
    run, other = tell(new_run().begin()), tell(new_run(preset="eyes/aggressive").begin())
    wrong: list[str] = []
    with speaking("zh"):
        async with CockpitApp(run.paths).run_test(size=size) as pilot:
            async for page in every_page(pilot, monkeypatch, other):
                wrong += [f"{page}: {words}" for words in (*english(pilot, page), *misplaced(pilot))]
        async with CockpitApp(run.paths, replay=True).run_test(size=size) as pilot:
            await shows(pilot, " 回放 ")
            wrong += [f"replay: {words}" for words in (*english(pilot, "replay"), *misplaced(pilot))]
    assert wrong == []
