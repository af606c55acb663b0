"""The screen as an SVG file that looks as the terminal does, wherever it is opened. Knows Textual's way to write one.

Fetches nothing from elsewhere, names fonts that have Chinese signs too, and gives signs of two columns the room of two.
"""

from __future__ import annotations

import html
import re
from itertools import groupby
from typing import Any

from rich.cells import cell_len
from textual.app import App

FONTS = (
    "Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', "
    "'Noto Sans Mono CJK SC', 'Sarasa Mono SC', 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', monospace"
)
"""Of letters first, then of Chinese signs: what the one has not is looked for in the next."""
_FETCHED = re.compile(r"@font-face \{.*?\}", re.DOTALL)
_PREFIX = re.compile(r"terminal-\d+-")
"""Makes names unique among pictures in one page; within a file it is a third of its size."""
_TEXT = re.compile(r'<text class="(\w+)" x="([\d.]+)" (y="[\d.]+") textLength="([\d.]+)"([^>]*)>([^<]+)</text>')


def as_svg(app: App[Any], title: str) -> str:
    """What the app shows now.

    Args:
        app: running.
        title: above the picture.
    """
    svg = _FETCHED.sub("", app.export_screenshot(title=title)).replace("monospace", FONTS)
    return _TEXT.sub(_in_columns, _PREFIX.sub("", svg))


def _in_columns(found: re.Match[str]) -> str:
    """A piece of text where its columns are: it was given one for each of its signs, of whatever width."""
    style, x, y, length, rest, text = found.groups()
    signs = html.unescape(text)
    if cell_len(signs) == len(signs):
        return found[0]
    column, at, parts = float(length) / len(signs), float(x), list[str]()
    for width, group in groupby(signs, key=cell_len):  # else letters are stretched as their neighbours
        part = "".join(group)
        room = column * width * len(part)
        words = html.escape(part).replace(" ", "&#160;")
        parts.append(f'<text class="{style}" x="{at:.1f}" {y} textLength="{room:.1f}"{rest}>{words}</text>')
        at += room
    return "".join(parts)
