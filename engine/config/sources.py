"""Where a value comes from: the words for it, shown beside every value and in front of every error."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast, get_args

Kind = Literal["default", "preset", "scale", "fitted", "file", "environment", "command line"]
"""The layers in the order in which they overrule each other, weakest first; a preset file of the user's overrules what
was fitted to their data."""


@dataclass(frozen=True)
class Source:
    """Origin of one value."""

    kind: Kind
    where: str = ""
    """File and line, what the value was fitted to, name of the variable, or the argument as written; empty for a
    default."""

    def __str__(self) -> str:
        return f"{self.kind} ({self.where})" if self.where else self.kind

    @property
    def place(self) -> str:
        """How an error message begins: the place where the user can repair it."""
        match self.kind:
            case "environment":
                return f"environment variable {self.where}"
            case "command line":
                return "command line"
            case "fitted":
                return f"fitted {self.where}"
            case _:
                return self.where or self.kind


def parse_source(text: str) -> Source:
    """The source that `str` wrote.

    Raises:
        ValueError: no such text was ever written.
    """
    found = re.fullmatch(r"([a-z ]+?)(?: \((.*)\))?", text, re.DOTALL)
    if found is None or found[1] not in get_args(Kind):
        raise ValueError(f"not a source: {text!r}")
    return Source(cast("Kind", found[1]), found[2] or "")
