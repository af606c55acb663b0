"""The language in which a command answers: what `--lang` or the environment says, for as long as the command runs.

What it says passes through `tui.spoken` where it is printed or drawn. Knows no message.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

from trainctl.engine.errors import UserError
from trainctl.tui.spoken import ENGLISH, VARIABLE, Voice, said, spoken, spoken_by

SAID = frozenset(
    {"name", "summary", "where", "why", "ruled_out", "text", "test", "costs", "do", "needs", "welcomes"}
    | {"not_looked_at", "compared", "label", "not_compared", "reason", "source"}
)
"""Keys of a JSON document whose values are words for people; all others are for programs, and stay."""
UNSAID = frozenset({"set", "changes"})
"""Keys below which nothing is said."""


def chosen_language(option: str | None) -> str:
    """The language that `--lang` names, else the environment, else English.

    Raises:
        UserError: there is no such language.
    """
    source, written = ("--lang", option) if option is not None else (VARIABLE, os.environ.get(VARIABLE, ""))
    language = written.strip().lower() or (ENGLISH if option is None else "")
    if language == ENGLISH:
        return language
    from trainctl.engine.languages.phrasebook import LANGUAGES

    if language not in LANGUAGES:
        raise UserError(f"{source} {written}: no such language", f"use {' or '.join(LANGUAGES)}")
    return language


@contextmanager
def speaking(option: str | None) -> Generator[None]:
    """Print in the chosen language meanwhile; a mistake of the user is said in it too.

    Raises:
        UserError: there is no such language, or what was raised meanwhile.
    """
    with spoken_by(_voice(chosen_language(option))):
        try:
            yield
        except UserError as err:
            raise UserError(said(err.message), said(err.hint), code=err.code) from err


def _voice(language: str) -> Voice:
    if language == ENGLISH:
        return Voice()
    from trainctl.engine.languages.phrasebook import phrasebook

    return Voice(language, phrasebook(language).say)


def in_language(document: Mapping[str, Any], option: str | None) -> Mapping[str, Any]:
    """A JSON document whose words for people are in the language that `--lang` names, with `lang`; else as it is.

    The environment alone changes no document: programs read it.
    """
    if option is None:
        return document
    return {"lang": spoken(), **cast("dict[str, Any]", _said_below(document, is_said=False))}


def _said_below(value: Any, *, is_said: bool) -> Any:
    if isinstance(value, str):
        return said(value) if is_said else value
    if isinstance(value, Mapping):
        return {
            key: below if key in UNSAID else _said_below(below, is_said=is_said or key in SAID)
            for key, below in cast("Mapping[str, Any]", value).items()
        }
    if isinstance(value, Sequence):
        return [_said_below(one, is_said=is_said) for one in cast("Sequence[Any]", value)]
    return value
