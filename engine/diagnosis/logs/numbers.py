"""Numbers as programs print them. Knows no format."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?i:nan|inf(?:inity)?)\b"
"""A decimal number, NaN or infinity, in any case."""

LONGEST_EXPONENT = 6
"""Characters of an exponent that are looked at; what has more is zero or infinite."""

_WHOLE = re.compile(rf"\s*(?:tensor\()?({NUMBER})\)?\s*(%?)\s*")
_PARTS = re.compile(r"[-+]?\d*\.?(\d*)(?:e([-+]?\d+))?", re.IGNORECASE)


@dataclass(frozen=True)
class Printed:
    """A number as it was printed."""

    value: float
    digits: str
    """The number alone."""
    is_percent: bool


def parse_number(text: str) -> Printed | None:
    """The number that `text` is, with a percent sign or not; None: it is none."""
    found = _WHOLE.fullmatch(text)
    return Printed(float(found[1]), found[1], bool(found[2])) if found else None


def half_unit(text: str) -> float:
    """Half a unit of the last printed digit: `0.0180` was rounded by at most .00005; 0 for NaN and infinity."""
    found = _PARTS.match(text.strip().lstrip("+-"))
    if found is None or not found[0]:
        return 0.0
    unit = float(f"1e{int((found[2] or '0')[:LONGEST_EXPONENT]) - len(found[1])}")
    return 0.5 * unit if unit < math.inf else 0.0


def half_units(texts: Sequence[str], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half a unit of the last printed digit of each of n numbers, shape (n,), as `half_unit` says for one.

    Args:
        texts: n printed numbers, without percent signs.
        values: what they are, shape (n,).
    """
    written = np.strings.strip(np.array(texts, np.str_))
    sign = np.maximum(np.strings.find(written, "e"), np.strings.find(written, "E"))
    has_sign = sign >= 0
    point = np.strings.find(written, ".")
    end = np.where(has_sign, sign, np.strings.str_len(written))
    power = -np.where(point >= 0, end - point - 1, 0)
    powers = [int(text[text.lower().index("e") + 1 :][:LONGEST_EXPONENT]) for text in written[has_sign].tolist()]
    power[has_sign] += np.array(powers, np.int64)
    with np.errstate(over="ignore", under="ignore"):
        units = 0.5 * 10.0 ** power.astype(np.float64)
    return np.where(np.isfinite(values) & np.isfinite(units), units, 0.0)
