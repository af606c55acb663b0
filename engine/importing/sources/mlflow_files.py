"""MLflow's store of text files: `mlruns/EXPERIMENT/RUN` with `meta.yaml`, `metrics/`, `params/` and `tags/`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainctl.engine.config.yamlfile import read_document
from trainctl.engine.diagnosis.logs.places import settle_places
from trainctl.engine.diagnosis.logs.readers.mlflow import FORMAT, METRICS, content_of, values_of
from trainctl.engine.diagnosis.logs.readers.tagged import Tagged
from trainctl.engine.errors import UserError
from trainctl.engine.files import read_limited
from trainctl.engine.importing.foreign import Foreign, Source, clean_name
from trainctl.engine.importing.sources.settings import typed
from trainctl.engine.importing.sources.walking import files_below, folders_in
from trainctl.engine.runs.states import RunState

TOOL = "mlflow"
META, PARAMS = "meta.yaml", "params"
STATES = {1: RunState.RUNNING, 2: RunState.RUNNING, 3: RunState.FINISHED, 4: RunState.FAILED, 5: RunState.KILLED}
"""Of `meta.yaml` by number (mlflow.entities.RunStatus)."""
SYSTEM = "system/"
"""Metrics of the machine, not of the training."""
LONGEST_VALUE = 1 << 16
MOST_PARAMS = 2000


def mlflow_sources(folder: Path) -> Sequence[Source]:
    """The runs at a folder: it is one, or an experiment, or the store; empty: none of these."""
    if _is_run(folder):
        return [_source(folder, "")]
    if _is_experiment(folder):
        return [_source(run, "") for run in _runs_in(folder)]
    experiments = [one for one in folders_in(folder) if _is_experiment(one)]
    runs = [(one, run) for one in experiments for run in _runs_in(one)]
    is_one = len({one for one, _ in runs}) == 1
    return [_source(run, "" if is_one else f"{_meta(one).get('name', one.name)}/") for one, run in runs]


def _runs_in(experiment: Path) -> list[Path]:
    """The runs of an experiment, the oldest first."""
    runs = [run for run in folders_in(experiment) if _is_run(run)]
    return sorted(runs, key=lambda run: _seconds(_meta(run).get("start_time")) or 0.0)


def _is_run(folder: Path) -> bool:
    return (folder / META).is_file() and (folder / METRICS).is_dir()


def _is_experiment(folder: Path) -> bool:
    return (folder / META).is_file() and "experiment_id" in _meta(folder) and not _is_run(folder)


def _meta(folder: Path) -> Mapping[str, Any]:
    try:
        return read_document(folder / META).values
    except UserError:
        return {}


def _source(run: Path, prefix: str) -> Source:
    name = clean_name(f"{prefix}{_meta(run).get('run_name') or _line(run / 'tags' / 'mlflow.runName') or run.name}")

    def files() -> tuple[Path, ...]:
        return (*files_below(run / METRICS, lambda _: True), run / META)

    return Source(name, run, files, lambda: _read(run, name))


def _read(run: Path, name: str) -> Foreign:
    metrics = Tagged()
    for path in files_below(run / METRICS, lambda _: True):
        tag = str(path.relative_to(run / METRICS))
        if not tag.startswith(SYSTEM):
            for step, value, time in values_of(content_of(path)):
                metrics.add(tag, step or 0, value, time)
    meta = _meta(run)
    return Foreign(
        name,
        TOOL,
        run,
        settle_places(metrics.table(run, FORMAT)),
        typed(_params(run / PARAMS)),
        state=STATES.get(meta.get("status", 3), RunState.FINISHED),
        started=_seconds(meta.get("start_time")),
        ended=_seconds(meta.get("end_time")),
    )


def _params(folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in files_below(folder, lambda _: True):
        if len(found) >= MOST_PARAMS:
            break
        found[str(path.relative_to(folder))] = _line(path)
    return found


def _line(path: Path) -> str:
    """The content of a small file."""
    try:
        return read_limited(path, LONGEST_VALUE).decode("utf-8", "replace").strip()
    except (OSError, ValueError):
        return ""


def _seconds(milliseconds: Any) -> float | None:
    is_known = isinstance(milliseconds, int | float) and 0 < milliseconds < 1e14
    return milliseconds / 1000 if is_known else None
