"""What docs/json.md says, read from its tables, and what commands print held against it. Knows no command."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "json.md"
FORMS = {"One object": "object", "A list": "list", "Lines": "lines"}
COMMAND = re.compile(r"`trainctl ([a-z -]+)`")
SHAPE = re.compile(r"An? ([a-z]+)")
KEYS = re.compile(r"`([^`]+)`")


@dataclass
class Table:
    """One section of the page."""

    form: str = ""
    """`object`, `list` or `lines`; empty: a part of others."""
    rows: dict[str, str] = field(default_factory=dict[str, str])
    """Type of each key, as it is written."""


@cache
def tables() -> dict[str, Table]:
    """Every section by its command (`presets show`), or by the word for the part (`finding`)."""
    found: dict[str, Table] = {}
    table = Table()
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            title = COMMAND.fullmatch(line[3:]) or SHAPE.fullmatch(line[3:])
            assert title, f"neither a command nor a part of one: {line}"
            table = found.setdefault(title[1], Table())
        elif line.startswith("| `"):
            keys, kind, _ = (cell.strip() for cell in line.strip("|").split("|", 2))
            table.rows |= dict.fromkeys(KEYS.findall(keys), kind)
        elif found and not table.form and not table.rows:
            table.form = next((form for words, form in FORMS.items() if line.startswith(words)), "")
    return found


def command_of(argv: Sequence[str]) -> str:
    """The section that a command line belongs to."""
    return " ".join(argv[:2]) if argv[0] == "presets" else argv[0]


def check_output(argv: Sequence[str], text: str) -> None:
    """Hold what a command printed with `--json` against its table.

    Raises:
        AssertionError: it is no strict JSON, or not what the table says; names each place.
    """
    table = tables()[command_of(argv)]
    documents = [_strict(line) for line in text.splitlines()] if table.form == "lines" else [_strict(text)]
    if table.form == "list":
        (documents,) = documents
    wrong = [f"{' '.join(argv[:2])}: {one}" for document in documents for one in faults(document, table.rows)]
    assert not wrong, "docs/json.md and what is printed differ:\n" + "\n".join(dict.fromkeys(wrong))


def checked(run: Callable[[Sequence[str]], int]) -> Callable[[Sequence[str]], int]:
    """`run` of a command line, which then also holds what is printed with `--json` against the page."""

    def run_and_check(argv: Sequence[str]) -> int:
        if "--json" not in argv or argv[0] == "run":  # whose output is a thread's
            return run(argv)
        tee = _Tee(sys.stdout)
        sys.stdout, before = tee, sys.stdout
        try:
            code = run(argv)
        finally:
            sys.stdout = before
        if tee.printed:
            check_output(argv, "".join(tee.printed))
        return code

    return run_and_check


class _Tee(io.TextIOBase):
    """Standard output that remembers what it was given."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.printed: list[str] = []

    def write(self, text: str, /) -> int:
        self.printed.append(text)
        return self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()


def _strict(text: str) -> Any:
    def refuse(word: str) -> Any:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def faults(document: Any, rows: Mapping[str, str], at: str = "") -> Iterator[str]:
    """What of an object is not as the rows below `at` say."""
    if not isinstance(document, dict):
        yield f"{at or 'the document'} is no object"
        return
    own = {key.removeprefix(at): kind for key, kind in rows.items() if _is_directly_below(key, at)}
    for name in own.keys() - {"*"}:
        if name not in document and not own[name].endswith("optional"):
            yield f"{at}{name} is missing"
    for name, value in document.items():
        key = name if name in own else "*"
        if key in own:
            yield from _faults_of(value, own[key].removesuffix(", optional"), rows, f"{at}{key}")
        elif not any(row.startswith(f"{at}*.") for row in rows):
            yield f"{at}{name} is in no table"
        else:
            yield from faults(value, rows, f"{at}*.")


def _is_directly_below(key: str, at: str) -> bool:
    rest = key.removeprefix(at)
    return key.startswith(at) and not {".", "["} & set(rest)


def _faults_of(value: Any, kind: str, rows: Mapping[str, str], at: str) -> Iterator[str]:
    """What of a value is not of its type."""
    kinds = kind.split(" or ")
    if value is None:
        if not {"null", "any"} & set(kinds):
            yield f"{at} is null, not {kind}"
        return
    kinds = [one for one in kinds if one != "null"]
    (one,) = kinds
    whole, _, of = one.partition(" of ")
    if whole in tables() and not tables()[whole].form:
        yield from faults(value, tables()[whole].rows)
    elif not isinstance(value, TYPES[whole]) or (isinstance(value, bool) and whole not in ("boolean", "any")):
        yield f"{at} is {json.dumps(value)[:60]}, not {kind}"
    elif isinstance(value, list):
        for element in value if of or _has_rows(rows, f"{at}[].") else ():
            yield from _faults_of(element, of, rows, f"{at}[]") if of else faults(element, rows, f"{at}[].")
    elif isinstance(value, dict) and _has_rows(rows, f"{at}."):
        yield from faults(value, rows, f"{at}.")


def _has_rows(rows: Mapping[str, str], at: str) -> bool:
    return any(key.startswith(at) for key in rows)


TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "map": dict,
    "list": list,
    "any": object,
}
