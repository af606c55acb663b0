"""Events and figures in words, the same on every surface: the command line, the log, what pops up. Pure.

Pairs and parts are two spaces apart, so that whoever has little room may break lines there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from trainctl.engine.runs.commands import Verb
from trainctl.engine.runs.events import Event, EventKind
from trainctl.tui.charts.axis import duration, short
from trainctl.tui.words.verdict import Severity, finding_text

MARK_LETTERS = {
    EventKind.CHECKPOINT: "c",
    EventKind.LR: "↓",
    EventKind.COMMAND: "▸",
    EventKind.NONFINITE: "×",
    EventKind.FINDING: "!",
    EventKind.RESUME: "»",
    EventKind.REFIT: "≈",
}
"""Letter of the events that are marked in the charts."""


def event_words(event: Event) -> tuple[Severity, str]:
    """An event as one line, and how serious it is."""
    data = event.data
    match event.kind:
        case EventKind.START:
            return Severity.NOTE, _start(data)
        case EventKind.PLAN:
            return Severity.NOTE, _plan(data)
        case EventKind.EPOCH:
            return Severity.NOTE, _epoch(data)
        case EventKind.VALIDATION:
            return (Severity.OK if data.get("best") else Severity.NOTE), _validation(data)
        case EventKind.CHECKPOINT:
            return Severity.NOTE, f"checkpoint  {data.get('which', '')}"
        case EventKind.COMMAND:
            effect = str(data.get("effect", ""))
            refused = effect.startswith("refused")
            return (Severity.WARNING if refused else Severity.OK), f"{data.get('verb')}: {effect}"
        case EventKind.LR:
            cut = f"{number(data.get('from'))} -> {number(data.get('to'))}"
            return Severity.NOTE, f"learning rate cut  {cut}  (plateau)"
        case EventKind.FINDING:
            severity = str(data.get("severity", "note"))
            known = severity in tuple(Severity)
            return (Severity(severity) if known else Severity.NOTE), finding_text(event)
        case EventKind.WARNING:
            return Severity.WARNING, str(data.get("text", ""))
        case EventKind.NONFINITE:
            return Severity.ERROR, str(data.get("text", "not finite"))
        case EventKind.RESUME:
            return Severity.NOTE, _resume(data)
        case EventKind.REFIT:
            return (Severity.WARNING if data.get("failed") else Severity.NOTE), _refit(data)
        case EventKind.END:
            ends = {"failed": Severity.ERROR, "killed": Severity.WARNING}
            text = f"{data.get('state', 'end')}: {data.get('exit_reason', '')}"
            return ends.get(str(data.get("state")), Severity.OK), text
        case EventKind.NOTE:
            return Severity.NOTE, str(data.get("text", ""))


def command_words(verb: Verb, args: dict[str, Any]) -> str:
    """A command as a person would say it: pause, lr x0.5."""
    if verb is not Verb.SET:
        return verb.value
    name = f"weight.{args['term']}" if args.get("name") == "weight" else args.get("name")
    times = "×" if args.get("op") == "mul" else ""
    return f"{name} {times}{'off' if args.get('value') is None else number(args['value'])}"


def figures(values: Mapping[str, Any]) -> str:
    """`name value` pairs in their order."""
    return "  ".join(f"{name} {number(value)}" for name, value in values.items() if not isinstance(value, dict | list))


def number(value: Any) -> str:
    """A figure in four significant digits; what is none, as it is."""
    if value is None:
        return "nan"
    return short(float(value), 4) if isinstance(value, (int, float)) else str(value)


def _plan(data: dict[str, Any]) -> str:
    """How long it goes on; of a loop that is not trainctl's own only the length of an epoch may be known."""
    if data.get("epochs") or data.get("total_steps"):
        return f"plan  {data.get('epochs')} epochs  {data.get('total_steps')} steps"
    return f"plan  {data.get('steps_per_epoch')} steps an epoch"


def _start(data: Mapping[str, Any]) -> str:
    parts = [str(data.get("preset", "start"))]
    if data.get("scale"):
        parts[0] += f" ({data['scale']} scale)"
    if data.get("device"):
        parts.append(f"on {data['device']}")
    counts = {"num_parameters": "parameters", "num_train": "training", "num_val": "validation samples"}
    parts += [f"{data[key]:,} {word}" for key, word in counts.items() if isinstance(data.get(key), int)]
    return "  ".join(parts)


def _epoch(data: Mapping[str, Any]) -> str:
    train = _mapping(data.get("train"))
    if len(train) == 2 and "loss" in train and len({str(value) for value in train.values()}) == 1:
        train = {"loss": train["loss"]}  # of a single term the total says all
    parts = [f"epoch {data.get('epoch')}", "train", figures(train)]
    if data.get("samples_per_s") is not None:
        parts.append(f"{number(data['samples_per_s'])} samples/s")
    if _figure(data.get("seconds")) >= 1:
        parts.append(f"in {duration(_figure(data['seconds']))}")
    return "  ".join(parts)


def _validation(data: Mapping[str, Any]) -> str:
    words = f"val after {data['after']}" if data.get("after") else "val  "
    epoch = [f"epoch {data.get('epoch')}"] if data.get("epoch") != 0 else []  # a log may count none
    parts = [*epoch, words, figures(_mapping(data.get("raw")))]
    if data.get("ema"):
        parts.append(f"ema: {figures(_mapping(data['ema']))}")
    return "  ".join([*parts, *(["(best so far)"] if data.get("best") else [])])


def validation_in_brief(data: Mapping[str, Any], metric: str | None) -> str:
    """A validation for where there is little room: `metric`, which decides, in the first part, as it is cut last."""
    raw, ema = _mapping(data.get("raw")), _mapping(data.get("ema"))
    first = next((name for name in (metric or "", *raw, *ema) if name in raw or name in ema), "")
    parts = [f"val {figures({first: raw[first]})}" if first in raw else "val"]
    parts += [f"ema {number(ema[first]) if first in raw else figures({first: ema[first]})}"] if first in ema else []
    parts += [f"after {data['after']}"] if data.get("after") else []
    parts += [f"epoch {data.get('epoch')}"] if data.get("epoch") != 0 else []
    rest, of_ema = ({name: value for name, value in of.items() if name != first} for of in (raw, ema))
    parts += [figures(rest)] if rest else []
    return "  ".join([*parts, *([f"ema: {figures(of_ema)}"] if of_ema else [])])


def _refit(data: Mapping[str, Any]) -> str:
    """What was fitted anew, and how many samples kept their component."""
    text = f"refit ({data.get('mode', '')})"
    shares = {"agreement": "kept their number", "matched_agreement": "after the best renumbering"}
    known = [
        f"{float(data[key]):.0%} {words}" for key, words in shares.items() if isinstance(data.get(key), int | float)
    ]
    words = [str(data["text"])] if data.get("text") else [text, *known]
    return "  ".join([f"epoch {data.get('epoch')}", *words])


def _resume(data: Mapping[str, Any]) -> str:
    dropped = int(_figure(data.get("dropped")))
    steps = "step" if dropped == 1 else "steps"
    again = f"  {dropped} later {steps} had no checkpoint and are taken again" if dropped else ""
    return f"resumed after step {data.get('from_step')}{again}"


def _figure(value: Any) -> float:
    """A number; 0 for what is none, as a file may hold anything."""
    return float(value) if isinstance(value, (int, float)) else 0.0


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
