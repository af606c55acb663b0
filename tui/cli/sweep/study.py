"""What all workers of a study agree on, as `study.json` in its folder says; whoever comes first writes it.

A worker that wants something else is refused, in one line that says what. Knows no sampler and starts nothing.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

from trainctl.engine.errors import UserError
from trainctl.engine.runs.atomic import disk_errors, read_json, to_json, to_plain, understanding, write_atomic
from trainctl.engine.runs.index import make_private
from trainctl.engine.runs.states import SCHEMA
from trainctl.tui.cli.sweep.course import Objective
from trainctl.tui.cli.sweep.space import Space, parse_space

FOLDER = "sweeps"
"""Of the studies, in the folder of runs."""
FILE = "study.json"
AGREED = ("preset", "scale", "data", "space", "values", "metric", "direction", "sampler", "pruner", "seed")
"""What no worker may want otherwise, in the order in which a difference is looked for."""
OF_THE_MACHINE = "runtime."
"""Options that may differ between workers."""
MOST_CHARS = 60
"""Of a name."""


class Sampler(StrEnum):
    """How values are chosen."""

    TPE = "tpe"
    """By what the trials so far have shown (Bergstra et al. 2011)."""
    RANDOM = "random"
    GRID = "grid"


class Pruner(StrEnum):
    """Which trials are ended early."""

    MEDIAN = "median"
    """Whose best so far is worse than the median of the others at the same epoch."""
    HYPERBAND = "hyperband"
    """Li et al. 2018."""
    NONE = "none"


@dataclass(frozen=True)
class Study:
    """What is looked for, and how."""

    name: str
    folder: Path
    preset: str
    scale: str
    data: str | None
    objective: Objective
    space: Space
    sampler: Sampler
    pruner: Pruner
    seed: int
    values: Mapping[str, Any]
    """Every value of the configuration that is varied, without those of the machine."""
    command: tuple[str, ...] = ()
    """Words that train the configuration, behind `trainctl run`; whoever began the study said them."""

    def as_json(self) -> dict[str, Any]:
        """What is agreed on, as plain data."""
        found = {name: getattr(self, name) for name in AGREED if name not in ("space", "metric", "direction")}
        objective = {"metric": self.objective.metric, "direction": self.objective.direction}
        return to_plain(found | objective | {"space": self.space.as_json()})

    @property
    def epochs(self) -> int:
        """Of the longest training."""
        of_space = [
            max(parameter.choices, default=0) if parameter.choices else parameter.high
            for parameter in self.space.parameters
            if parameter.key == "train.epochs"
        ]
        return int(of_space[0] if of_space else self.values.get("train.epochs") or 1)

    @property
    def journal(self) -> Path:
        """What the sampler knows: every trial."""
        return self.folder / "journal.log"


def study_folder(runs_dir: Path, name: str) -> Path:
    """Where a study of this name lies.

    Raises:
        UserError: no possible name.
    """
    if not re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MOST_CHARS - 1}}}", name):
        raise UserError(f"--name {name}: not a name for a study", "use letters, digits, and . _ - between them")
    return runs_dir / FOLDER / name


def usual_name(preset: str, space: Path) -> str:
    """A name that the same command gives everywhere: after the preset, or the class of a task, and the file."""
    bare = preset.rpartition(":")[2] if ".py:" in preset else re.sub(r"\.ya?ml$", "", preset)
    bare = Path(bare).name if Path(bare).is_absolute() else bare
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{bare}-{space.stem}").strip("-._")
    return words[:MOST_CHARS] or "study"


def study_names(runs_dir: Path) -> list[str]:
    """The studies there are, by name."""
    try:
        return sorted(path.parent.name for path in (runs_dir / FOLDER).glob(f"*/{FILE}"))
    except OSError as err:
        raise UserError(f"cannot read {runs_dir / FOLDER}: {err.strerror}", "give --runs-dir") from err


def read_study(folder: Path) -> Study | None:
    """The study in a folder; None where there is none yet.

    Raises:
        UserError: damaged, or written by a newer version.
    """
    path = folder / FILE
    data = read_json(path)
    if data is None:
        return None
    with understanding(path):
        direction = str(data["direction"])
        if direction not in ("max", "min"):
            raise ValueError(f"direction {direction}")
        return Study(
            name=folder.name,
            folder=folder,
            preset=str(data["preset"]),
            scale=str(data["scale"]),
            data=None if data["data"] is None else str(data["data"]),
            objective=Objective(str(data["metric"]), direction),
            space=parse_space(data["space"]),
            sampler=Sampler(data["sampler"]),
            pruner=Pruner(data["pruner"]),
            seed=int(data["seed"]),
            values=dict(data["values"]),
            command=tuple(map(str, data.get("command", ()))),
        )


def join(study: Study) -> bool:
    """Begin the study, or find that it is the one that was begun; whether it is new.

    Raises:
        UserError: the folder holds a study of something else, or cannot be written.
    """
    with disk_errors(study.folder):
        make_private(study.folder.parents[1])
        study.folder.mkdir(parents=True, exist_ok=True)
    is_new = _begin(study)
    found = read_study(study.folder)
    assert found is not None
    refuse_other(found, study)
    return is_new


def refuse_other(found: Study, wanted: Study) -> None:
    """Refuse to work on a study with something else in mind.

    Raises:
        UserError: says the first difference.
    """
    difference = _difference(found.as_json(), wanted.as_json())
    if difference:
        raise UserError(
            f"the study {found.name} was begun {difference}",
            f"say the same, or begin another study with --name; its own space: {found.folder / 'space.yaml'}",
        )


def fingerprint(study: Study) -> str:
    """The same for the same study, whoever writes it."""
    return hashlib.sha256(to_json(study.as_json()).encode()).hexdigest()[:16]


def _begin(study: Study) -> bool:
    """Write what is agreed on unless somebody has; whether it was us."""
    path = study.folder / FILE
    if read_json(path) is not None:
        return False
    told: dict[str, Any] = {"schema": SCHEMA, "name": study.name, "began": time.time()}
    told |= {"fingerprint": fingerprint(study), "command": list(study.command)}
    mine = study.folder / f".{FILE}.{os.getpid()}-{os.urandom(4).hex()}"
    write_atomic(mine, (to_json(told | study.as_json(), indent=1) + "\n").encode(), sync=True)
    with disk_errors(path):
        try:
            os.link(mine, path)  # unlike a rename, it fails where another worker was faster
        except FileExistsError:
            return False
        except OSError as err:
            if err.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
                raise
            mine.replace(path)  # a file system without hard links
        finally:
            mine.unlink(missing_ok=True)
    write_atomic(study.folder / "space.yaml", study.space.text.encode())
    return True


def _difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """What differs, in words behind `begun`; empty: nothing."""
    for name in AGREED:
        ours, theirs = wanted[name], found[name]
        if ours == theirs:
            continue
        if not isinstance(ours, dict) or not isinstance(theirs, dict):
            return f"with {name} {_words(theirs)}, not {_words(ours)}"
        mine, other = cast("dict[str, Any]", ours), cast("dict[str, Any]", theirs)
        key = next(key for key in (*mine, *other) if mine.get(key) != other.get(key) or (key in mine) != (key in other))
        what = "another space: " if name == "space" else ""
        if key not in other:
            return f"with {what}no {key}, not {_words(mine[key])}"
        if key not in mine:
            return f"with {what}{key} {_words(other[key])}, not without"
        return f"with {what}{key} {_words(other[key])}, not {_words(mine[key])}"
    return ""


def _words(value: Any) -> str:
    from trainctl.engine.config.yamlfile import format_value

    if not isinstance(value, dict):
        return format_value(value)
    entries = ((name, entry) for name, entry in cast("dict[str, Any]", value).items() if entry is not False)
    return "{" + ", ".join(f"{name}: {format_value(entry)}" for name, entry in entries) + "}"
