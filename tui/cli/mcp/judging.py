"""Tools that ask the rules: of a run, of a log, and what a rule is. Judges nothing itself."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.explanation import find_code
from trainctl.engine.diagnosis.finding import Confidence, Report
from trainctl.engine.diagnosis.logs.evidence import log_lines, read_log_evidence
from trainctl.engine.diagnosis.records.evidence import read_evidence
from trainctl.tui.cli.commands.explain import explanation_json
from trainctl.tui.cli.mcp.bounds import Answer, Limit, RunName
from trainctl.tui.cli.mcp.grounds import Grounds


def diagnose_run(
    grounds: Grounds,
    run: RunName = "latest",
    against: Annotated[str, Field(description="Name of a run of the same task that is known to be good.")] = "",
    limit: Limit = 5,
) -> Answer:
    """Judge a run by its records, alive, finished or crashed: verdict, findings with evidence, what to do."""
    paths = grounds.run(run)
    evidence = read_evidence(paths)
    if against:
        from trainctl.engine.diagnosis.against import with_reference

        good = grounds.run(against)
        evidence = with_reference(evidence, read_evidence(good), good.root.name, (paths, good))
    return _told(diagnose(evidence), limit, {"run": paths.root.name})


def diagnose_log(
    grounds: Grounds,
    path: Annotated[str, Field(description="File, or folder of TensorBoard's, below the folder that was allowed.")],
    columns: Annotated[
        str, Field(description="What its names are where they are misread: train=loss_t,val=loss_v,lr=rate.")
    ] = "",
    num_classes: Annotated[int | None, Field(ge=2, description="Classes of the task, where known.")] = None,
    batch_size: Annotated[int | None, Field(ge=1, description="Samples of a batch, where known.")] = None,
    limit: Limit = 5,
) -> Answer:
    """Judge the log of any tool: CSV, JSON, TensorBoard, printed text. `read_as` says what its names were taken for."""
    log = grounds.log(path)
    evidence = read_log_evidence(str(log), num_classes=num_classes, batch_size=batch_size, columns=columns)
    lines = log_lines(evidence.log) if evidence.log else []
    return _told(diagnose(evidence), limit, {"log": path, "read_as": lines})


def explain_rule(
    grounds: Grounds, code: Annotated[str, Field(description="As a finding shows it, e.g. D101.")], limit: Limit = 20
) -> Answer:
    """Explain a rule of the diagnosis: statistic and threshold, what the fault costs, what to do."""
    del grounds
    found, answer = explanation_json(find_code(code)), Answer()
    for rule in found["rules"]:
        for part in ("told_apart_from", "follows_from", "leads_to"):
            rule[part] = answer.first([f"{other['code']} {other['name']}" for other in rule[part]], limit, part)
    answer.data = found | {"presets": answer.first(found["presets"], limit, "presets")}
    return answer


def _told(report: Report, limit: int, subject: dict[str, Any]) -> Answer:
    """A report without what would fill it: hints, and each rule that could not be asked."""
    answer = Answer()
    shown = [finding for finding in report.findings if finding.confidence is not Confidence.HINT]
    if len(shown) < len(report.findings):
        answer.left_out.append(f"{len(report.findings) - len(shown)} hints; `trainctl diagnose --json` has them")
    if report.not_checked:
        answer.left_out.append(
            f"why {len(report.not_checked)} rules could not be asked; `trainctl diagnose --json` says it"
        )
    answer.data = {
        **subject,
        "verdict": str(report.verdict),
        "findings": [finding.to_json() for finding in answer.first(shown, limit, "findings")],
        "num_checks": len(report.checked),
        "looked_at": list(report.scope.looked_at),
        "not_looked_at": dict(report.scope.not_looked_at),
    }
    return answer
