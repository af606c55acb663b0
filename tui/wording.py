"""Events in words, for the log and for what pops up. Pure."""

from __future__ import annotations

from typing import Any, cast

from trainctl.engine.runs.commands import Verb
from trainctl.engine.runs.events import Event, EventKind
from trainctl.tui.charts.axis import duration, short
from trainctl.tui.verdict import Severity, finding_text

MARK_LETTERS = {
    EventKind.CHECKPOINT: "c",
    EventKind.LR: "↓",
    EventKind.COMMAND: "▸",
    EventKind.NONFINITE: "×",
    EventKind.FINDING: "!",
    EventKind.RESUME: "»",
}
"""Letter of the events that are marked in the charts."""


def event_words(event: Event) -> tuple[Severity, str]:
    """An event as one line, and how serious it is."""
    data = event.data
    match event.kind:
        case EventKind.START:
            known = {name: value for name, value in data.items() if value is not None}
            return Severity.NOTE, "start  " + _pairs(known)
        case EventKind.PLAN:
            return Severity.NOTE, f"plan  {data.get('epochs')} epochs, {data.get('total_steps')} steps"
        case EventKind.EPOCH:
            return Severity.NOTE, _epoch(data)
        case EventKind.VALIDATION:
            return Severity.NOTE, _validation(data)
        case EventKind.CHECKPOINT:
            return Severity.NOTE, f"checkpoint  {data.get('which', '')}"
        case EventKind.COMMAND:
            effect = str(data.get("effect", ""))
            refused = effect.startswith("refused")
            return (Severity.WARNING if refused else Severity.OK), f"{data.get('verb')}  {effect}"
        case EventKind.LR:
            return Severity.NOTE, f"learning rate cut  {_number(data.get('from'))} -> {_number(data.get('to'))}"
        case EventKind.FINDING:
            severity = str(data.get("severity", "note"))
            known = severity in tuple(Severity)
            return (Severity(severity) if known else Severity.NOTE), finding_text(event)
        case EventKind.WARNING:
            return Severity.WARNING, str(data.get("text", ""))
        case EventKind.NONFINITE:
            return Severity.ERROR, str(data.get("text", "not finite"))
        case EventKind.RESUME:
            return Severity.NOTE, f"resumed from step {data.get('from_step')}"
        case EventKind.END:
            failed = data.get("state") == "failed"
            text = f"{data.get('state', 'end')}  {data.get('exit_reason', '')}"
            return (Severity.ERROR if failed else Severity.OK), text
        case EventKind.NOTE:
            return Severity.NOTE, str(data.get("text", ""))


def command_words(verb: Verb, args: dict[str, Any]) -> str:
    """A command as a person would say it: pause, lr x0.5."""
    if verb is not Verb.SET:
        return verb.value
    name = f"weight.{args['term']}" if args.get("name") == "weight" else args.get("name")
    times = "×" if args.get("op") == "mul" else ""
    return f"{name} {times}{'off' if args.get('value') is None else _number(args['value'])}"


def _epoch(data: dict[str, Any]) -> str:
    took = f", {duration(float(data['seconds']))}" if data.get("seconds") is not None else ""
    return f"epoch {data.get('epoch')} done  {_pairs(data.get('train'))}{took}"


def _validation(data: dict[str, Any]) -> str:
    text = f"validation epoch {data.get('epoch')}  {_pairs(data.get('raw'))}"
    if data.get("ema"):
        text += f"  | ema {_pairs(data['ema'])}"
    return text + ("  (best so far)" if data.get("best") else "")


def _pairs(values: Any) -> str:
    if not isinstance(values, dict):
        return ""
    shown = [
        f"{name} {_number(value)}"
        for name, value in cast("dict[str, Any]", values).items()
        if isinstance(value, (str, int, float)) or value is None
    ]
    return "  ".join(shown)


def _number(value: Any) -> str:
    if value is None:
        return "nan"
    return short(float(value), 4) if isinstance(value, (int, float)) else str(value)
