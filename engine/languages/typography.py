"""How Chinese and Latin text stand beside each other: a space between a character and a word or figure, none else.

Knows no table.
"""

from __future__ import annotations

import re

IDEOGRAPHS = "\u3400-\u4dbf\u4e00-\u9fff"
FULL_WIDTH = "\u3001-\u3011\uff01-\uff5e"
"""Punctuation that brings its own space: ，。；：（）、【】."""
_IDEOGRAPH = re.compile(f"[{IDEOGRAPHS}]")
_FULL_WIDTH = re.compile(f"[{FULL_WIDTH}]")


def joined(left: str, right: str) -> str:
    """Two pieces one after the other, with the space between them that belongs there."""
    bare_left, bare_right = left.rstrip(" "), right.lstrip(" ")
    if left == " " and _FULL_WIDTH.match(bare_right):
        return bare_right
    if not bare_left or not bare_right:
        return left + right
    before, after = bare_left[-1], bare_right[0]
    if _FULL_WIDTH.match(before) or _FULL_WIDTH.match(after):
        return bare_left + bare_right
    is_chinese = [bool(_IDEOGRAPH.match(sign)) for sign in (before, after)]
    if all(is_chinese):
        return bare_left + bare_right
    other = after if is_chinese[0] else before
    is_mixed = any(is_chinese) and other.isascii() and other.isalnum()
    return f"{bare_left} {bare_right}" if is_mixed else left + right
