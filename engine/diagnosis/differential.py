"""From evidence to a report: asks every rule, then finds the one cause to deal with first.

Knows the order of causes, no particular rule.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from trainctl.engine.diagnosis.catalogue import SECTIONS, Rule, all_rules, course_rules
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.finding import Confidence, Finding, Fix, Ignored, NotChecked, Report, Severity
from trainctl.engine.diagnosis.scope import scope_of

BESIDE_COURSE = ("reference", "plan", "records", "beginning", "foreign")
"""Parts of the evidence that rules over the course may look at beside it."""
SEVERITY_ORDER = (Severity.ERROR, Severity.WARNING, Severity.INFO)


def diagnose(
    evidence: Evidence,
    *,
    sections: Collection[str] = SECTIONS,
    seconds: float = 0.0,
    ignore: Mapping[str, str] | None = None,
) -> Report:
    """Judge the evidence.

    Args:
        evidence: what is known.
        sections: only rules of these sections are asked.
        seconds: how long gathering the evidence took.
        ignore: reasons by the codes of findings that are left out of the verdict; they explain no other finding.
    """
    known = all_rules(of_log=evidence.log is not None)
    rules = {code: rule for code, rule in known.items() if _is_asked(rule, evidence, sections)}
    answers = {code: rule.apply(evidence) for code, rule in rules.items()}
    if evidence.course is not None:
        beside = {part: getattr(evidence, part) for part in BESIDE_COURSE}
        course = Evidence(log=evidence.course, **beside)
        for code, one in course_rules().items():
            # A rule over records sees every step, one over the course the means of many. The second speaks where the
            # first does not exist, or has nothing to look at: what it will not judge yet is not for another to judge.
            is_new = code not in rules or any(getattr(evidence, part) is None for part in rules[code].needs)
            if is_new and _is_asked(one, evidence, sections):
                answers[code], rules[code] = one.apply(course), one
    not_checked = [answer for answer in answers.values() if isinstance(answer, NotChecked)]
    found = [_mendable(answer, evidence.plan) for answer in answers.values() if isinstance(answer, Finding)]
    checked = [code for code, answer in answers.items() if not isinstance(answer, NotChecked)]
    judged = {rules[code].section for code in checked}
    ignored = [Ignored(finding, ignore[finding.code]) for finding in found if ignore and finding.code in ignore]
    known_of = {entry.finding.code for entry in ignored}
    kept = [finding for finding in found if finding.code not in known_of]
    return Report(
        findings=tuple(order_causes(kept, rules, [code for code in checked if code not in known_of])),
        not_checked=tuple(not_checked),
        checked=tuple(checked),
        seconds=seconds,
        scope=scope_of(evidence, [name for name in SECTIONS if name in sections], judged),
        ignored=tuple(ignored),
    )


def _is_asked(rule: Rule, evidence: Evidence, sections: Collection[str]) -> bool:
    """Whether a rule has a say: those against a good training only where one is named, for it is the user's to name."""
    return rule.section in sections and (evidence.reference is not None or "reference" not in rule.needs)


def _mendable(finding: Finding, plan: PlanFacts | None) -> Finding:
    """The finding without settings that are no values, that this configuration lacks, or that are in force already."""
    settings = finding.fix.set
    if any(isinstance(value, float) and not math.isfinite(value) for value in (settings or {}).values()):
        return replace(finding, fix=Fix(finding.fix.text))
    if not settings or plan is None or not plan.settings.values or plan.settings.would_change(settings):
        return finding
    return replace(finding, fix=Fix(finding.fix.text))


def order_causes(found: Sequence[Finding], rules: Mapping[str, Rule], checked: Collection[str]) -> list[Finding]:
    """The findings with one primary cause, each cause followed by its consequences.

    Consequences are what a rule itself names (`because`); information is no cause of a warning or an error. A cause is
    as grave as the gravest of what follows from it. Among the causes that remain, errors come before warnings, and
    within a severity the earlier class of causes comes first. Information and hints are never primary.
    """
    placed = _as_grave(_without_circles([_place(finding, found, rules, checked) for finding in found], rules))
    causes = sorted(
        (finding for finding in placed if finding.consequence_of is None),
        key=lambda finding: (SEVERITY_ORDER.index(finding.severity), rules[finding.code].precedence, finding.code),
    )
    ordered: list[Finding] = []
    for cause in causes:
        is_primary = not ordered and cause.severity != Severity.INFO and cause.confidence != Confidence.HINT
        ordered.append(replace(cause, primary=is_primary))
        ordered += [finding for finding in placed if _root(finding, placed) == cause.code]
    return ordered


def _place(finding: Finding, found: Sequence[Finding], rules: Mapping[str, Rule], checked: Collection[str]) -> Finding:
    codes = {other.code for other in found}
    is_info = finding.severity == Severity.INFO
    causes = {other.code for other in found if other.explains and (is_info or other.severity != Severity.INFO)}
    cause = next((code for code in finding.because if code in causes), None)
    clean = [code for code in rules[finding.code].rivals if code in checked and code not in codes]
    ruled_out = (*finding.ruled_out, *(f"{code} {rules[code].name}" for code in clean))
    return replace(finding, consequence_of=cause, ruled_out=ruled_out)


def _without_circles(placed: Sequence[Finding], rules: Mapping[str, Rule]) -> list[Finding]:
    """The findings, where two name each other as the cause: the earlier class of causes then is one."""
    kept = {finding.code: finding for finding in placed}
    for finding in sorted(placed, key=lambda one: (rules[one.code].precedence, one.code)):
        code, passed = finding.consequence_of, {finding.code}
        while code is not None and code not in passed:
            passed.add(code)
            code = kept[code].consequence_of
        if code == finding.code:
            kept[finding.code] = replace(finding, consequence_of=None)
    return list(kept.values())


def _as_grave(placed: Sequence[Finding]) -> list[Finding]:
    """The findings, each cause as grave as its gravest consequence: who reads the first reads how bad it is."""
    worst = {finding.code: SEVERITY_ORDER.index(finding.severity) for finding in placed}
    for finding in placed:
        root = _root(finding, placed)
        if root is not None:
            worst[root] = min(worst[root], worst[finding.code])
    return [replace(finding, severity=SEVERITY_ORDER[worst[finding.code]]) for finding in placed]


def _root(finding: Finding, placed: Sequence[Finding]) -> str | None:
    """The cause at the head of a chain of consequences; None for a cause itself."""
    by_code = {entry.code: entry for entry in placed}
    cause = finding.consequence_of
    while cause is not None and by_code[cause].consequence_of is not None:
        cause = by_code[cause].consequence_of
    return cause
