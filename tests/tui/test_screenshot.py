"""The screen as an SVG file: its words stand where the terminal has them, and it is whole by itself."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from pilots import MEDIUM, shows, until
from rich.cells import cell_len
from synthetic_run import NewRun

from trainctl.tui.app import CockpitApp
from trainctl.tui.screenshot import as_svg
from trainctl.tui.words.language import speaking

TEXT = re.compile(r'<text class="[^"]*" x="([\d.]+)" y="([\d.]+)" textLength="([\d.]+)"[^>]*>([^<]+)</text>')
COLUMN = 12.2
"""Width of one in Textual's pictures."""


@pytest.mark.parametrize("lang", ["en", "zh"])
async def test_every_piece_of_text_is_as_wide_as_its_columns(new_run: NewRun, lang: str):
    run = new_run().begin()
    run.train(50)
    with speaking(lang):
        app = CockpitApp(run.paths)
        async with app.run_test(size=MEDIUM) as pilot:
            await shows(pilot, "损失" if lang == "zh" else "Loss")
            svg = as_svg(app, "a <run>")
    pieces = TEXT.findall(svg)
    assert len(pieces) > 50
    wide = 0
    for x, _, length, text in pieces:
        words = unescape(text)
        assert float(length) == pytest.approx(COLUMN * cell_len(words), abs=0.2), words
        assert float(x) + float(length) <= COLUMN * (MEDIUM[0] + 1)
        wide += cell_len(words) > len(words)
    assert (wide > 10) is (lang == "zh")
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "").replace("https://www.textualize.io", "")
    assert "a&#160;&lt;run&gt;" in svg


async def test_the_cockpit_writes_it(new_run: NewRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    run = new_run().begin()
    run.train(50)
    async with CockpitApp(run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "Loss")
        await pilot.press("e")
        await shows(pilot, "SVG: a picture of the screen")
        await pilot.press("down", "down", "enter")
        await until(pilot, lambda: any(tmp_path.glob("*.svg")))
    (picture,) = tmp_path.glob("*.svg")
    assert "@font-face" not in picture.read_text() and "Loss" in picture.read_text()
