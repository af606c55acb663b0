"""Curves on the page: a spike of one step and a gap stay visible, and the picture fits any width."""

from __future__ import annotations

import re

import numpy as np
import pytest
from present import present

from trainctl.tui.charts.plot import Content, Line
from trainctl.tui.charts.pyramid import Points, Pyramid
from trainctl.tui.report.drawing import FINE, Drawing, Mark, draw

HEIGHT, COLUMNS = 100, 200


def series(values: np.ndarray) -> Pyramid:
    made = Pyramid(1.0)
    made.extend(values)
    return made


def drawn(*lines: Line, may_log: bool = False, **more: object) -> Drawing:
    content = Content(lines=lines, **more)  # pyright: ignore[reportArgumentType]
    return present(draw(content, title="Loss", name="f0", columns=COLUMNS, height=HEIGHT, may_log=may_log))


def path(svg: str, kind: str) -> str:
    return present(re.search(rf'<path class="{kind}[^"]*" d="([^"]*)"', svg))[1]


def points(d: str) -> list[tuple[int, int]]:
    """The corners of a path, in units of the picture."""
    found: list[tuple[int, int]] = []
    for piece in re.findall(r"M[^M]*", d):
        numbers = [int(n) for n in re.findall(r"-?\d+", piece.replace("h.01", "").replace("z", ""))]
        x, y = numbers[:2]
        found.append((x, y))
        for dx, dy in zip(numbers[2::2], numbers[3::2], strict=True):
            x, y = x + dx, y + dy
            found.append((x, y))
    return found


@pytest.mark.parametrize("at", [0, 1, 49_999, 77_777, 99_999])
def test_a_spike_of_a_single_step_reaches_the_top(at: int) -> None:
    values = np.full(100_000, 1.0)
    values[at] = 50.0
    svg = drawn(Line("total", series(values), 0)).svg
    x, y = min(points(path(svg, "band")), key=lambda point: point[1])
    assert y < 0.06 * HEIGHT * FINE
    assert x == pytest.approx(at / 100_000 * COLUMNS, abs=1.0)


def test_a_line_is_broken_where_nothing_is_finite_and_the_place_is_marked() -> None:
    values = np.linspace(1, 2, 10_000)
    values[4_000:5_000] = np.nan
    svg = drawn(Line("total", series(values), 0)).svg
    pieces = path(svg, "line").split("M")[1:]
    assert len(pieces) == 2
    left, right = map(float, present(re.match(r"M(\S+) 0H(\S+?)V", path(svg, "bad"))).groups())
    assert (left, right) == pytest.approx((80, 100), abs=1)


def test_columns_without_a_sample_do_not_break_a_line() -> None:
    few = Points(np.array([10.0, 500.0, 990.0]), np.array([3.0, 2.0, 1.0]))
    svg = drawn(Line("validation", few, 3, symbol="●"), x_range=(0.0, 1000.0)).svg
    assert path(svg, "line").count("M") == 1
    assert len(points(path(svg, "line"))) == 3
    assert path(svg, "dots").count("M") == 3


def test_a_range_of_two_decades_is_drawn_logarithmically_where_that_is_allowed() -> None:
    values = np.geomspace(10.0, 0.01, 1000)
    assert drawn(Line("total", series(values), 0), may_log=True).is_log
    assert not drawn(Line("total", series(values), 0), may_log=False).is_log
    assert not drawn(Line("total", series(values - 1), 0), may_log=True).is_log, "some are negative"


def test_letters_and_dots_are_not_stretched_with_the_paths() -> None:
    svg = drawn(Line("total", series(np.arange(50.0)), 0)).svg
    inner = present(re.search(r"<svg[^>]*preserveAspectRatio=\"none\".*?</svg>", svg))[0]
    assert "<text" not in inner
    assert re.findall(r'<text class="x" x="[\d.]+%"', svg)


def test_what_happened_is_marked_with_its_words() -> None:
    mark = Mark(25.0, "↓", words="step 25: learning rate cut")
    svg = drawn(Line("total", series(np.arange(50.0)), 0), marks=(mark,)).svg
    assert "<title>step 25: learning rate cut</title>" in svg
    assert re.search(r'<line class="mark" x1="4[789]', svg)


def test_the_course_is_told_to_who_cannot_see_it() -> None:
    svg = drawn(Line("total", series(np.array([4.0, 1.0, 2.0])), 0)).svg
    assert '<title id="f0-t">Loss</title>' in svg
    assert "total: 4 to 2, least 1, greatest 4" in svg


@pytest.mark.parametrize("values", [np.empty(0), np.array([np.nan, np.nan])])
def test_nothing_is_drawn_of_nothing(values: np.ndarray) -> None:
    content = Content(lines=(Line("total", series(values), 0),))
    assert draw(content, title="Loss", name="f0", columns=COLUMNS, height=HEIGHT, may_log=True) is None


@pytest.mark.parametrize("values", [[3.0], [0.0, 0.0], [1e30, 2e30], [-3e38, 3e38], [1e-40, 1e-41], [np.inf, 1.0]])
def test_any_figures_can_be_drawn(values: list[float]) -> None:
    assert "nan" not in drawn(Line("total", series(np.array(values)), 0), may_log=True).svg
