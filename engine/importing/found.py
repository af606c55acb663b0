"""Which trainings a path holds: recognises what wrote it, by names and first bytes. Knows every kind of source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trainctl.engine.errors import UserError
from trainctl.engine.files import is_file, is_folder, is_there
from trainctl.engine.importing.foreign import Source
from trainctl.engine.importing.sources.database import is_database, opened
from trainctl.engine.importing.sources.folders import logs_below, own_log
from trainctl.engine.importing.sources.logs import log_source
from trainctl.engine.importing.sources.mlflow_database import is_mlflow, mlflow_database_sources
from trainctl.engine.importing.sources.mlflow_files import mlflow_sources
from trainctl.engine.importing.sources.tensorboard import event_sources
from trainctl.engine.importing.sources.trackio import is_trackio, trackio_sources
from trainctl.engine.importing.sources.walking import files_below
from trainctl.engine.importing.sources.wandb import is_wandb, wandb_sources
from trainctl.engine.runs.index import looks_like_run

DATABASES = (".db", ".sqlite", ".sqlite3")
UNDERSTOOD = (
    "understood: logs (CSV, JSON lines, text, trainer_state.json), folders of TensorBoard events, mlruns and wandb"
    " folders, databases of MLflow and trackio"
)


def find_sources(path: Path) -> Sequence[Source]:
    """The trainings at a path, at least one.

    Raises:
        UserError: there is nothing, or nothing that can be read.
    """
    if not is_there(path):
        raise UserError(f"no such file or folder: {path}", "name a log, or a folder of logs")
    if not is_folder(path):
        return _in_file(path)
    if looks_like_run(path.resolve()):
        raise UserError(f"{path} is a run already", f"open it with: trainctl ui {path}")
    found = _in_folder(path)
    if not found:
        raise UserError(f"{path} holds no log of a training", UNDERSTOOD)
    return found


def _in_file(path: Path) -> Sequence[Source]:
    if not is_file(path):
        raise UserError(f"{path} is neither a file nor a folder", "save what comes through a pipe, and name the file")
    if is_database(path):
        return _in_database(path)
    return wandb_sources(path) if is_wandb(path) else [log_source(path)]


def _in_folder(folder: Path) -> Sequence[Source]:
    """What is there, the plainest first: several tools may have recorded the same training."""
    own = own_log(folder)
    if own is not None:
        return [own]
    for sources in (mlflow_sources, wandb_sources, event_sources, logs_below):
        if found := sources(folder):
            return found
    databases = files_below(folder, lambda name: name.endswith(DATABASES), deepest=1)
    return [source for path in databases if is_database(path) for source in _tolerant(path)]


def _in_database(path: Path) -> Sequence[Source]:
    with opened(path) as connection:
        if is_mlflow(connection):
            found = mlflow_database_sources(path, connection)
        elif is_trackio(connection):
            found = trackio_sources(path, connection)
        else:
            raise UserError(f"{path} is a database of neither MLflow nor trackio", UNDERSTOOD)
    if not found:
        raise UserError(f"{path} has no run with figures", "was anything logged?")
    return found


def _tolerant(path: Path) -> Sequence[Source]:
    """The runs of a database in a folder of databases, which may hold others."""
    try:
        return _in_database(path)
    except UserError:
        return ()
