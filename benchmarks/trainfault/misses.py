"""What went wrong in judging, for who repairs rules: faults that were missed, and false alarms, as Markdown.

Of the hosts that calibrate only: what happens on the others is for nobody to repair.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.experiments.tables import markdown
from benchmarks.trainfault.hosts import HOSTS
from benchmarks.trainfault.judging import PATHS
from benchmarks.trainfault.tally import commonest, half, tally
from benchmarks.trainfault.verdicts import Collection, Verdict
from trainctl.engine.diagnosis.catalogue import all_rules


def misses(found: Collection, root: Path) -> str:
    """False alarms first, then faults that were not named, by fault."""
    seen = replace(
        found,
        faults=half(found.faults, is_held_out=False),
        healthy=half(found.healthy, is_held_out=False),
        spoilt=[(host, case) for host, case in found.spoilt if not HOSTS[host].is_held_out],
    )
    return "\n".join([*_alarms(seen, root), "", *_overview(seen), "", *_missed(seen, root)]) + "\n"


def _overview(found: Collection) -> Iterator[str]:
    """A line a fault: how often it is detected and named, and what is said in its place."""
    by_case: defaultdict[str, list[Verdict]] = defaultdict(list)
    for verdict in found.faults:
        by_case[verdict.trial.case].append(verdict)
    known = {*all_rules(), *all_rules(of_log=True)}
    rows: list[tuple[float, list[str]]] = []
    for case, verdicts in by_case.items():
        counts = tally(verdicts)
        causes = [code if code in known else f"({code})" for code in sorted(verdicts[0].case.cause)]
        shares = [f"{part}/{counts.count}" for part in (counts.detected, counts.first)]
        said = commonest(verdicts, lambda verdict: verdict.order("all"))
        rows.append((counts.first / counts.count, [case, " ".join(causes), *shares, said]))
    rows.sort(key=lambda row: row[0])
    yield "Codes in brackets: no rule has them."
    yield markdown(["fault", "cause", "detected", "top 1", "said first"], [cells for _, cells in rows])


def _alarms(found: Collection, root: Path) -> Iterator[str]:
    loud = [verdict for verdict in found.healthy if any(verdict.speaks(path) for path in PATHS)]
    yield f"## Healthy trainings with a warning or an error: {len(loud)} of {len(found.healthy)}"
    for verdict in loud:
        yield f"- {verdict.trial.host} / {verdict.trial.case or 'as it is'} / seed {verdict.trial.seed}"
        yield from _said(verdict)
        yield f"  - {verdict.trial.folder(root) / 'run'}"
    if found.spoilt:
        yield f"Traps that harm and do not count: {', '.join(f'{case} on {host}' for host, case in found.spoilt)}"


def _missed(found: Collection, root: Path) -> Iterator[str]:
    by_case: defaultdict[str, list[Verdict]] = defaultdict(list)
    for verdict in found.faults:
        by_case[verdict.trial.case].append(verdict)
    missed = {case: [v for v in verdicts if not v.is_first()] for case, verdicts in by_case.items()}
    silent = sum(not v.is_detected() for v in found.faults)
    wrong = sum(map(len, missed.values()))
    yield f"## Faults: {len(found.faults)} trials; not detected {silent}, first cause wrong {wrong}"
    for case, verdicts in sorted(missed.items(), key=lambda item: -len(item[1])):
        if verdicts:
            yield from _case(case, verdicts, by_case[case], root)


def _case(case: str, verdicts: Sequence[Verdict], of_all: Sequence[Verdict], root: Path) -> Iterator[str]:
    one = verdicts[0].case
    undetected = sum(not verdict.is_detected() for verdict in verdicts)
    yield f"### {case}: {one.says}"
    further = " ".join(sorted(one.near - one.cause))
    yield f"truth {' '.join(sorted(one.cause)) or 'no code'}; also leads there: {further}"
    yield f"{len(verdicts)} of {len(of_all)} trials not named first, {undetected} not detected"
    hosts: defaultdict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        hosts[verdict.trial.host].append(verdict)
    for host, own in hosts.items():
        verdict, result = own[0], own[0].result
        seeds = ", ".join(str(each.trial.seed) for each in own)
        figures = f"reported {result.reported:.4g}, honest {result.honest:.4g}"
        yield f"- {host}, seeds {seeds}: {figures}, {result.state} {result.reason}"
        yield from _said(verdict, one.cause)
        yield f"  - {verdict.trial.folder(root) / 'run'}"


def _said(verdict: Verdict, causes: frozenset[str] = frozenset()) -> Iterator[str]:
    for path in PATHS:
        told = verdict.told[path]
        words = [
            f"{'**' if each['primary'] else ''}{each['code']} {each['severity']}{'**' if each['primary'] else ''}"
            f" ({each['summary']})"
            for each in told["findings"]
            if each["severity"] != "info"
        ]
        why = told.get("refused") or told.get("failed") or ""
        absent = [f"{code}: {told['not_checked'][code]}" for code in sorted(causes) if code in told["not_checked"]]
        if words or why or causes:
            unasked = f"; not checked {'; '.join(absent)}" if absent else ""
            yield f"  - {path}: {'; '.join(words) or why or 'nothing'}{unasked}"
