"""The page of the documents' own rules: its codes and names are the catalogue's, its counts those of its rows."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from trainctl.engine.diagnosis.catalogue import all_rules

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "seed-rules.md").read_text(encoding="utf-8")
CODE = re.compile(r"\b[A-Z]\d{3,4}\b")
ROW = re.compile(r"^\| ([MOUCE]\d{1,2}) \|(.*)\|$", re.MULTILINE)
DOCUMENTS = {"mixture": "M", "training optimisation": "O", "training update": "U", "convergence": "C", "eyes": "E"}
KINDS = ("rule", "not so", "built in", "open")


def rows() -> dict[str, list[str]]:
    """Cells of every statement by its number: section, what it says, threshold, kinds, how."""
    return {number: [cell.strip() for cell in cells.split("|")] for number, cells in ROW.findall(PAGE)}


def kinds_of(number: str) -> set[str]:
    return set(rows()[number][3].split(", "))


def names_of(code: str) -> set[str]:
    """What the rules of a code are called: over runs, and over logs."""
    return {known[code].name for known in (all_rules(), all_rules(of_log=True)) if code in known}


def named_codes() -> dict[str, list[str]]:
    """Codes with their names, as the page's last table has them."""
    table = PAGE.partition("## The codes")[2]
    return {
        code: names.split("; ") for code, names in re.findall(r"^\| ([A-Z]\d{3,4}) \| (.+) \|$", table, re.MULTILINE)
    }


@pytest.mark.parametrize("code", sorted(set(CODE.findall(PAGE))))
def test_every_code_is_one_of_a_rule_and_named_as_the_rule_is(code: str) -> None:
    assert names_of(code), f"docs/seed-rules.md names {code}, which no rule has"
    assert set(named_codes()[code]) <= names_of(code)


def test_every_named_code_is_used() -> None:
    assert set(named_codes()) == set(CODE.findall(PAGE.partition("## The codes")[0]))


def test_every_statement_is_whole_and_says_what_becomes_of_it() -> None:
    for number, cells in rows().items():
        assert len(cells) == 5, f"{number}: {len(cells)} cells"
        assert kinds_of(number) <= set(KINDS), f"{number}: {cells[3]!r}"
        assert ("rule" in kinds_of(number)) <= bool(CODE.search(cells[4])), f"{number} names no rule"
    for letter in DOCUMENTS.values():
        mine = [number for number in rows() if number[0] == letter]
        assert mine == [f"{letter}{place}" for place in range(1, len(mine) + 1)]


def test_the_table_of_counts_is_that_of_the_rows() -> None:
    counted = {name: Counter(kind for n in rows() if n[0] == letter for kind in ("all", *kinds_of(n)))
               for name, letter in DOCUMENTS.items()}  # fmt: skip
    counted["all"] = sum(counted.values(), Counter[str]())
    for name, count in counted.items():
        figures = " | ".join(str(count[kind]) for kind in ("all", *KINDS))
        assert f"\n| {name} | {figures} |\n" in PAGE


def test_what_is_open_is_listed_at_the_end() -> None:
    listed = PAGE.partition("## Open")[2].partition("## The codes")[0]
    assert set(re.findall(r"\b[MOUCE]\d{1,2}\b", listed)) == {number for number in rows() if "open" in kinds_of(number)}


def test_pages_that_are_named_exist() -> None:
    named = set(re.findall(r"\]\(([\w-]+\.md)\)", PAGE)) | set(re.findall(r"\bdocs/([\w-]+\.md)", PAGE))
    assert named and {name for name in named if not (DOCS / name).is_file()} == set()
