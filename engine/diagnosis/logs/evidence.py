"""A log and what the user said beside it, as evidence; and what was read of it, in words. Knows no rule."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from trainctl.engine.config.resolve import Resolved
from trainctl.engine.config.schema import RunConfig
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.facts.plan import plan_facts
from trainctl.engine.diagnosis.logs.course import training_loss, validation_loss
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series, read_facts
from trainctl.engine.diagnosis.logs.names import Kind
from trainctl.engine.diagnosis.logs.readers.content import UNDERSTOOD
from trainctl.engine.diagnosis.logs.readers.events import event_files
from trainctl.engine.diagnosis.logs.readers.mlflow import is_metric_folder
from trainctl.engine.diagnosis.logs.reading import parse_log, read_log
from trainctl.engine.diagnosis.logs.roles import parse_roles
from trainctl.engine.errors import UserError
from trainctl.engine.files import is_folder, is_there
from trainctl.engine.runs.layout import RunPaths

STANDARD_INPUT = "-"
MOST_NAMES = 8
UNJUDGED = frozenset({Kind.OTHER, Kind.TIME, Kind.STEP, Kind.EPOCH})
"""Kinds of which alone nothing can be said."""


def is_log(ref: str, runs_dir: Path) -> bool:
    """Whether what the user named is a log: standard input, a file, or a folder of TensorBoard events.

    The name of a run in `runs_dir` is that run.
    """
    path = Path(ref).expanduser()
    if ref == STANDARD_INPUT:
        return True
    if "/" not in ref and is_folder(runs_dir / ref):
        return False
    if is_folder(path):
        return not is_there(RunPaths(path).steps) and (bool(event_files(path)) or is_metric_folder(path))
    return is_there(path)


def read_log_evidence(
    ref: str,
    *,
    resolved: Resolved | None = None,
    num_classes: int | None = None,
    batch_size: int | None = None,
    columns: str = "",
) -> Evidence:
    """Evidence of a log.

    Args:
        ref: the file or folder; `-`: standard input.
        resolved: the configuration that the log is of; gives weights of terms, number of clusters and batch size.
        num_classes: classes, or clusters of a clustering loss; None: as configured, or unknown.
        batch_size: None: as configured, or unknown.
        columns: what some of its names are, `train=loss_t,val=loss_v`; empty: nothing is said.

    Raises:
        UserError: it cannot be read, has no figures, or no such name.
    """
    roles = parse_roles(columns) if columns else ()
    if ref == STANDARD_INPUT:
        table = parse_log(sys.stdin.buffer.read(), "standard input")
    else:
        table = read_log(Path(ref).expanduser())
    config = resolved.config if resolved else None
    facts = read_facts(
        table,
        weights=dict(config.loss_weights) if config else None,
        weights_from=resolved.preset if resolved else "",
        num_clusters=num_classes or _clusters(config),
        num_classes=num_classes,
        batch_size=batch_size or (config.train.batch_size if config else None),
        roles=roles,
    )
    if all(series.meaning.kind in UNJUDGED for series in facts.series):
        names = _names(list(facts.series))
        raise UserError(
            f"{table.source} names no loss, rate or learning rate, only {names}",
            f"say what they are by {_option(facts)}; {UNDERSTOOD}",
        )
    return Evidence(log=facts, plan=plan_facts(config) if config else None)


def _option(facts: LogFacts) -> str:
    """The option that says it, with the only name that may be a loss where there is one."""
    names = [series.name for series in facts.series if series.meaning.kind is Kind.OTHER]
    return " ".join(["--columns", *(f"train={name}" for name in names if len(names) == 1 and " " not in name)])


def _clusters(config: RunConfig | None) -> int | None:
    """Components of the mixture that a configuration names."""
    model: Any = getattr(config, "model", None)
    clusters = getattr(model, "clusters", None)
    return clusters if isinstance(clusters, int) else None


def log_lines(log: LogFacts) -> list[str]:
    """What was read: format, extent, what was left out, and which names are understood as what."""
    table = log.table
    lines = [f"{table.format}, {table.num_rows:,} rows, {table.num_values:,} values{_extent(log)}", *table.notes]
    by_kind: dict[Kind, list[Series]] = {}
    for series in log.series:
        by_kind.setdefault(series.meaning.kind, []).append(series)
    lines += [f"{kind}: {_names(by_kind[kind])}" for kind in Kind if kind in by_kind and kind not in UNJUDGED]
    known = set(map(id, log.series))
    made = [one for one in (training_loss(log), validation_loss(log)) if one is not None and id(one) not in known]
    lines += [f"in place of a loss: {', '.join(one.name for one in made)}"] if made else []
    others = [series for kind in Kind if kind in UNJUDGED for series in by_kind.get(kind, [])]
    return lines + ([f"not judged: {_names(others)}"] if others else [])


def _extent(log: LogFacts) -> str:
    words: list[str] = []
    for name, values in (("epochs", log.table.epochs), (f"{log.table.step_unit}s", log.table.steps)):
        known = values[np.isfinite(values)]
        if len(known):
            words.append(f", {name} {known.min():g} to {known.max():g}")
    return "".join(words)


def _names(series: list[Series]) -> str:
    shown = ", ".join(one.name for one in series[:MOST_NAMES])
    return shown + (f" and {len(series) - MOST_NAMES} more" if len(series) > MOST_NAMES else "")
