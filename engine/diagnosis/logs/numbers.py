"""Numbers as programs print them. Knows no format."""

from __future__ import annotations

import re

NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?i:nan|inf(?:inity)?)\b"
"""A decimal number, NaN or infinity, in any case."""

_WHOLE = re.compile(rf"\s*(?:tensor\()?({NUMBER})\)?\s*(%?)\s*")
_PARTS = re.compile(r"[-+]?\d*\.?(\d*)(?:e([-+]?\d+))?", re.IGNORECASE)


def parse_number(text: str) -> tuple[float, bool] | None:
    """The number that `text` is, and whether a percent sign follows it; None: it is none."""
    found = _WHOLE.fullmatch(text)
    return (float(found[1]), bool(found[2])) if found else None


def half_unit(text: str) -> float:
    """Half a unit of the last printed digit: `0.0180` was rounded by at most .00005; 0 for NaN and infinity."""
    found = _PARTS.match(text.strip().lstrip("+-"))
    if found is None or not found[0]:
        return 0.0
    return 0.5 * 10.0 ** (int(found[2] or 0) - len(found[1]))
