"""`trainctl compare`: runs side by side: final figures, what differs in their configuration, promises and results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trainctl.engine.errors import UserError
from trainctl.engine.runs.index import find_run
from trainctl.tui.cli.options import DEFAULT_RUNS_DIR, Json, RunsDir
from trainctl.tui.cli.output import Cell, align, print_json, print_lines
from trainctl.tui.words.styles import SHADES

if TYPE_CHECKING:
    from trainctl.engine.runs.layout import RunPaths
    from trainctl.tui.compare.comparison import CompareRow
    from trainctl.tui.compare.facts import RunFacts


def command(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN RUN...", help="Names or parts of them, paths, or `latest`.")
    ],
    metric: Annotated[
        str, typer.Option("--metric", "-m", metavar="NAME", help="Rank by this validation metric, epoch by epoch.")
    ] = "",
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
    json: Json = False,
) -> None:
    """Compare runs: final figures (* best), differences of configuration, promises beside what was measured."""
    from trainctl.tui.run.names import short_names

    paths = list(dict.fromkeys(find_run(runs_dir, ref) for ref in runs))
    if len(paths) < 2:
        raise UserError("only one run is named, a comparison needs two", "list runs with: trainctl runs")
    facts = [read_facts(path) for path in paths]
    _check_metric(facts, metric)
    names = short_names([run.name for run in facts])
    if json:
        print_json(_as_json(paths, facts, metric))
    else:
        print_lines(_lines(facts, names, metric))


def read_facts(paths: RunPaths) -> RunFacts:
    """What is compared of a run, read as far as it goes now.

    Raises:
        UserError: a newer version wrote it.
    """
    from trainctl.tui.compare.facts import facts_of, read_config
    from trainctl.tui.run.feed import RunFeed
    from trainctl.tui.run.view import RunView

    feed, view = RunFeed(paths), RunView(paths)
    while True:
        view.apply(feed.poll())
        if not feed.behind:
            return facts_of(view, read_config(paths.config))


def _check_metric(facts: Sequence[RunFacts], metric: str) -> None:
    known = list(dict.fromkeys(name for run in facts for name in run.metrics()))
    if metric and metric not in known:
        hint = f"there is: {', '.join(known)}" if known else "none of the runs has been validated"
        raise UserError(f"no run has the metric {metric!r}", hint)


def _lines(facts: Sequence[RunFacts], names: Sequence[str], metric: str) -> Iterator[Sequence[Cell]]:
    from trainctl.tui.compare.comparison import BEST_MARK, config_rows, figure_rows, has_one_loss, has_one_validation

    yield from _table("FIGURES", figure_rows(facts, metric), names)
    yield [(f"  {BEST_MARK} best of its line", "dim")]
    if not has_one_loss(facts):
        yield [("  the losses are of different kinds and are not ranked", "dim")]
    if not has_one_validation(facts):
        yield [("  the runs were validated on different samples, so what they reached is not ranked", "yellow")]
    if metric:
        yield []
        yield from _table(f"{metric} BY EPOCH", _by_epoch(facts, metric), names)
    yield []
    rows = config_rows(facts)
    if rows:
        yield from _table("CONFIGURATION", rows, names)
    elif all(run.config is not None for run in facts):
        yield [("CONFIGURATION  nothing differs", "bold")]
    missing = [name for run, name in zip(facts, names, strict=True) if run.config is None]
    if missing:
        yield [(f"no readable config.yaml: {', '.join(missing)}", "yellow")]
    yield from _promises(facts, names)
    for run, name in zip(facts, names, strict=True):
        if run.interventions:
            yield []
            yield [(f"CHANGED BY HAND  {name}", "bold")]
            yield from ([(f"  {words}", "")] for words in run.interventions)


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


def _by_epoch(facts: Sequence[RunFacts], metric: str) -> list[CompareRow]:
    """A line for each epoch; of two sets of weights the better one, as `best` is over both."""
    from trainctl.tui.compare.comparison import figures_row, lower_is_better

    lower = lower_is_better(facts, metric)
    better = min if lower else max
    table: list[dict[int, float]] = []
    for run in facts:
        column: dict[int, float] = {}
        for epoch, _, _, values in run.validations:
            if metric in values:
                column[epoch] = better(column.get(epoch, values[metric]), values[metric])
        table.append(column)
    epochs = sorted({epoch for column in table for epoch in column})
    nothing = float("nan")
    return [figures_row(f"epoch {epoch}", [column.get(epoch, nothing) for column in table], lower) for epoch in epochs]


def _as_json(paths: Sequence[RunPaths], facts: Sequence[RunFacts], metric: str) -> dict[str, Any]:
    from trainctl.tui.compare.comparison import config_rows, figure_rows

    return {
        "runs": [_run_json(path, run) for path, run in zip(paths, facts, strict=True)],
        "figures": [
            {"name": row.label.strip(), "values": list(row.values), "best": sorted(row.best)}
            for row in figure_rows(facts, metric)
        ],
        "configuration": [{"key": row.label, "values": list(row.values)} for row in config_rows(facts)],
        **(
            {
                "by_epoch": [
                    {"epoch": int(row.label.split()[1]), "values": list(row.values)} for row in _by_epoch(facts, metric)
                ]
            }
            if metric
            else {}
        ),
    }


def _run_json(paths: RunPaths, run: RunFacts) -> dict[str, Any]:
    from trainctl.tui.compare.promises import promises_of

    return {
        "name": run.name,
        "path": str(paths.root.absolute()),
        "preset": run.preset,
        "state": run.state,
        "has_configuration": run.config is not None,
        "interventions": list(run.interventions),
        "findings": [dict(found) for found in run.found],
        "num_checks": run.num_checks,
        "promises": [
            {"text": promise.text, "kept": promise.kept, "measured": promise.measured} for promise in promises_of(run)
        ],
    }
