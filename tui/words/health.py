"""What a judgement of the rules comes to, in a sentence that also says what it could not look at. Pure."""

from __future__ import annotations

from trainctl.engine.diagnosis.records.evidence import NEEDS_DATA, NEEDS_NETWORK
from trainctl.tui.health.health import Health
from trainctl.tui.words.verdict import Severity, Verdict

PARTS = {NEEDS_DATA: "data", NEEDS_NETWORK: "network"}
OTHERWISE = "figures"
"""Whatever else is in the way: too early, nothing recorded of it."""


def health_verdict(health: Health, fate: Verdict | None = None) -> Verdict:
    """What to think of the run by its records.

    Well is only what was looked at more than it was not, of a run that goes on or ended as it should.

    Args:
        health: the judgement.
        fate: what became of the run itself, where that is a reason to worry.
    """
    if health.problem:
        return Verdict(Severity.WARNING, f"the records cannot be judged: {health.problem}")
    if health.findings and health.worst is not Severity.NOTE:
        first = health.findings[0]
        return Verdict(health.worst, f"deal with {first.code} {first.name} first")
    outcome = f"nothing {'wrong' if health.findings else 'found'} in {_counted(len(health.checked), 'check')}"
    looked = f"{outcome}{_missed_words(health)}"
    if fate is not None:
        return Verdict(fate.severity, f"{fate.text}; in its records {looked}")
    newest = next(reversed(health.warnings), None)
    if newest is not None:
        more = f" (and {len(health.warnings) - 1} more)" if len(health.warnings) > 1 else ""
        return Verdict(Severity.WARNING, f"the run warned: {newest}{more}; else {looked}")
    is_well = len(health.checked) >= len(health.missed) and bool(health.checked)
    return Verdict(Severity.OK if is_well else Severity.NOTE, looked)


def _missed_words(health: Health) -> str:
    """How many checks could not be made, by what they need, in few words; empty: none. The panel's page says more."""
    missed = health.missed
    if not missed:
        return ""
    reasons = [PARTS.get(entry.why, OTHERWISE) for entry in missed]
    counts = [(part, reasons.count(part)) for part in (*PARTS.values(), OTHERWISE)]
    parts = ", ".join(f"{part} {count}" for part, count in counts if count)
    return f"; not looked at: {parts}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
