"""What is shown is said in the language that is spoken: every text of ours passes through here on its way to cells.

In English, which the house speaks, nothing happens. Knows no message, no table and no option: whoever chooses the
language hands in what speaks it (`tui.words.language`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from trainctl.tui.plain import columns

ENGLISH = "en"
VARIABLE = "TRAINCTL_LANG"
"""Of the environment: the language where no option names one."""


@dataclass(frozen=True)
class Voice:
    """A language.

    Args:
        language: its name.
        say: a finished English message in it; names, figures and what is not known stay as they are.
    """

    language: str = ENGLISH
    say: Callable[[str], str] = str


_BETWEEN = re.compile("( {2,})")
_voices = [Voice()]
"""The last one speaks, for the whole process: what threads of an app do is shown in its language too."""


@contextmanager
def spoken_by(voice: Voice) -> Generator[None]:
    """Within, this voice speaks."""
    _voices.append(voice)
    try:
        yield
    finally:
        _voices.pop()


def spoken() -> str:
    """The language that is spoken."""
    return _voices[-1].language


def said(text: str) -> str:
    """A text of ours in the language that is spoken. A name alone must not be handed in: it may be a word of ours."""
    return _voices[-1].say(text)


def said_in_parts(text: str) -> str:
    """The same of a text whose parts stand two spaces apart, each of them said by itself."""
    return text if spoken() == ENGLISH else "".join(map(said, _BETWEEN.split(text)))


def said_in_columns(text: str) -> str:
    """The same in as many columns, if the text was filled up with spaces and it fits."""
    if spoken() == ENGLISH:
        return text
    core = text.rstrip(" ")
    bare, gap = said(core), len(text) - len(core)
    if gap < 2 and not text.startswith("  "):  # no column: full-width punctuation brings its own space along
        return bare + " " * (gap if bare == core or bare[-1] not in "：，；" else 0)
    return bare + " " * max(columns(text) - columns(bare), 1)
