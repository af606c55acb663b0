"""The screen as an SVG file that looks as the terminal does, wherever it is opened. Knows Textual's way to write one.

Fetches nothing from elsewhere, names fonts that have Chinese signs too, and gives signs of two columns the room of two.
"""

from __future__ import annotations

import html
import re
from typing import Any

from rich.cells import cell_len
from textual.app import App

FONTS = "'Noto Sans Mono CJK SC', 'Sarasa Mono SC', 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', monospace"
"""Before any other; each piece of text has its own width in the picture."""
_FETCHED = re.compile(r"@font-face \{.*?\}", re.DOTALL)
_PREFIX = re.compile(r"terminal-\d+-")
"""Makes names unique among pictures in one page; within a file it is a third of its size."""
_TEXT = re.compile(r'textLength="([\d.]+)"([^>]*)>([^<]+)</text>')


def as_svg(app: App[Any], title: str) -> str:
    """What the app shows now.

    Args:
        app: running.
        title: above the picture.
    """
    svg = _FETCHED.sub("", app.export_screenshot(title=title)).replace("monospace", FONTS)
    return _TEXT.sub(_in_columns, _PREFIX.sub("", svg))


def _in_columns(found: re.Match[str]) -> str:
    """A piece of text as wide as its columns: it was given a column for each of its signs."""
    length, rest, text = found.groups()
    signs = html.unescape(text)
    width = float(length) / len(signs) * cell_len(signs)
    return f'textLength="{width:.1f}"{rest}>{text}</text>'
