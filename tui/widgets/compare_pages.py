"""The pages of the comparison as text: final figures, configuration, promises. Pure; no widget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rich.cells import cell_len
from textual.content import Content

from trainctl.tui.compare.columns import grouped
from trainctl.tui.compare.comparison import (
    BEST_MARK,
    CompareRow,
    config_rows,
    figure_rows,
    not_ranked,
)
from trainctl.tui.compare.facts import RunFacts
from trainctl.tui.compare.over_seeds import difference_rows, has_several, mean_rows, notes, seed_figures
from trainctl.tui.compare.promises import measured_words, promises_of, source_words
from trainctl.tui.compare.verdicts import judgements
from trainctl.tui.plain import cut, padded
from trainctl.tui.spoken import said
from trainctl.tui.words.styles import COCKPIT, SEVERITIES

MAX_CELL = 28
"""Columns of a cell; a longer value is cut."""
MAX_DIFFERENCE = 48


def figures_page(facts: Sequence[RunFacts], names: Sequence[str], inks: Sequence[int]) -> Content:
    """Final figures, the best of each line marked, and what was changed by hand."""
    lines = _table(_said(figure_rows(facts)), names, inks)
    lines += [Content(""), Content.styled(said(f"{BEST_MARK} best of its line"), "$chart-label")]
    lines += [Content.styled(said(words), COCKPIT["warning"]) for words in not_ranked(facts)]
    lines += _over_seeds(facts, names, inks)
    for run, name, ink in zip(facts, names, inks, strict=True):
        if run.interventions:
            lines += [Content(""), Content.styled(said(f"{name}, changed by hand"), f"bold $series-{ink}")]
            lines += [Content(f"  {said(words)}") for words in run.interventions]
    return Content("\n").join(lines)


def _over_seeds(facts: Sequence[RunFacts], names: Sequence[str], inks: Sequence[int]) -> list[Content]:
    """Runs that differ only in their seed taken together; nothing where no two do."""
    columns = grouped(facts, names)
    if not has_several(columns):
        return []
    shades = [inks[facts.index(column.facts[0])] for column in columns]
    heads = [column.name for column in columns]
    figures = seed_figures(columns)
    lines = [Content(""), Content.styled(said("over seeds: mean ± 95 % interval"), "bold")]
    lines += _table(_said(mean_rows(columns, figures)), heads, shades)
    lines += [Content.styled(said(words), COCKPIT["warning"]) for words in notes(columns, figures)]
    rows = _said(difference_rows(figures))
    if rows:
        title = said(f"difference to {heads[0]}, paired by seed: mean ± 95 % interval, p, number of pairs")
        lines += [Content(""), Content.styled(title, "bold"), *_table(rows, heads[1:], shades[1:], MAX_DIFFERENCE)]
    return lines


def _judged(facts: Sequence[RunFacts], names: Sequence[str]) -> list[Content]:
    """Promises that are stated in figures, each column's, with a verdict."""
    columns = grouped(facts, names)
    lines: list[Content] = []
    for column in columns:
        found = [one for one in judgements(column, columns) if one.promised]
        lines += [Content.styled(said(f"{column.name}, stated in figures"), "bold")] if found else []
        for one in found:
            words = " ".join(part for part in (one.section, said(one.text), said(one.promised)) if part)
            verdict = said(f"{one.word}: {one.why}" if one.why else str(one.word))
            colour = SEVERITIES.get(one.word.meaning, COCKPIT["dim"])
            lines.append(Content(f"  {words}  {said(one.measured_words)}  ") + Content.styled(verdict, colour))
    return [*lines, Content("")] if lines else []


def config_page(facts: Sequence[RunFacts], names: Sequence[str], inks: Sequence[int]) -> Content:
    """What differs, a column for each run."""
    rows = config_rows(facts)
    lines = _table(rows, names, inks) if rows else []
    known = [run for run in facts if run.config is not None]
    if len(known) > 1 and not rows:
        lines.append(Content(said("Nothing differs.")))
    missing = [name for run, name in zip(facts, names, strict=True) if run.config is None]
    if missing:
        lines.append(Content.styled(said(f"No readable config.yaml: {', '.join(missing)}"), "$warning"))
    return Content("\n").join(lines)


def promises_page(facts: Sequence[RunFacts], names: Sequence[str], inks: Sequence[int]) -> Content:
    """Each run's promises beside what was measured."""
    lines = _judged(facts, names)
    for run, name, ink in zip(facts, names, inks, strict=True):
        source = said(source_words(run))
        head = Content.styled(f"{name}  {run.preset}", f"bold $series-{ink}")
        lines.append(head + Content.styled(f"  {source}" if source else "", "$chart-label"))
        promises = promises_of(run)
        promised, measured = said("promised"), said("measured")
        width = max((cell_len(promise.text) for promise in promises), default=0)
        for promise in promises:
            colour = SEVERITIES.get(promise.meaning, COCKPIT["dim"])
            text = Content(f"  {promised}  {padded(promise.text, width)}  ")
            verdict = f"{said(promise.verdict)}  {said(promise.measured)}".rstrip()
            lines.append(text + Content.styled(verdict, colour))
        if not promises:
            lines.append(Content.styled(f"  {promised}  {said('nothing')}", "$chart-label"))
        lines += [Content(f"  {measured}  {said(measured_words(run))}"), Content("")]
    return Content("\n").join(lines[:-1])


def _said(rows: Sequence[CompareRow]) -> list[CompareRow]:
    """Rows of words of ours; those of a configuration hold options and values, which stay."""
    return [replace(row, label=said(row.label), cells=tuple(map(said, row.cells))) for row in rows]


def _table(
    rows: Sequence[CompareRow], names: Sequence[str], inks: Sequence[int], most: int = MAX_CELL
) -> list[Content]:
    """Names above, a line for each row; the first column as wide as its labels."""
    shown = [[cut(cell, most) for cell in row.shown()] for row in rows]
    first = max((cell_len(row.label) for row in rows), default=0) + 2
    widths = [max([cell_len(name), *(cell_len(cells[k]) for cells in shown)]) + 2 for k, name in enumerate(names)]
    head = [
        Content.styled(padded(name, width), f"bold $series-{ink}")
        for name, width, ink in zip(names, widths, inks, strict=True)
    ]
    lines = [Content("").join([Content(" " * first), *head])]
    for row, cells in zip(rows, shown, strict=True):
        styled = [
            Content.styled(padded(cell, width), "bold $success" if k in row.best else "")
            for k, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        lines.append(Content("").join([Content.styled(padded(row.label, first), "$chart-label"), *styled]))
    return lines
