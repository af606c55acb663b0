"""One training of a host with a case, in this process, and what came out of it. Knows no rule.

A trial lies in a folder of its own: `run` is the run directory, `result.json` the outcome. What is there is not trained
again.
"""

from __future__ import annotations

import json
import math
import shutil
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks.trainfault.cases import all_cases, change_of
from benchmarks.trainfault.host import Host, HostConfig
from benchmarks.trainfault.hosts import HOSTS
from trainctl.engine.config.presets import About
from trainctl.engine.config.resolve import Resolved
from trainctl.engine.errors import UserError
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.summary import read_summary
from trainctl.engine.training.session import Order, train
from trainctl.engine.training.state.checkpoint import load_checkpoint

RESULT = "result.json"
COMMON: Mapping[str, Any] = {"runtime.device": "cpu", "runtime.threads": 1, "checkpoint.epoch_every_s": 1e6}
"""Small networks gain nothing from threads, and only the last checkpoint is looked at."""


@dataclass(frozen=True)
class Trial:
    """What is trained."""

    host: str
    case: str
    """Empty: the host as it is."""
    seed: int
    level: int = 1
    """Strength of the case: 0 mild, 1 usual, 2 severe."""
    fix: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Settings of a fix, by dotted path."""

    @property
    def dose(self) -> float:
        """Strength in the unit of the case."""
        return all_cases()[self.case].doses[self.level] if self.case else 0.0

    def folder(self, root: Path) -> Path:
        """Where it lies; a fix lies in the folder of what it repairs."""
        case = self.case or "as-it-is"
        level = "" if self.level == 1 else f"-{('mild', 'usual', 'severe')[self.level]}"
        return root / self.host / f"{case}{level}" / f"seed-{self.seed}"


@dataclass(frozen=True)
class Result:
    """How a trial ended."""

    host: str
    case: str
    seed: int
    level: int
    state: str
    """`finished`, `failed`, or `refused` where nothing was trained."""
    reason: str
    reported: float
    """The monitored metric of the last validation; NaN: none."""
    honest: float
    """The same on samples that no fault has touched, of the last weights; NaN: none."""
    steps: int
    seconds: float

    def write(self, folder: Path) -> None:
        """Keep it."""
        plain = {name: _word(value) for name, value in asdict(self).items()}
        (folder / RESULT).write_text(json.dumps(plain, indent=1), encoding="utf-8")


def read_result(folder: Path) -> Result | None:
    """What was kept; none: the trial has not ended."""
    path = folder / RESULT
    if not path.exists():
        return None
    plain: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for name in ("reported", "honest", "seconds"):
        plain[name] = float(plain[name])
    return Result(**plain)


def configuration(trial: Trial) -> Resolved:
    """The configuration of a trial."""
    host = HOSTS[trial.host]
    task = f"{host.__module__}:{host.__qualname__}"
    base = {**COMMON, **host.options, "task": task, "seed": trial.seed, "case": trial.case, "dose": trial.dose}
    healthy = HostConfig.model_validate(_nested(base))
    changed = change_of(trial.case, trial.dose).settings(healthy)
    config = HostConfig.model_validate(_nested({**base, **changed, **trial.fix}))
    return Resolved(config=config, sources={}, preset=task, about=About(), scale="full")


def run_trial(trial: Trial, folder: Path) -> Result:
    """Train it, unless its result is there."""
    found = read_result(folder)
    if found is not None:
        return found
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    started = time.perf_counter()
    state, reason = _train(configuration(trial), HOSTS[trial.host], folder)
    seconds = time.perf_counter() - started
    paths = RunPaths(folder / "run")
    result = _result(trial, paths, state, reason, round(seconds, 3))
    for checkpoint in (paths.latest, paths.best, paths.samples):
        checkpoint.unlink(missing_ok=True)
    result.write(folder)
    return result


def _result(trial: Trial, paths: RunPaths, state: str, reason: str, seconds: float) -> Result:
    summary = read_summary(paths) if state != "refused" else None
    metrics = {} if summary is None else summary.metrics
    reported = _reported(metrics, HOSTS[trial.host].monitor.metric)
    is_examined = change_of(trial.case, trial.dose).is_examined
    honest = math.nan if state != "finished" else _honest(trial, paths) if is_examined else reported
    other = _host_config(trial).train.monitor
    if other and math.isfinite(_reported(metrics, other)):
        reported = honest  # a fix has another figure watched, one that says what it says
    steps = 0 if summary is None else summary.steps
    return Result(trial.host, trial.case, trial.seed, trial.level, state, reason, reported, honest, steps, seconds)


def _train(resolved: Resolved, host: type[Host], folder: Path) -> tuple[str, str]:
    paths = RunPaths(folder / "run")

    def open_run() -> RunPaths:
        paths.root.mkdir()
        return paths

    def on_crash(error: BaseException) -> None:
        words = "".join(traceback.format_exception(error))
        paths.console.write_text(words, encoding="utf-8")
        if isinstance(error, KeyboardInterrupt):
            raise error

    try:
        ending = train(Order(resolved, host, None, open_run, argv=["trainfault"], on_crash=on_crash))
    except UserError as err:
        return "refused", str(err)
    if ending.code in (130, 143):
        raise KeyboardInterrupt
    return str(ending.state), ending.reason


def _reported(metrics: Mapping[str, float], name: str) -> float:
    """Of averaged weights where they are kept: they are what is used afterwards."""
    return metrics.get(f"ema.{name}", metrics.get(name, math.nan))


def _honest(trial: Trial, paths: RunPaths) -> float:
    host = HOSTS[trial.host](_host_config(trial))
    torch.manual_seed(trial.seed)
    model = host.build_model(host.load())
    state = load_checkpoint(paths.latest)["state"]
    averaged = state.get("ema")
    model.load_state_dict(averaged["module"] if averaged else state["model"])
    return host.honest(model)


def _host_config(trial: Trial) -> HostConfig:
    config = configuration(trial).config
    assert isinstance(config, HostConfig)
    return config


def task_of(trial: Trial) -> Host:
    """The task of a trial, as a preflight takes it."""
    return HOSTS[trial.host](_host_config(trial))


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for path, value in flat.items():
        *sections, last = path.split(".")
        at = whole
        for section in sections:
            at = at.setdefault(section, {})
        at[last] = value
    return whole


def _word(value: Any) -> Any:
    """JSON knows no NaN and no infinity."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
