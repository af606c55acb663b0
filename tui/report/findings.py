"""What the rules say of each run, as `trainctl diagnose` says it: evidence, what was ruled out, what not checked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from trainctl.engine.diagnosis.catalogue import every_rule
from trainctl.engine.diagnosis.finding import Finding
from trainctl.engine.diagnosis.report import MARKS, consequences
from trainctl.tui.charts.axis import short
from trainctl.tui.health.health import SEVERITY, Health
from trainctl.tui.report.html import Html, element, joined, pairs, section
from trainctl.tui.report.subject import PageSubject, RunSubject


def findings(subject: PageSubject) -> Html:
    """The part of the page."""
    blocks = [_of_run(run, is_alone=subject.is_one) for run in subject.runs]
    return section("findings", "Findings", *blocks)


def _of_run(run: RunSubject, *, is_alone: bool) -> Html:
    health = run.health
    head = [] if is_alone else [element("h3", element("i", class_=f"swatch i{run.ink}", aria_hidden="true"), run.name)]
    if health is None:
        return element("div", *head, element("p", "Not judged: there is no step record."), class_="of-run")
    found = [_finding(one, consequences(one, health.findings)) for one in health.causes]
    return element("div", *head, *_opening(health), *found, *_limits(health), class_="of-run")


def _opening(health: Health) -> Iterator[Html]:
    if health.problem:
        yield element("p", f"The records cannot be judged: {health.problem}")
    elif not health.findings:
        yield element("p", f"Nothing was found in {_checks(len(health.checked))}.")
    for warning in health.warnings:
        yield element("p", element("strong", "! the run warned: "), warning)


def _checks(number: int) -> str:
    return f"{number} check{'s' * (number != 1)}"


def _finding(finding: Finding, follows: Sequence[Finding]) -> Html:
    severity = SEVERITY[finding.severity]
    first = [element("span", "deal with this first", class_="first")] if finding.primary else []
    head = element(
        "h4",
        element("span", f"{MARKS[finding.severity]} {finding.code}", class_=f"code {severity}"),
        f" {finding.name} ",
        element("small", f"{finding.severity}, {finding.confidence}"),
        *first,
    )
    return element(
        "article",
        head,
        *([element("p", finding.summary, class_="summary")] if finding.summary else []),
        pairs(_details(finding, follows), "details"),
        class_=f"finding {severity}",
    )


def _details(finding: Finding, follows: Sequence[Finding]) -> Iterator[tuple[str, str]]:
    for label, words in (("where", finding.where), ("why", finding.why)):
        if words:
            yield label, words
    if finding.figures:
        shown = [f"{name.replace('_', ' ')} {_value(value)}" for name, value in finding.figures.items()]
        yield "figures", element("ul", *(element("li", one) for one in shown), class_="figures-of")
    if finding.ruled_out:
        yield "ruled out", element("ul", *(element("li", one) for one in finding.ruled_out))
    if finding.fix.text:
        yield "fix", finding.fix.text
    if finding.fix.set:
        words = " ".join(f"--set {path}={_value(value)}" for path, value in finding.fix.set.items())
        yield "try", element("code", words)
    if follows:
        entries = (f"{one.code} {one.name}{f': {one.summary}' if one.summary else ''}" for one in follows)
        yield "leads to", element("ul", *map(_item, entries))


def _item(words: str) -> Html:
    return element("li", words)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return short(value, 4) if isinstance(value, float) else str(value)


def _limits(health: Health) -> Iterator[Html]:
    """What this judgement cannot say."""
    if health.problem:
        return
    scope = health.scope
    if scope.looked_at:
        yield element("p", element("b", "Looked at: "), ", ".join(scope.looked_at), ".", class_="aside")
    for name, lack in scope.not_looked_at.items():
        yield element("p", element("b", f"Not looked at: {name}"), f": {lack}", class_="aside")
    if not health.not_checked:
        return
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    for entry in health.not_checked:
        reasons[entry.why].append(entry.code)
    rules = every_rule()
    items = [
        element(
            "li", why, ": ", joined([_named(code, rules[code].name if code in rules else "") for code in codes], ", ")
        )
        for why, codes in reasons.items()
    ]
    words = f"{_checks(len(health.checked))} made, {len(health.not_checked)} could not be"
    yield element("details", element("summary", words), element("ul", *items, class_="unchecked"))


def _named(code: str, name: str) -> Html:
    return joined([element("span", code, class_="code"), f" {name}" if name else ""])
