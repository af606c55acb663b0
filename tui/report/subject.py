"""What a page is about: runs as they are now, with what the rules say of them. Reads run directories only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainctl.engine.errors import UserError
from trainctl.engine.files import is_there
from trainctl.engine.runs.atomic import DamagedFileError
from trainctl.engine.runs.hardware.samples import HardwareReader, HardwareSample
from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.compare.columns import Column, grouped
from trainctl.tui.compare.facts import RunFacts, facts_of, read_config
from trainctl.tui.health.health import Health
from trainctl.tui.health.monitor import Monitor
from trainctl.tui.run.feed import read_whole
from trainctl.tui.run.names import short_names
from trainctl.tui.run.view import RunView
from trainctl.tui.words.health import health_verdict
from trainctl.tui.words.verdict import Severity, Verdict, fate, verdict

MOST_RUNS = 12
"""Lines that can still be told apart in one chart."""


@dataclass(frozen=True)
class RunSubject:
    """One run."""

    name: str
    """Short, in this page."""
    title: str
    """In full."""
    view: RunView
    facts: RunFacts
    health: Health | None
    """What the rules say; None where there is nothing to judge."""
    document: Mapping[str, Any]
    """Its `config.yaml`; empty where there is none that can be read."""
    hardware: Sequence[HardwareSample]
    """What the machine did meanwhile, thinned where it was long; empty: not known."""
    ink: int
    """Number of its colour where several runs are drawn."""

    @property
    def verdict(self) -> Verdict:
        """What to think of it, in a sentence."""
        view = self.view
        if self.health is None:
            return verdict(view)
        judged = health_verdict(self.health, fate(view))
        if judged.severity in (Severity.WARNING, Severity.ERROR):
            return verdict(view, findings=self.health.causes, judged=judged)
        return judged

    @property
    def meta(self) -> Mapping[str, Any]:
        """Where it came from."""
        return self.view.meta or {}


@dataclass(frozen=True)
class PageSubject:
    """Everything that a page is about."""

    runs: tuple[RunSubject, ...]
    columns: tuple[Column, ...]
    """The same runs, those that differ only in their seed together."""

    @property
    def facts(self) -> list[RunFacts]:
        """Of every run."""
        return [run.facts for run in self.runs]

    @property
    def is_one(self) -> bool:
        """Whether it is about a single run."""
        return len(self.runs) == 1


def read_subject(paths: Sequence[RunPaths], called: Mapping[RunPaths, str] | None = None) -> PageSubject:
    """What is known of the runs now.

    Args:
        paths: the runs.
        called: what those are called that have no name of their own, as the logs of other tools.

    Raises:
        UserError: a newer version wrote one of them, one has recorded nothing, or they are too many.
    """
    if len(paths) > MOST_RUNS:
        raise UserError(f"{len(paths)} runs: more than one page can show", f"name at most {MOST_RUNS}")
    titles = [(called or {}).get(run, run.root.name) for run in paths]
    names = short_names(titles)
    runs = tuple(_read(*about, k) for k, about in enumerate(zip(paths, names, titles, strict=True)))
    return PageSubject(runs, tuple(grouped([run.facts for run in runs], names)))


def _read(paths: RunPaths, name: str, title: str, ink: int) -> RunSubject:
    view, document = read_whole(paths), read_config(paths.config)
    if view.meta is None and view.status is None and not is_there(paths.steps):
        raise UserError(f"{paths.root} has recorded nothing", "wait for its first step, or name another run")
    health = Monitor(paths, lambda _: None).judge_anyhow()
    return RunSubject(name, title, view, facts_of(view, document), health, document or {}, _hardware(paths), ink)


def _hardware(paths: RunPaths) -> Sequence[HardwareSample]:
    try:
        return HardwareReader(paths).read_new()
    except DamagedFileError:
        return ()
