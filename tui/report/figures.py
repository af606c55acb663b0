"""Final figures, side by side where there are several runs, and what presets promise beside what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from trainctl.tui.compare.comparison import BEST_MARK, CompareRow, figure_rows, not_ranked
from trainctl.tui.compare.promises import measured_words, promises_of
from trainctl.tui.compare.verdicts import judgements
from trainctl.tui.report.html import Html, element, joined, pairs, section, table
from trainctl.tui.report.subject import PageSubject

if TYPE_CHECKING:
    from trainctl.tui.compare.columns import Column

CHIPS = {"ok": "ok", "warning": "warning", "error": "error"}


def figures(subject: PageSubject) -> Html:
    """The part of the page with the final table."""
    names = [run.name for run in subject.runs]
    rows = figure_rows(subject.facts)
    if subject.is_one:
        return section(
            "figures", "Final figures", pairs(((row.label.strip(), row.cells[0]) for row in rows), "columns")
        )
    parts = [compare_table("figure", rows, names, label="final figures")]
    parts.append(element("p", f"{BEST_MARK} best of its line. The first run is the reference.", class_="aside"))
    parts += [element("p", words, class_="aside") for words in not_ranked(subject.facts)]
    if any(len(column.runs) > 1 for column in subject.columns):
        parts += _over_seeds(subject)
    return section("figures", "Final figures", *parts)


def compare_table(first: str, rows: Sequence[CompareRow], names: Sequence[str], *, label: str) -> Html:
    """Rows of a comparison; the best cells stand out."""
    head = [first, *names]
    body = [
        [row.label.strip(), *(element("b", cell) if k in row.best else cell for k, cell in enumerate(row.shown()))]
        for row in rows
    ]
    return table(head, body, label=label, class_="numbers")


def _over_seeds(subject: PageSubject) -> Iterator[Html]:
    from trainctl.tui.compare.over_seeds import difference_rows, mean_rows, notes, seed_figures

    columns = subject.columns
    found = seed_figures(columns)
    names = [column.name for column in columns]
    yield element("h3", "Over seeds")
    yield compare_table("figure", mean_rows(columns, found), names, label="over seeds")
    yield element("p", "Mean ± 95 % interval.", class_="aside")
    yield from (element("p", words, class_="aside") for words in notes(columns, found))
    rows = difference_rows(found)
    if rows:
        yield element("h3", f"Difference to {names[0]}")
        yield compare_table("figure", rows, names[1:], label="differences")
        yield element(
            "p", "Paired by seed: mean ± 95 % interval, p of the paired t-test, number of pairs.", class_="aside"
        )


def promised(subject: PageSubject) -> Html | None:
    """What the presets' documents promise, held against what was measured; None where none promises anything."""
    blocks = [block for column in subject.columns if (block := _promised_of(column, subject)) is not None]
    return section("promised", "Promised and measured", *blocks) if blocks else None


def _promised_of(column: Column, subject: PageSubject) -> Html | None:
    about = column.about
    rows = [
        [
            one.text or one.promised or "-",
            one.promised if one.text else "",
            one.measured_words if one.measured.n else "-",
            joined([_verdict(str(one.word), one.word.meaning), element("small", f" {one.why}" if one.why else "")]),
            one.section,
        ]
        for one in judgements(column, subject.columns)
    ]
    known = [promise for promise in promises_of(column.facts[0]) if promise.text.startswith("known problem ")]
    if not rows and not known:
        return None
    source = ", ".join(str(about[key]) for key in ("source", "section") if about.get(key))
    parts: list[str] = [element("h3", column.name)] if len(subject.columns) > 1 else []
    parts += [element("p", f"{column.preset}{f', after {source}' if source else ''}", class_="aside")]
    if rows:
        parts.append(table(["promise", "in figures", "measured", "verdict", "section"], rows, label="promises"))
    parts.append(element("p", element("b", "Measured: "), measured_words(column.facts[0]), class_="aside"))
    parts += [element("p", f"{promise.text}: {promise.measured}", class_="aside") for promise in known]
    return element("div", *parts, class_="of-run")


def _verdict(word: str, meaning: str) -> Html:
    return element("span", word, class_=f"chip {CHIPS.get(meaning, 'note')}")
