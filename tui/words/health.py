"""What a judgement of the rules comes to, in a sentence that also says what it could not look at. Pure."""

from __future__ import annotations

from trainctl.engine.diagnosis.finding import Verdict as Outcome
from trainctl.tui.health.health import Health
from trainctl.tui.words.verdict import Severity, Verdict


def health_verdict(health: Health, fate: Verdict | None = None) -> Verdict:
    """What to think of the run by its records.

    Well is only what enough was looked at of, in a run that goes on or ended as it should.

    Args:
        health: the judgement.
        fate: what became of the run itself, where that is a reason to worry.
    """
    if health.problem:
        return Verdict(Severity.WARNING, f"the records cannot be judged: {health.problem}")
    if health.findings and health.worst is not Severity.NOTE:
        first = health.findings[0]
        return Verdict(health.worst, f"deal with {first.name} first ({first.code}){_not_looked_words(health)}")
    looked = _looked_words(health)
    if fate is not None:
        return Verdict(fate.severity, f"{fate.text}; in its records {looked}")
    newest = next(reversed(health.warnings), None)
    if newest is not None:
        more = f" (and {len(health.warnings) - 1} more)" if len(health.warnings) > 1 else ""
        return Verdict(Severity.WARNING, f"the run warned: {newest}{more}; else {looked}")
    return Verdict(Severity.OK if health.scope.is_enough else Severity.NOTE, looked)


def _looked_words(health: Health) -> str:
    """Nothing wrong, in as much as was looked at, and what was not; or what is missing to say so. The panel's page says
    why."""
    if health.scope.is_enough:
        seen = f": {', '.join(health.scope.looked_at)}" if health.scope.looked_at else ""
        return f"{Outcome.NOTHING}{seen}{_not_looked_words(health)}"
    lack = next(iter(health.scope.not_looked_at.items()), None)
    return f"{Outcome.UNDECIDED}{'' if lack is None else f': {lack[0]}, {lack[1]}'}"


def _not_looked_words(health: Health) -> str:
    """Parts of the training that could not be looked at."""
    return f"; not looked at: {', '.join(health.scope.not_looked_at)}" if health.scope.not_looked_at else ""
