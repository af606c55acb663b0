"""A comparison as plain data, for `--json`. Starts nothing, knows no option."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from trainctl.tui.cli.output import SCHEMA

if TYPE_CHECKING:
    from trainctl.engine.runs.layout import RunPaths
    from trainctl.tui.cli.comparing.compared import Compared
    from trainctl.tui.compare.columns import Column
    from trainctl.tui.compare.facts import RunFacts
    from trainctl.tui.compare.intervals import Estimate
    from trainctl.tui.compare.over_seeds import SeedFigure


def as_json(compared: Compared, metric: str, *, promised: bool) -> dict[str, Any]:
    """The comparison as plain data; arguments as of `compared.lines`."""
    from trainctl.tui.compare.comparison import config_rows, epoch_rows, figure_rows

    facts = compared.facts
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "runs": [_run_json(path, run) for path, run in zip(compared.paths, facts, strict=True)],
        "figures": [
            {"name": row.label.strip(), "values": list(row.values), "best": sorted(row.best)}
            for row in figure_rows(facts, metric)
        ],
        "configuration": [{"key": row.label, "values": list(row.values)} for row in config_rows(facts)],
        "columns": [_column_json(column) for column in compared.columns],
    }
    if metric:
        rows = epoch_rows(facts, metric)
        found["by_epoch"] = [{"epoch": int(row.label.split()[1]), "values": list(row.values)} for row in rows]
    if compared.cells:
        found["cells"] = [dict(cell) for cell in compared.cells]
    if compared.is_over_seeds:
        from trainctl.tui.compare.over_seeds import seed_figures

        found["over_seeds"] = [_figure_json(one) for one in seed_figures(compared.columns, metric)]
    if promised:
        found["promised"] = [row for column in compared.columns for row in _promised_json(column, compared.columns)]
    return found


def _column_json(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "preset": column.preset,
        "seeds": [run.seed for run in column.facts],
        "runs": [run.name for run in column.facts],
    }


def _estimate_json(found: Estimate) -> dict[str, Any]:
    return {"mean": found.mean, "half_width": found.half, "n": found.n}


def _figure_json(one: SeedFigure) -> dict[str, Any]:
    differences = [
        {**_estimate_json(d), "p": d.p, "p_holm": d.p_holm, "not_compared": why}
        for d, why in zip(one.differences, one.not_compared, strict=True)
    ]
    return {
        "figure": one.asked.figure,
        "metric": one.asked.name,
        "label": one.label,
        "values": [{str(seed): value for seed, value in of.items()} for of in one.values],
        "columns": [_estimate_json(found) for found in one.estimates],
        "not_reached": list(one.missed),
        "differences": differences,
        "best": sorted(one.best),
    }


def _promised_json(column: Column, columns: Sequence[Column]) -> Iterator[dict[str, Any]]:
    from trainctl.tui.compare.verdicts import judgements

    for one in judgements(column, columns):
        yield {
            "column": column.name,
            "section": one.section,
            "text": one.text,
            "figure": one.figure,
            "promised": one.promised,
            "measured": _estimate_json(one.measured),
            "verdict": str(one.word),
            "why": one.why,
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
