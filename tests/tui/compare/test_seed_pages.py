"""The pages of the cockpit's comparison with runs under several seeds, and the picture of their curves."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_over_seeds import column, run

from trainctl.engine.errors import UserError
from trainctl.tui.charts.picture import Curve, Panel, to_png, to_svg
from trainctl.tui.compare.picture import check_picture, panels_of, write_picture
from trainctl.tui.widgets.compare_pages import figures_page, promises_page

ABOUT = {"promised": [{"figure": "best_metric", "value": [0.99, None], "section": "§1", "text": "near perfect"}]}


def test_marked_runs_that_differ_in_their_seed_are_taken_together() -> None:
    runs = [run(1, f1=0.8), run(2, f1=0.9), run(3, f1=0.85, config={"optimizer.lr": 1.0})]
    text = figures_page(runs, ["a", "b", "c"], [0, 1, 2]).plain
    assert "over seeds: mean ± 95 % interval" in text and "0.85 ± 0.64" in text
    assert "difference to eyes/balanced, paired by seed" not in text, "no seed is in both"
    assert "over seeds" not in figures_page(runs[1:], ["b", "c"], [1, 2]).plain


def test_promises_in_figures_have_a_verdict() -> None:
    runs = [run(seed, f1=0.5 + seed / 100, about=ABOUT) for seed in (1, 2, 3)]
    text = promises_page(runs, ["a", "b", "c"], [0, 1, 2]).plain
    assert "§1 near perfect best metric >= 0.99  0.520 ± 0.025  contradicted" in text
    assert "stated in figures" not in promises_page([run(1), run(2)], ["a", "b"], [0, 1]).plain


def test_a_curve_is_the_mean_over_the_epochs_that_all_seeds_have() -> None:
    two = column("<two> & more", run(1, (0.5, 0.3, 0.2)), run(2, (0.7, 0.5)))
    panels = panels_of([two, column("one", run(1, (0.4,)))])
    assert [panel.title for panel in panels] == ["training loss", "validation loss", "f1"]
    (epoch, mean, least, most), second = panels[0].curves[0].points
    assert (epoch, mean, least, most) == pytest.approx((1, 0.6, 0.5, 0.7)) and second[0] == 2
    svg = to_svg(panels)
    assert "&lt;two&gt; &amp; more, 2 seeds" in svg and svg.count("<polygon") == 3 and svg == to_svg(panels)


def test_a_picture_is_written_in_both_formats(tmp_path: Path) -> None:
    from PIL import Image

    columns = [column("a", run(1), run(2)), column("b\x1b[31m", run(1, (0.9,)))]
    for name in ("x.svg", "x.PNG"):
        check_picture(tmp_path / name)
        write_picture(tmp_path / name, columns)
    assert "\x1b" not in (tmp_path / "x.svg").read_text()
    with Image.open(tmp_path / "x.PNG") as image:
        assert image.size == (2640, 664) and len(image.convert("RGB").getcolors(1 << 20) or ()) > 10
    with pytest.raises(UserError, match="neither"):
        check_picture(tmp_path / "x.pdf")
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(UserError, match="cannot write"):
        write_picture(tmp_path / "folder.svg", columns)


def test_nothing_to_draw_is_an_empty_picture() -> None:
    assert to_svg([]).startswith("<svg") and to_png([])[:4] == b"\x89PNG"
    assert to_svg([Panel("x", [Curve("a", [])])]).count("polyline") == 0
    assert "<circle" in to_svg([Panel("x", [Curve("a", [(1.0, 5.0, 5.0, 5.0)])])])
