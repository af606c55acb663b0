"""A comparison as lines: figures, over seeds, configuration, promises. Starts nothing, knows no option."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trainctl.tui.cli.output import Cell, align
from trainctl.tui.words.styles import SHADES

if TYPE_CHECKING:
    from trainctl.engine.runs.layout import RunPaths
    from trainctl.tui.compare.columns import Column
    from trainctl.tui.compare.comparison import CompareRow
    from trainctl.tui.compare.facts import RunFacts


@dataclass(frozen=True)
class Compared:
    """What is compared."""

    paths: Sequence[RunPaths]
    facts: Sequence[RunFacts]
    """Of each path."""
    names: Sequence[str]
    """Short, of each path."""
    columns: Sequence[Column]
    """The same runs, those that differ only in their seed together; the first is the reference."""
    notes: Sequence[str] = ()
    """How the runs were found."""
    cells: Sequence[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])
    """What was done for each preset and seed, as plain data; empty where runs were named."""

    @property
    def is_over_seeds(self) -> bool:
        """Whether a column holds several runs."""
        return any(len(column.runs) > 1 for column in self.columns)


def lines(compared: Compared, metric: str, *, promised: bool) -> Iterator[Sequence[Cell]]:
    """The comparison as text.

    Args:
        compared: what is compared.
        metric: ranked by this metric, epoch by epoch; empty: by what the runs monitor.
        promised: whether the documents' promises are judged.
    """
    facts, names, columns = compared.facts, compared.names, compared.columns
    yield from ([(note, "dim")] for note in compared.notes)
    is_wide = bool(compared.cells) and compared.is_over_seeds  # a column for every run would be wider than any screen
    if not is_wide:
        yield from _figures(facts, names, metric)
        yield []
    if compared.is_over_seeds:
        yield from _over_seeds(columns, metric)
        yield []
    if is_wide:
        facts, names = [column.facts[0] for column in columns if column.runs], [c.name for c in columns if c.runs]
    yield from _configuration(facts, names, is_over_seeds=is_wide)
    if promised:
        yield []
        yield from _judgements(columns)
    elif not is_wide:
        yield from _promises(facts, names)
    for run, name in zip(compared.facts, compared.names, strict=True):
        if run.interventions:
            yield []
            yield [(f"CHANGED BY HAND  {name}", "bold")]
            yield from ([(f"  {words}", "")] for words in run.interventions)


def _figures(facts: Sequence[RunFacts], names: Sequence[str], metric: str) -> Iterator[Sequence[Cell]]:
    from trainctl.tui.compare.comparison import BEST_MARK, epoch_rows, figure_rows, not_ranked

    yield from _table("FIGURES", figure_rows(facts, metric), names)
    yield [(f"  {BEST_MARK} best of its line", "dim")]
    for words in not_ranked(facts):
        yield [(f"  {words}", "yellow")]
    if metric:
        yield []
        yield from _table(f"{metric} BY EPOCH", epoch_rows(facts, metric), names)


def _over_seeds(columns: Sequence[Column], metric: str) -> Iterator[Sequence[Cell]]:
    from trainctl.tui.compare.over_seeds import difference_rows, mean_rows, notes, seed_figures

    found = seed_figures(columns, metric)
    yield from _table("OVER SEEDS", mean_rows(columns, found), [column.name for column in columns])
    yield [("  mean ± 95 % interval; * best mean of its line", "dim")]
    yield from ([(f"  {words}", "yellow")] for words in notes(columns, found))
    rows = difference_rows(found)
    if rows:
        yield []
        yield from _table(f"DIFFERENCE TO {columns[0].name}", rows, [column.name for column in columns[1:]])
        adjusted = (
            ", adjusted after Holm" if any(d.p_holm == d.p_holm for one in found for d in one.differences) else ""
        )
        yield [(f"  paired by seed: mean ± 95 % interval, p of the paired t-test{adjusted}, number of pairs", "dim")]


def _configuration(facts: Sequence[RunFacts], names: Sequence[str], *, is_over_seeds: bool) -> Iterator[Sequence[Cell]]:
    from trainctl.tui.compare.comparison import config_rows

    rows = [row for row in config_rows(facts) if not (is_over_seeds and row.label in ("seed", "runtime.threads"))]
    if rows:
        yield from _table("CONFIGURATION", rows, names)
    elif all(run.config is not None for run in facts):
        yield [("CONFIGURATION  nothing differs", "bold")]
    missing = [name for run, name in zip(facts, names, strict=True) if run.config is None]
    if missing:
        yield [(f"no readable config.yaml: {', '.join(missing)}", "yellow")]


def _judgements(columns: Sequence[Column]) -> Iterator[Sequence[Cell]]:
    from trainctl.tui.compare.verdicts import judgements

    yield [("PROMISED AND MEASURED", "bold")]
    for column in columns:
        source = ", ".join(str(column.about[key]) for key in ("source", "section") if column.about.get(key))
        yield [(f"  {column.name}  {_measured_at(column)}", ""), (f"  {source}" if source else "", "dim")]
        rows: list[list[Cell]] = []
        for one in judgements(column, columns):
            what = ": ".join(words for words in (one.text, one.promised) if words)
            verdict = f"{one.word}: {one.why}" if one.why else str(one.word)
            shade = SHADES.get(one.word.meaning, "dim")
            rows.append([(one.section, "dim"), (what, ""), (one.measured_words, ""), (verdict, shade)])
        heads: list[Cell] = [(word, "dim") for word in ("section", "promise", "measured", "verdict")]
        yield from align([heads, *rows], indent=4) if rows else [[("    promises nothing", "dim")]]


def _measured_at(column: Column) -> str:
    """At which scale and over how many epochs: a document speaks of the full one."""
    scales = {run.scale for run in column.facts if run.scale}
    told = ((run.config or {}).get("train.epochs") for run in column.facts)
    epochs = {str(number) for number in told if number is not None}
    words = [f"{' and '.join(sorted(scales))} scale"] if scales else []
    words += [f"{' and '.join(sorted(epochs))} epochs"] if epochs else []
    return f"measured at {', '.join(words)}" if words else ""


def _table(title: str, rows: Sequence[CompareRow], names: Sequence[str]) -> Iterator[Sequence[Cell]]:
    head: list[Cell] = [(title, "bold"), *((name, "bold") for name in names)]
    body: list[list[Cell]] = [
        [(f"  {row.label}", ""), *((cell, "green" if k in row.best else "") for k, cell in enumerate(row.shown()))]
        for row in rows
    ]
    yield from align([head, *body])


def _promises(facts: Sequence[RunFacts], names: Sequence[str]) -> Iterator[Sequence[Cell]]:
    from trainctl.tui.compare.promises import measured_words, promises_of, source_words

    yield []
    yield [("PROMISED AND MEASURED", "bold")]
    for run, name in zip(facts, names, strict=True):
        source = source_words(run)
        yield [(f"  {name}  {run.preset}", ""), (f"  {source}" if source else "", "dim")]
        rows: list[list[Cell]] = [
            [
                ("promised", "dim"),
                (promise.text, ""),
                (_verdict(promise.verdict, promise.measured), SHADES.get(promise.meaning, "dim")),
            ]
            for promise in promises_of(run)
        ]
        yield from align(rows, indent=4)
        yield [("    measured  ", "dim"), (measured_words(run), "")]


def _verdict(words: str, measured: str) -> str:
    return f"{words}  {measured}".rstrip()
