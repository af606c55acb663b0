"""What the diagnosis says of a trial: before training, of its records, of its export as a log, and while it goes on.

Asks the engine as `trainctl diagnose` does, in this process. Knows no truth and scores nothing.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.trainfault.trial import Trial, task_of
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.finding import Report, Severity
from trainctl.engine.diagnosis.logs.evidence import read_log_evidence
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.diagnosis.records.evidence import RunEvidence, read_evidence
from trainctl.engine.errors import UserError
from trainctl.engine.runs.events import EventReader
from trainctl.engine.runs.export.export import export_run
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import RunState

JUDGED = "judged.json"
EARLY = (1, 2, 5, 10, 20, 35, 50, 75, 100, 150)
"""Steps after which a run that goes on is judged, besides ends of epochs."""
MOST_LOOKS = 24
PATHS = ("preflight", "records", "log")


def judge(trial: Trial, folder: Path, *, is_quick: bool = False) -> dict[str, Any]:
    """Everything that is said of a trial that was trained; kept in its folder.

    Args:
        trial: what was trained.
        folder: where.
        is_quick: what was said while it went on is not asked anew, which takes most of the time.
    """
    paths, before = RunPaths(folder / "run"), read_judged(folder)
    told: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        told["preflight"] = _asked(lambda: [gather(task_of(trial))])
        told["records"] = _asked(lambda: [read_evidence(paths)])
        told["log"] = _asked(lambda: _logs(paths))
        told["live"] = before["live"] if is_quick and before is not None else _live(paths)
    (folder / JUDGED).write_text(json.dumps(told), encoding="utf-8")
    return told


def read_judged(folder: Path) -> dict[str, Any] | None:
    """What was said; none: nobody asked yet."""
    path = folder / JUDGED
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _asked(gathered: Callable[[], list[Evidence]]) -> dict[str, Any]:
    """The findings of all pieces of evidence, the first piece's first, or why there are none."""
    started = time.perf_counter()
    try:
        reports = [diagnose(evidence) for evidence in gathered()]
    except UserError as err:
        return {"findings": [], "refused": str(err), "seconds": time.perf_counter() - started, "not_checked": {}}
    except Exception as err:  # a probe or a rule that fails must not end the benchmark, and must be seen
        words = f"{type(err).__name__}: {err}"
        return {"findings": [], "failed": words, "seconds": time.perf_counter() - started, "not_checked": {}}
    return {
        "findings": _merged(reports),
        "seconds": time.perf_counter() - started,
        "not_checked": _not_checked(reports),
        "verdict": str(reports[0].verdict),
    }


def _not_checked(reports: list[Report]) -> dict[str, str]:
    """What no piece of evidence could answer, and why the first could not."""
    whys = [{entry.code: entry.why for entry in report.not_checked} for report in reports]
    return {code: why for code, why in whys[0].items() if all(code in others for others in whys)}


def _merged(reports: list[Report]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for report in reports:
        for finding in report.findings:
            found.setdefault(finding.code, finding.to_plain())
    return list(found.values())


def _logs(paths: RunPaths) -> list[Evidence]:
    """The export as CSV: the steps, and the validations beside them."""
    with tempfile.TemporaryDirectory() as folder:
        written = export_run(paths, "csv", Path(folder) / "run.csv")
        return [read_log_evidence(str(path)) for path in written if ".hardware" not in path.suffixes]


def _live(paths: RunPaths) -> list[tuple[int, list[str]]]:
    """Codes of warnings and errors after ever more steps, as the monitor of a run that goes on has them.

    The files grow as those of a live run do; only the clock is another.
    """
    if not paths.steps.exists():
        return []
    records, lines = paths.steps.read_bytes(), paths.events.read_text(encoding="utf-8").splitlines(keepends=True)
    events = EventReader(paths).read_new()
    size = json.loads(paths.steps_layout.read_text(encoding="utf-8"))["itemsize"]
    last = len(records) // size
    found: list[tuple[int, list[str]]] = []
    with tempfile.TemporaryDirectory() as name:
        growing = RunPaths(Path(name))
        for file in (paths.steps_layout, paths.config, paths.meta):
            shutil.copy(file, growing.root)
        evidence = RunEvidence(growing, ends_as=RunState.RUNNING)
        for step in _looks([event.step for event in events if event.kind == "validation"], last):
            growing.steps.write_bytes(records[: step * size])
            heard = [
                line for event, line in zip(events, lines, strict=False) if event.step <= step and event.kind != "end"
            ]
            growing.events.write_text("".join(heard), encoding="utf-8")
            try:
                report = diagnose(evidence.read())
            except UserError:
                continue
            found.append((step, [each.code for each in report.findings if each.severity is not Severity.INFO]))
    return found


def _looks(validations: list[int], last: int) -> list[int]:
    ends = sorted(set(validations))
    thinned = ends[:: -(-len(ends) // (MOST_LOOKS - len(EARLY)))] if ends else []
    return sorted({step for step in (*EARLY, *thinned, last) if 0 < step <= last})
