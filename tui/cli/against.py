"""`diagnose --against`: reads the run or log that is known to be good, and sets what is diagnosed beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from trainctl.engine.errors import UserError
from trainctl.tui.cli.outcome import Subject

if TYPE_CHECKING:
    from trainctl.engine.diagnosis.facts.evidence import Evidence
    from trainctl.engine.runs.layout import RunPaths


def check_against(*, has_run: bool, is_preflight: bool) -> None:
    """Refuse what cannot be set beside a good training, before anything is measured.

    Raises:
        UserError: nothing has been trained yet, or it is not asked about.
    """
    if not has_run or is_preflight:
        raise UserError("--against goes with the records of a run, or with a log", "name one, without --preflight")


def against(subject: Subject, good: str, runs_dir: Path) -> Subject:
    """The same with what tells it from the run or log called `good`.

    Raises:
        UserError: there is no such one, it cannot be read, or it has no series in common with this.
    """
    from trainctl.engine.diagnosis.against import with_reference

    evidence, run, name = _read(good, runs_dir)
    runs = None if subject.run is None or run is None else (subject.run, run)
    return replace(subject, evidence=with_reference(subject.evidence, evidence, name, runs))


def _read(ref: str, runs_dir: Path) -> tuple[Evidence, RunPaths | None, str]:
    from trainctl.engine.diagnosis.logs.evidence import is_log, read_log_evidence
    from trainctl.engine.diagnosis.records.evidence import read_evidence
    from trainctl.engine.runs.index import find_run
    from trainctl.tui.run.names import short_names

    if is_log(ref, runs_dir):
        return read_log_evidence(ref), None, Path(ref).name
    run = find_run(runs_dir, ref)
    return read_evidence(run), run, short_names([run.root.name])[0]
