"""Text that a terminal can be given: whatever a name or a message holds, it moves no cursor and changes no colour.

Names of runs, files, classes and terms, notes and printed lines can come from anybody's data. So every surface passes
them through here, and measures them in columns (a Chinese sign or an emoji takes two), not in characters. Pure.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterator

_BETWEEN = re.compile(r"( · | {2,}|, )")
UNKNOWN = "\N{REPLACEMENT CHARACTER}"
_SEPARATORS = ("Zs", "Zl", "Zp")
_BLANKS = "\t\n\v\f\r\x85"
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, the cursor, what is erased
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # OSC and such: titles, clipboard
    r"|\x1b[ -/]*[0-~]"
)
"""What a terminal takes as one command (ECMA-48 §5.4, §5.6, §8.3.89)."""
_OPENING, _CLOSING = "（《〈「『【〔“‘", "，。；：、！？）》〉」』】〕”’…%"
"""Signs that no line ends with, and that none begins with (GB/T 15834-2011 §5.1)."""
_IDEOGRAPH = "\u3400-\u4dbf\u4e00-\u9fff\u3040-\u30ff\uac00-\ud7af"
_ATOM = re.compile(rf"\s*[{_OPENING}]*(?:[{_IDEOGRAPH}]|[^\s{_IDEOGRAPH}{_OPENING}{_CLOSING}]+)?[{_CLOSING}]*\s*")
"""What stays in one line: a word, or one sign of a script without spaces, with the punctuation at it."""


def printable(text: str) -> str:
    """`text` in one line without a control: breaks and tabs are spaces, invisible signs are left out.

    Whole escape sequences, and marks that reorder a line, are left out; what is left of controls (C1 too, which some
    terminals obey without an escape) and what cannot be encoded is shown as a replacement character.
    """
    return text if text.isprintable() else "".join(map(_printable, _SEQUENCE.sub("", text)))


def escaped_json(text: str) -> str:
    """JSON in which no character outside of strings changes, and within them none commands a terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else _escape(char) for char in text)


def columns(text: str) -> int:
    """How many columns the text takes, once it is printable."""
    from rich.cells import cell_len

    return cell_len(printable(text))


def cut(text: str, width: int) -> str:
    """Printable text in at most `width` columns; `+7` behind it: so many characters are left out."""
    text = printable(text)
    if columns(text) <= width:
        return text
    for kept in range(min(len(text), max(width, 0)), -1, -1):
        shown = f"{text[:kept].rstrip()}+{len(text) - kept}"
        if columns(shown) <= width:
            return shown
    return "+"[: max(width, 0)]


def cut_start(text: str, width: int) -> str:
    """The same without its beginning: `7+` before what is left."""
    text = printable(text)
    if columns(text) <= width:
        return text
    for left_out in range(max(len(text) - width, 0), len(text) + 1):
        shown = f"{left_out}+{text[left_out:].lstrip()}"
        if columns(shown) <= width:
            return shown
    return "+"[: max(width, 0)]


def fitted(text: str, width: int) -> str:
    """Printable text in at most `width` columns, cut between its parts (`, `, ` · ` or two spaces stand between two);
    `+4` behind it: so many parts are left out."""
    text = printable(text)
    if columns(text) <= width:
        return text
    pieces = _BETWEEN.split(text)  # part, separator, part, ...
    num_parts = len(pieces) // 2 + 1
    for kept in range(num_parts - 1, 0, -1):
        shown = f"{''.join(pieces[: 2 * kept - 1])}  +{num_parts - kept}"
        if columns(shown) <= width:
            return shown
    return cut(text, width)


def padded(text: str, width: int) -> str:
    """Printable text in exactly `width` columns, cut or filled with spaces."""
    text = cut(text, width)
    return text + " " * (width - columns(text))


def in_lines(text: str, width: int) -> list[str]:
    """Text in lines of at most `width` columns, broken at spaces, and between signs of a script that has none."""
    if text.isascii():
        return textwrap.wrap(text, width, break_on_hyphens=False)
    lines = [""]
    for atom in _atoms(text, width):
        if lines[-1].strip() and columns(lines[-1] + atom.rstrip()) > width:
            lines[-1] = lines[-1].rstrip()
            lines.append("")
        lines[-1] += atom
    return [line.rstrip() for line in lines if line.strip()]


def _atoms(text: str, width: int) -> Iterator[str]:
    """What stays in one line, cut where it is longer than one."""
    from rich.cells import chop_cells

    for atom in filter(None, _ATOM.findall(text)):
        yield from [atom] if columns(atom.rstrip()) <= width else chop_cells(atom, width)


def _printable(char: str) -> str:
    if char.isprintable():
        return char
    if char in _BLANKS or unicodedata.category(char) in _SEPARATORS:
        return " "
    return "" if unicodedata.category(char) == "Cf" else UNKNOWN


def _escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[k]:02x}{units[k + 1]:02x}" for k in range(0, len(units), 2))
