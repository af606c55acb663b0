"""One line that says whether to worry, from what is known of a run. Pure; no widget, no file.

Names what is certain from records, status and events. What takes judgement is the business of the rules, whose
findings are handed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from trainctl.engine.runs.events import Event, EventKind
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import SILENT_AFTER_S, Liveness
from trainctl.tui.charts.axis import duration, short
from trainctl.tui.run.view import RunView

if TYPE_CHECKING:
    from trainctl.engine.diagnosis.finding import Finding


class Severity(StrEnum):
    """How bad it is: a symbol and a word, so that no colour is needed."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"

    @property
    def symbol(self) -> str:
        """A character in front of the word."""
        return {"ok": "✓", "note": "·", "warning": "!", "error": "×"}[self.value]


RANKS = (Severity.OK, Severity.NOTE, Severity.WARNING, Severity.ERROR)
"""The less serious first."""


@dataclass(frozen=True)
class Verdict:
    """What to think of the run."""

    severity: Severity
    text: str


def state_word(view: RunView) -> tuple[str, Severity]:
    """Where the run stands in a word or two, and how bad that is."""
    if view.is_gone:
        return "deleted", Severity.ERROR
    if _did_not_start(view):
        return "did not start", Severity.ERROR
    if view.liveness is Liveness.CRASHED:
        return "presumed crashed", Severity.ERROR
    state = view.state
    if state is RunState.FAILED:
        return "failed", Severity.ERROR
    if view.liveness is Liveness.SILENT and state is not RunState.PAUSED:
        return "silent", Severity.WARNING
    if state in (RunState.PAUSED, RunState.STOPPED, RunState.PREEMPTED, RunState.KILLED):
        return state.value, Severity.WARNING
    return state.value, Severity.NOTE if state is RunState.STARTING else Severity.OK


def _did_not_start(view: RunView) -> bool:
    """Whether the process we started is gone before there was anything to train."""
    status, is_ended = view.status, view.exit_code is not None
    # What ends a run that has begun leaves a summary.
    return is_ended and view.summary is None and (status is None or (status.step == 0 and status.total_steps == 0))


def alive_words(view: RunView) -> tuple[str, Severity]:
    """Age of the last sign of life, in words."""
    age = duration(view.age_s)
    if view.is_gone:
        return f"gone, last sign {age} ago", Severity.ERROR
    match view.liveness:
        case Liveness.STARTING if view.exit_code is not None:
            return "ended", Severity.NOTE
        case Liveness.STARTING if view.age_s > SILENT_AFTER_S:
            return f"starting, silent {age}", Severity.WARNING
        case Liveness.STARTING:
            return "starting", Severity.NOTE
        case Liveness.LIVE:
            return "live", Severity.OK
        case Liveness.SILENT:
            return f"silent {age}", Severity.WARNING
        case Liveness.CRASHED:
            return f"silent {age}", Severity.ERROR
        case Liveness.OVER:
            return f"ended {age} ago", Severity.NOTE


def verdict(
    view: RunView, last_words: str = "", findings: Sequence[Finding] = (), judged: Verdict | None = None
) -> Verdict:
    """The most serious thing known; of several equally serious ones what is nearest to the process.

    Args:
        view: of the run.
        last_words: last line of the console, quoted when the process ended without a word.
        findings: of the rules, the most serious first.
        judged: what the rules' judgement comes to; none: there was none yet.
    """
    voices = [speak(view, last_words) for speak in (_process, _records)]
    voices += [_finding(findings), _spoken(view), _classes(view)]
    known = [found for found in voices if found is not None]
    if judged is not None and judged.severity in (Severity.WARNING, Severity.ERROR) and not findings:
        known.append(judged)
    if known:
        return max(known, key=lambda found: RANKS.index(found.severity))
    return _ending(view, judged) or _calm(view, judged)


def fate(view: RunView, last_words: str = "") -> Verdict | None:
    """What became of the run itself, where that is a reason to worry."""
    return _process(view, last_words)


def _process(view: RunView, last_words: str) -> Verdict | None:
    quoted = f": {last_words}" if last_words else "; see console.log"
    if view.is_gone:
        return Verdict(Severity.ERROR, f"its folder was deleted: {view.paths.root}; nothing more can be read")
    if _did_not_start(view):
        said = f": {view.status.message}" if view.status and view.status.state is RunState.FAILED else quoted
        return Verdict(Severity.ERROR, f"the training ended with code {view.exit_code}{said}")
    if view.liveness is Liveness.CRASHED:
        age = duration(view.age_s)
        return Verdict(Severity.ERROR, f"the process is gone, last sign of life {age} ago{quoted}")
    if view.state is RunState.FAILED:
        return Verdict(Severity.ERROR, exit_reason(view) or f"the run failed{quoted}")
    if view.state is RunState.KILLED:
        return Verdict(Severity.WARNING, exit_reason(view) or "somebody killed the run")
    if view.problems:
        return Verdict(Severity.WARNING, view.problems[0])
    if view.liveness is Liveness.SILENT and view.state is not RunState.PAUSED:
        return Verdict(Severity.WARNING, f"no sign of life for {duration(view.age_s)}")
    return None


def _records(view: RunView, last_words: str) -> Verdict | None:
    del last_words
    if view.first_nonfinite is None:
        return None
    return Verdict(Severity.ERROR, f"the loss is not finite at step {view.first_nonfinite}")


def _finding(findings: Sequence[Finding]) -> Verdict | None:
    """What the rules found; information alone is no reason to worry."""
    first = next((finding for finding in findings if str(finding.severity) in (Severity.ERROR, Severity.WARNING)), None)
    if first is None:
        return None
    said = f": {first.summary}" if first.summary else ""
    return Verdict(Severity(str(first.severity)), f"{first.name}{said} ({first.code})")


def _spoken(view: RunView) -> Verdict | None:
    """What the run's own rules said, as long as nothing has been judged here."""
    ranks = {"error": 2, "warning": 1}
    found = [event for event in view.of_kind(EventKind.FINDING) if event.data.get("severity") in ranks]
    if not found:
        return None
    worst = max(found, key=lambda event: (ranks[event.data["severity"]], event.step))
    return Verdict(Severity(worst.data["severity"]), finding_text(worst))


def finding_text(event: Event) -> str:
    """What was found, then its code."""
    title, code = event.data.get("title", ""), event.data.get("code")
    return f"{title} ({code})" if code else str(title or event.data.get("text", "a finding"))


def missing_classes(view: RunView) -> list[str]:
    """Classes of which a whole epoch held no sample."""
    counts = view.last_epoch_counts
    if counts is None or view.layout is None:
        return []
    return [name for name, count in zip(view.layout.classes, counts, strict=True) if count == 0]


def _classes(view: RunView) -> Verdict | None:
    missing = missing_classes(view)
    if not missing:
        return None
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    return Verdict(Severity.WARNING, f"no sample of {', '.join(missing[:3])}{more} in the last epoch")


def exit_reason(view: RunView) -> str:
    """Why the run ended, in its own words; empty while it has not."""
    if view.summary:
        return view.summary.exit_reason
    ends = view.of_kind(EventKind.END)
    if ends:
        return str(ends[-1].data.get("exit_reason", ""))
    return view.status.message if view.status and view.state.is_over else ""


def _ending(view: RunView, judged: Verdict | None) -> Verdict | None:
    if not view.state.is_over:
        return None
    best = view.summary.best if view.summary else None
    when = f" in epoch {best.epoch}" if best and best.epoch else ""
    measured = f"; best {best.metric} {short(best.value, 4)}{when}" if best else ""
    # How it ended says nothing of how well it went: that is for whoever looked.
    is_well = view.state is RunState.FINISHED and judged is not None and judged.severity is Severity.OK
    return Verdict(Severity.OK if is_well else Severity.NOTE, f"{exit_reason(view) or view.state.value}{measured}")


def _calm(view: RunView, judged: Verdict | None) -> Verdict:
    if view.last is None:
        doing = view.status.message if view.status else ""
        return Verdict(
            Severity.NOTE, f"{doing}…" if doing and not view.is_over else doing or "waiting for the first step"
        )
    return judged or Verdict(Severity.NOTE, "no problem seen so far, not judged yet")
