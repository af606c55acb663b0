"""The table of rules: what each needs, how often it accused a healthy training, and was first, and right.

Only those that said anything are named; all others accused none.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.experiments.tables import markdown
from benchmarks.trainfault.verdicts import Collection, Verdict
from trainctl.engine.diagnosis.catalogue import all_rules

PATHS = ("preflight", "records", "log")
MOST_CASES = 3


def by_rule(found: Collection) -> Iterator[str]:
    """The lines of the section."""
    rules = all_rules(of_log=True) | all_rules()
    rows: list[list[str]] = []
    for code in sorted(rules):
        accused = sum(any(code in verdict.grave(path) for path in PATHS) for verdict in found.healthy)
        first = [verdict for verdict in found.faults if verdict.order("all")[:1] == [code]]
        right = [verdict for verdict in first if code in verdict.case.cause]
        if accused or first:
            rows.append(
                [
                    code,
                    rules[code].name,
                    ", ".join(rules[code].needs or rules[code].welcomes),
                    f"{accused} of {len(found.healthy)}",
                    f"{len(right)} of {len(first)}",
                    _cases(right or first),
                ]
            )
    yield "## By rule"
    yield ""
    yield (
        f"Rules that said anything, of {len(rules)}: parts of the evidence that each needs (or takes one of), the "
        "healthy trainings that it accused on any path, how often it was the first of all causes and the true one, and "
        "of which faults. The others accused no healthy training."
    )
    yield ""
    yield markdown(["code", "rule", "needs", "healthy accused", "first: rightly", "faults, the commonest"], rows)
    yield ""


def _cases(verdicts: list[Verdict]) -> str:
    names = [verdict.trial.case for verdict in verdicts]
    return ", ".join(sorted(set(names), key=lambda name: (-names.count(name), name))[:MOST_CASES])
