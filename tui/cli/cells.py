"""Which run there is of a preset and a seed, and what has to be done to get it: nothing, wait, go on, or train.

A run counts where its recorded configuration is the wanted one in every value but the number of threads, its scale and
its data are the same, it is no fork, and nobody changed a value of it while it ran.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from trainctl.engine.errors import UserError
from trainctl.engine.runs.index import RunInfo, run_info, run_names
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.meta import read_meta
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Liveness
from trainctl.tui.processes.launch import LaunchRequest, Process, go_on, launch

if TYPE_CHECKING:
    from trainctl.engine.config.resolve import Resolved

IGNORED = ("runtime.threads",)
"""What a run may differ in: it changes rounding at most."""


class Need(StrEnum):
    """What has to be done."""

    NOTHING = "found"
    WAIT = "running already"
    GO_ON = "resumed"
    TRAIN = "started"


@dataclass(frozen=True)
class Source:
    """A preset as a column of the comparison."""

    name: str
    """As the command line has it."""
    preset: str
    """As `--preset` takes it."""
    scale: str
    data: Path | None
    overrides: tuple[str, ...]
    trust: bool = False


@dataclass(frozen=True)
class Cell:
    """A preset under a seed."""

    source: Source
    seed: int
    resolved: Resolved
    need: Need
    run: RunPaths | None
    """None: it is to be trained."""

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.source.name} seed {self.seed}"


@dataclass(frozen=True)
class CellTraining:
    """A cell as something that `run_all` starts."""

    cell: Cell
    runs_dir: Path
    environ: Mapping[str, str]
    threads: int | None

    def start(self) -> tuple[RunPaths, Process | None]:
        """See `Training`."""
        cell, source = self.cell, self.cell.source
        threads = [] if self.threads is None else [f"runtime.threads={self.threads}"]
        if cell.run is not None:
            is_waited_for = cell.need is Need.WAIT
            return cell.run, None if is_waited_for else go_on(cell.run, self.environ, threads, trust=source.trust)
        request = LaunchRequest(
            self.runs_dir,
            preset=source.preset,
            data=source.data,
            scale=source.scale,
            trust=source.trust,
            overrides=(*source.overrides, f"seed={cell.seed}", *threads),
            label=cell.resolved.preset if not source.preset.endswith(".yaml") else Path(source.name).stem,
            environ=self.environ,
        )
        return launch(request)


class Shelf:
    """The runs of a folder, each looked at once."""

    def __init__(self, runs_dir: Path) -> None:
        self._runs_dir = runs_dir
        self._metas: dict[str, Mapping[str, Any]] | None = None
        self._values: dict[str, Mapping[str, Any] | None] = {}

    def cell(self, source: Source, seed: int, resolved: Resolved) -> Cell:
        """The cell with the best run there is: finished, else running, else one that can go on; the newest of each."""
        found: dict[Need, RunPaths] = {}
        for paths in self._runs_of(source, seed, resolved):
            need = _need(run_info(paths, time.time()), paths)
            found.setdefault(need, paths)
            if need is Need.NOTHING:
                break
        need = next(need for need in Need if need in found or need is Need.TRAIN)
        return Cell(source, seed, resolved, need, None if need is Need.TRAIN else found[need])

    def _runs_of(self, source: Source, seed: int, resolved: Resolved) -> Sequence[RunPaths]:
        wanted = _compared(resolved.values())
        data = None if source.data is None else str(source.data.resolve())
        return [
            RunPaths(self._runs_dir / name)
            for name, meta in self._all().items()
            if (meta.get("seed"), meta.get("scale"), meta.get("data")) == (seed, resolved.scale, data)
            and "forked_from" not in meta
            and self._config(name) == wanted
            and not _is_set(self._runs_dir / name)
        ]

    def _all(self) -> Mapping[str, Mapping[str, Any]]:
        """Content of `meta.json` of every run that has one, the newest first."""
        if self._metas is None:
            self._metas = {name: _meta(RunPaths(self._runs_dir / name)) for name in run_names(self._runs_dir)}
        return self._metas

    def _config(self, name: str) -> Mapping[str, Any] | None:
        from trainctl.engine.tasks.configured import reading

        if name not in self._values:
            try:
                self._values[name] = _compared(reading.load_resolved(self._runs_dir / name / "config.yaml").values())
            except UserError:
                self._values[name] = None
        return self._values[name]


def _need(info: RunInfo, paths: RunPaths) -> Need:
    if info.liveness in (Liveness.LIVE, Liveness.SILENT, Liveness.STARTING):
        return Need.WAIT
    if info.liveness is Liveness.OVER and info.state is RunState.FINISHED:
        return Need.NOTHING
    return Need.GO_ON if paths.latest.is_file() else Need.TRAIN


def _meta(paths: RunPaths) -> Mapping[str, Any]:
    try:
        return read_meta(paths) or {}
    except UserError:
        return {}


def _is_set(root: Path) -> bool:
    """Whether somebody changed a value of the run while it ran."""
    from trainctl.engine.runs.events import EventKind
    from trainctl.engine.runs.reader import RunReader

    try:
        reader = RunReader(RunPaths(root))
        reader.poll()
    except UserError:
        return True
    commands = (event.data for event in reader.events if event.kind is EventKind.COMMAND)
    return any(data.get("verb") == "set" and not str(data.get("effect")).startswith("refused") for data in commands)


def _compared(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in values.items() if name not in IGNORED}


def _plain(value: Any) -> Any:
    """Lists for tuples, so that what was written and read again is equal."""
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in cast("Sequence[Any]", value)]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in cast("dict[str, Any]", value).items()}
    return value


def seeds_of(text: str, first: int) -> list[int]:
    """The seeds that `--seeds` means: a list, or so many: `first`, then 1, 2, 3 without it.

    Raises:
        UserError: neither.
    """
    words = [word.strip() for word in text.split(",")]
    is_list = "," in text
    numbers = [int(word) for word in words if word.isascii() and word.isdigit() and len(word) < 10]
    if len(numbers) != len([word for word in words if word]) or not numbers:
        raise UserError(f"--seeds {text}: neither a number nor a list", "write --seeds 5, or --seeds 1,2,42")
    if is_list:
        if len(set(numbers)) != len(numbers):
            raise UserError(f"--seeds {text}: a seed is named twice", "name each once")
        return numbers
    if not 1 <= numbers[0] <= 100:
        raise UserError(f"--seeds {text}: from 1 to 100 seeds", "for one certain seed write --seeds 42,")
    others = (k for k in range(1, numbers[0] + 2) if k != first)
    return [first, *(seed for seed, _ in zip(others, range(numbers[0] - 1), strict=False))]
