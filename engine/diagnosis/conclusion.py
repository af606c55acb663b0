"""What the rules say of a run when it ends, for its summary. Reads the run directory; no torch, no model.

Whatever goes wrong here is the reason why there is no judgement, never the end of the run.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.finding import Confidence, Finding, Severity, verdict_of
from trainctl.engine.diagnosis.records.evidence import RunEvidence
from trainctl.engine.errors import UserError
from trainctl.engine.runs.events import Event, EventKind, is_taken_back
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.summary import Judgement

BUDGET_S = 2.0
"""How long the records may be read; what is not reached by then is not judged."""


def conclude(paths: RunPaths, state: RunState, budget_s: float = BUDGET_S) -> Judgement:
    """Judge a run by its records.

    Args:
        paths: the run; its records are in the file.
        state: in which it ends.
        budget_s: for reading.
    """
    end = time.monotonic() + budget_s
    try:
        source = RunEvidence(paths, ends_as=state)
        evidence = source.read(lambda: time.monotonic() < end)
        report, spoken = diagnose(evidence), spoken_in_force((), source.listen())
    except UserError as err:
        return Judgement(not_judged=err.message)
    except Exception as err:  # the rules' mistake, or a file that somebody changed: the run itself went as it went
        return Judgement(not_judged=f"the rules failed: {type(err).__name__}: {err}")
    last = source.records.last_step if source.records else 0
    reported = [finding for finding in report.findings if finding.confidence is not Confidence.HINT]
    codes = {finding.code for finding in reported}
    found = [_reported(finding, last) for finding in reported]
    found += [_spoken(event) for event in spoken if event.data.get("code") not in codes]
    verdict = verdict_of((Severity(finding["severity"]) for finding in found), is_enough=report.scope.is_enough)
    return Judgement(found, len(report.checked), verdict=str(verdict), looked_at=report.scope.looked_at)


def spoken_in_force(spoken: Sequence[Event], heard: Iterable[Event]) -> list[Event]:
    """The `finding` events in force after what was heard: of one code the newest, none that a resume took back."""
    kept = list(spoken)
    for event in heard:
        if event.kind is EventKind.RESUME:
            kept = [earlier for earlier in kept if not is_taken_back(earlier, event)]
        elif event.kind is EventKind.FINDING:
            code = event.data.get("code")
            kept = [*(earlier for earlier in kept if earlier.data.get("code") != code), event]
    return kept


def _reported(finding: Finding, last_step: int) -> dict[str, Any]:
    """A finding of the records; its step is the one that it names, else the newest."""
    step = finding.figures.get("step")
    return {
        "code": finding.code,
        "severity": str(finding.severity),
        "title": finding.name,
        "summary": finding.summary,
        "step": step if isinstance(step, int) else last_step,
    }


def _spoken(event: Event) -> dict[str, Any]:
    """A finding that the run itself told."""
    data, severity = event.data, str(event.data.get("severity"))
    return {
        "code": str(data.get("code", "finding")),
        "severity": severity if severity in tuple(Severity) else str(Severity.INFO),
        "title": str(data.get("title", "")),
        "summary": str(data.get("summary") or ""),
        "step": event.step,
    }
