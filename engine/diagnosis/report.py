"""A diagnosis as text: lines of styled pieces, so that a terminal, the cockpit and a pipe show the same words.

Builds text only. What a style looks like is decided where it is printed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from trainctl.engine.diagnosis.catalogue import SECTIONS, every_rule
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.finding import Confidence, Finding, Report, Severity, Verdict
from trainctl.engine.diagnosis.summaries import SUMMARIES

Piece = tuple[str, str]
"""Text and its style: ok, warning, error, info, dim, bold or nothing."""
Line = tuple[Piece, ...]

MARKS = {Severity.ERROR: "✗", Severity.WARNING: "!", Severity.INFO: "·"}
OK, NOT_CHECKED = "✓", "–"
LABEL_WIDTH = 11
VERDICT_MARKS = {Verdict.WRONG: "✗", Verdict.LOOK: "!", Verdict.NOTHING: OK, Verdict.UNDECIDED: "?"}
STYLES = {Verdict.WRONG: "error", Verdict.LOOK: "warning", Verdict.NOTHING: "ok", Verdict.UNDECIDED: "dim"}


def report_lines(report: Report, evidence: Evidence, sections: Collection[str] = SECTIONS) -> list[Line]:
    """The whole report: sections, findings, what was not checked, verdict."""
    lines = section_lines(report, evidence, sections)
    if evidence.data is not None and "data" in sections:
        lines += [(("· ", "info"), (f"the data's own note: {note}", "")) for note in evidence.data.notes]
    for finding in report.findings:
        if finding.confidence != Confidence.HINT and finding.consequence_of is None:
            lines += [(), *finding_lines(finding, consequences(finding, report.findings))]
    # Of a course it is said by what it lacks: most checks could never be made of somebody else's log.
    missed = not_checked_lines(report) if evidence.log is None else scope_lines(report)
    lines += [(), *ignored_lines(report), *missed, verdict_line(report)]
    return lines


def section_lines(report: Report, evidence: Evidence, sections: Collection[str]) -> list[Line]:
    """One line a section: its mark, its name, and what was seen."""
    width = max(map(len, SECTIONS)) + 2
    return [_section_line(name, width, report, evidence) for name in SECTIONS if name in sections]


def _section_line(name: str, width: int, report: Report, evidence: Evidence) -> Line:
    seen = SUMMARIES[name](evidence)
    codes = [code for code, rule in every_rule().items() if rule.section == name]
    found = [finding for finding in report.findings if finding.section == name]
    worst = next((s for s in Severity if any(finding.severity == s for finding in found)), None)
    if worst is not None:
        mark, style = MARKS[worst], str(worst)
        seen = "; ".join(filter(None, [_codes(found), seen]))
    elif any(code in report.checked for code in codes) or (name == "environment" and seen):
        mark, style = OK, "ok"
    else:
        mark, style = NOT_CHECKED, "dim"
        seen = f"not checked ({seen})" if seen else "not checked"
    return ((f"{mark} ", style), (f"{name:<{width}}", "bold" if worst else ""), (seen, ""))


def _codes(found: Sequence[Finding]) -> str:
    return ", ".join(f"{finding.code} {finding.name}" for finding in found)


def finding_lines(finding: Finding, follows: Sequence[Finding] = ()) -> list[Line]:
    """One finding with those that follow from it, at most twelve lines."""
    style = str(finding.severity)
    head = f"{MARKS[finding.severity]} {finding.code} {finding.name}"
    lines: list[Line] = [
        ((f"{head:<43} ", style), (f"{finding.severity}, {finding.confidence} · ", "dim"), (finding.summary, "bold")),
        _labelled("where", finding.where),
        _labelled("why", finding.why),
    ]
    if finding.ruled_out:
        lines.append(_labelled("ruled out", ", ".join(finding.ruled_out)))
    lines.append(_labelled("fix", finding.fix.text))
    if finding.fix.set:
        settings = " ".join(f"--set {path}={_value(value)}" for path, value in finding.fix.set.items())
        lines.append(_labelled("try", settings))
    shown = follows[:4]
    lines += [_labelled("leads to", f"{entry.code} {entry.name}: {entry.summary}") for entry in shown]
    if len(follows) > len(shown):
        lines.append(_labelled("", f"and {len(follows) - len(shown)} more"))
    return lines


def _value(value: object) -> str:
    """A value as the command line takes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _labelled(label: str, text: str) -> Line:
    return ((f"  {label:<{LABEL_WIDTH}}", "dim"), (text, ""))


def consequences(cause: Finding, findings: Iterable[Finding]) -> list[Finding]:
    """Findings that follow from `cause`, directly or through another."""
    explained = {cause.code}
    found: list[Finding] = []
    for finding in findings:
        if finding.consequence_of in explained:
            explained.add(finding.code)
            found.append(finding)
    return found


def not_checked_lines(report: Report) -> list[Line]:
    """What could not be checked, by reason."""
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    for entry in report.not_checked:
        reasons[entry.why].append(entry.code)
    return [
        ((f"{NOT_CHECKED} not checked  ", "dim"), (f"{' '.join(codes)}: {why}", "dim"))
        for why, codes in reasons.items()
    ]


def verdict_line(report: Report) -> Line:
    """The outcome in one sentence: one of four words, what to do first, and how much was looked at."""
    verdict, style = report.verdict, STYLES[report.verdict]
    checks = f"{len(report.checked)} check{'s' * (len(report.checked) != 1)} in {report.seconds:.1f} s"
    looked = f"looked at: {', '.join(report.scope.looked_at)}" if report.scope.looked_at else "nothing was looked at"
    head = (f"{VERDICT_MARKS[verdict]} {verdict}", style)
    primary = next((finding for finding in report.findings if finding.primary), None)
    if primary is not None:
        return (head, (f": deal with {primary.code} {primary.name} first ({checks}; {looked})", ""))
    return (head, (f" ({checks}; {looked})", ""))


def ignored_lines(report: Report) -> list[Line]:
    """Findings that the user knows of, with the reasons given."""
    said = [(entry.finding, entry.reason) for entry in report.ignored]
    return [
        ((f"{NOT_CHECKED} ignored  ", "dim"), (f"{one.code} {one.name}: {one.summary} ({why})", "dim"))
        for one, why in said
    ]


def scope_lines(report: Report) -> list[Line]:
    """What of a course was not looked at, with what is missing."""
    return [
        ((f"{NOT_CHECKED} not looked at  ", "dim"), (f"{name}: {lack}", "dim"))
        for name, lack in report.scope.not_looked_at.items()
    ]
