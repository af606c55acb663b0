"""Folders in which a training left its log under a name that its tool always gives it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from trainctl.engine.importing.foreign import Source, clean_name
from trainctl.engine.importing.sources.logs import log_source
from trainctl.engine.importing.sources.walking import files_below, folders_in

STATE = "trainer_state.json"
NAMES = (STATE, "results.csv", "metrics.csv", "metrics.json", "scalars.json", "progress.csv", "history.csv", "log.csv")
"""Of Hugging Face, ultralytics, Lightning, detectron2, mmengine, Stable-Baselines, Keras."""
_CHECKPOINT = re.compile(r"checkpoint-(\d{1,12})")


def own_log(folder: Path) -> Source | None:
    """The log that lies in the folder itself, or of Hugging Face in its newest checkpoint; None: there is none."""
    for name in NAMES:
        if (folder / name).is_file():
            return _named(folder, folder / name)
    saved = [(int(found[1]), path) for path in folders_in(folder) if (found := _CHECKPOINT.fullmatch(path.name))]
    newest = next((path / STATE for _, path in sorted(saved, reverse=True) if (path / STATE).is_file()), None)
    return None if newest is None else _named(folder, newest)


def logs_below(folder: Path) -> Sequence[Source]:
    """The logs below a folder; of the checkpoints of one training the newest."""
    found = dict.fromkeys(_home(path) for path in files_below(folder, lambda name: name in NAMES))
    logs = ((home, own_log(home)) for home in found)
    return [replace(log, name=clean_name(str(home.relative_to(folder)))) for home, log in logs if log is not None]


def _home(path: Path) -> Path:
    """The folder of the training that a log is of."""
    return path.parent.parent if _CHECKPOINT.fullmatch(path.parent.name) else path.parent


def _named(folder: Path, path: Path) -> Source:
    """A log that is called as its folder: its own name says nothing of the training."""
    return replace(log_source(path), name=clean_name(folder.resolve().name) or path.stem)
