"""Which person, photo or recording a sample belongs to: a column of the data, or a pattern over names. No format."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from trainctl.engine.errors import UserError

ALONE = "ungrouped sample "
"""Prefix of the group of a sample that the grouping does not cover."""


def group_keys(names: Sequence[str], columns: Mapping[str, Sequence[object]], group_by: str, origin: str) -> list[str]:
    """Group of each sample; one without is a group of its own.

    Args:
        names: path of each sample as the data gives it, or its row.
        columns: what can be grouped by.
        group_by: name of a column, in any case, or a regular expression over the names (key: first group, or whole
            match).
        origin: the data, for messages.

    Raises:
        UserError: the expression is invalid or matches no name, or the column is empty.
    """
    column = _column(columns, group_by)
    if column is not None:
        keys = ["" if value is None else str(value).strip() for value in columns[column]]
    else:
        keys = _matches(names, group_by)
    if not any(keys):
        found = ", ".join(columns) or "none"
        raise UserError(
            f"data.group_by='{group_by}' matches no path in {origin} (first: {names[0] if names else 'none'}) "
            f"and is no column with values (columns: {found})",
            r"give a regular expression such as '([^/]+)_\d+\.jpg' or the name of a column",
        )
    return alone_where_empty(keys)


def alone_where_empty(keys: Sequence[str]) -> list[str]:
    """The keys; a sample without one is a group of its own."""
    return [key or f"{ALONE}{row + 1}" for row, key in enumerate(keys)]


def _column(columns: Mapping[str, Sequence[object]], name: str) -> str | None:
    if name in columns:
        return name
    return next((column for column in columns if column.lower() == name.lower()), None)


def _matches(names: Sequence[str], expression: str) -> list[str]:
    """First group, or whole match, of the expression in each name; empty where it does not match."""
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise UserError(f"data.group_by='{expression}' is no regular expression: {error}") from error
    found = (pattern.search(name) for name in names)
    return ["" if m is None else (m.group(1 if pattern.groups else 0) or "") for m in found]
