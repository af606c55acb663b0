"""What a run can be asked to do while it trains, as words and as lines of `commands.jsonl`.

Knows no loop: the trainer reads these at step boundaries and acknowledges each with a `command` event.
"""

from __future__ import annotations

import contextlib
import difflib
import math
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from trainctl.engine.errors import UserError
from trainctl.engine.files import open_to_others, written_by_others
from trainctl.engine.runs.atomic import DamagedFileError
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.lines import LineReader, append_line


class Verb(StrEnum):
    """What can be asked. Only `set` has arguments."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    """Finish the step, write a checkpoint, end resumable."""
    CHECKPOINT = "checkpoint"
    VALIDATE = "validate"
    SET = "set"
    """Arguments, by `name`:

    - `lr`: `{"name": "lr", "op": "set"|"mul", "value": float > 0}`
    - `weight`: `{"name": "weight", "term": str, "op": "set"|"mul", "value": float >= 0}`
    - `clip`: `{"name": "clip", "op": "set", "value": float > 0 | None}`; None: off
    - `epochs`: `{"name": "epochs", "op": "set", "value": int >= 1}`
    """


@dataclass(frozen=True)
class Command:
    """One thing asked of a run."""

    id: str
    verb: Verb
    args: dict[str, Any]
    time: float
    """When it was asked, seconds since 1970."""
    sender: str
    """Who asked: cli, cockpit, mcp."""


SETTINGS = ("lr", "weight", "clip", "epochs")
ARGUMENTS = ("name", "op", "value", "term")
"""Of a setting. Each stands in the event that acknowledges it, so there is nothing else, and nothing long."""
MOST_CHARS = 1000
"""Of an identity or a term."""
USAGE = "usage: set lr 3e-4 | set lr x0.5 | set weight.TERM 0.5 | set clip 1.0|off | set epochs 30"

_LR = re.compile(r"lr[\s=]*(?P<op>[x×*]?)\s*(?P<value>\S+)", re.IGNORECASE)
_WEIGHT = re.compile(r"weight[.\s]\s*(?P<term>[^\s=×*]+?)(?:[\s=]+(?P<op>[x×*]?)|(?P<tight>[×*]))\s*(?P<value>\S+)")
_PLAIN = re.compile(r"(?P<name>clip|epochs)[\s=]+(?P<value>\S+)", re.IGNORECASE)


def parse_command(words: Sequence[str]) -> tuple[Verb, dict[str, Any]]:
    """Verb and arguments of a command in words, e.g. `set lr x0.5`; see `Verb.SET` for the arguments.

    `set` may be left out in front of a setting.

    Raises:
        UserError: no such verb or setting, or a value that is not allowed; names the nearest and the usage.
    """
    split = " ".join(words).split()
    first = split[0].lower() if split else ""
    if re.match(rf"(?:{'|'.join(SETTINGS)})\b|lr[x×*=]", first):
        split, first = ["set", *split], "set"
    if first not in tuple(Verb):
        raise _unknown("command", first, [verb.value for verb in Verb], "usage: " + " | ".join(Verb))
    verb = Verb(first)
    if verb is Verb.SET:
        return verb, _parse_setting(" ".join(split[1:]))
    if len(split) > 1:
        raise UserError(f"{verb} takes no arguments, got {' '.join(split[1:])!r}", f"say just: {verb}")
    return verb, {}


def check_args(verb: Verb, args: dict[str, Any]) -> None:
    """Refuse arguments that `parse_command` would not have made.

    Raises:
        UserError: says what is wrong with them.
    """
    if verb is not Verb.SET:
        if args:
            raise UserError(f"{verb} takes no arguments, got {args}")
        return
    name, value, op = args.get("name"), args.get("value"), args.get("op")
    if unknown := [key for key in args if key not in ARGUMENTS]:
        raise UserError(f"set takes no argument {unknown[0]!r}", USAGE)
    if name not in SETTINGS:
        raise _unknown("setting", str(name), SETTINGS, USAGE)
    if op not in ("set", "mul") or (op == "mul" and name in ("clip", "epochs")):
        raise UserError(f"set {name}: cannot apply {op!r}", USAGE)
    if name == "clip" and value is None and "value" in args:
        return
    _check_value(str(name), value)
    term = args.get("term", "" if name == "weight" else None)
    if name == "weight" and not (isinstance(term, str) and term):
        raise UserError("set weight: which loss term?", "e.g. set weight.bce 0.5")
    if term is not None and (name != "weight" or len(term) > MOST_CHARS):
        raise UserError(f"set {name}: {str(term)[:20]!r} is no loss term", USAGE)


def send_command(paths: RunPaths, verb: Verb | str, args: dict[str, Any], sender: str = "cli") -> str:
    """Append a command for the run; returns its id, which the acknowledging event will carry.

    Raises:
        UserError: arguments that are not allowed, the disk refuses, or the run would not obey.
    """
    verb = Verb(verb)
    check_args(verb, args)
    if reason := _why_not_obeyed(paths):
        raise UserError(reason, "then ask again")
    identity = secrets.token_hex(4)
    append_line(
        paths.commands,
        {"id": identity, "verb": str(verb), "args": args, "time": time.time(), "sender": sender},
        mode=0o644,  # whatever the umask: who may write here commands the run
    )
    return identity


MOST_EPOCHS = 10**9
"""With more than this the number of steps no longer fits what is written of it."""
MAX_BYTES = 1 << 20
"""Read at a time: a few thousand commands."""
MAX_KNOWN = 1 << 16
"""Identities that are remembered."""


class CommandReader:
    """Follows what is asked of a run. What it returns has been checked; anything else is skipped and counted.

    Each command is returned once, by its identity: also where the file is written anew with what it held before.

    Args:
        paths: the run.
        skip_existing: pass over what was asked before now, as a resume must.
    """

    def __init__(self, paths: RunPaths, *, skip_existing: bool = False) -> None:
        self._paths = paths
        self._lines = LineReader(paths.commands)
        self._refused = 0
        self._known: dict[str, None] = {}
        if skip_existing:
            with contextlib.suppress(DamagedFileError):  # said at the first reading
                self._read()
                while self._lines.has_more:
                    self._read()

    @property
    def skipped(self) -> int:
        """Lines that were no command."""
        return self._lines.skipped + self._refused

    def read_new(self) -> list[Command]:
        """Commands asked since the last call, in order.

        Raises:
            DamagedFileError: what is there is no file, or something was asked where others may write.
        """
        commands = self._read()
        if commands and (reason := _why_not_obeyed(self._paths)):
            raise DamagedFileError(reason)
        return commands

    def _read(self) -> list[Command]:
        parsed = [_parse_line(line) for line in self._lines.read_new(MAX_BYTES)]
        self._refused += parsed.count(None)
        return [command for command in parsed if command is not None and self._is_new(command)]

    def _is_new(self, command: Command) -> bool:
        if command.id in self._known:
            return False
        self._known[command.id] = None
        if len(self._known) > MAX_KNOWN:  # the oldest goes first
            del self._known[next(iter(self._known))]
        return True


def _why_not_obeyed(paths: RunPaths) -> str:
    """Why nothing that is asked of the run is obeyed; empty: it is."""
    found = ""
    with contextlib.suppress(OSError):  # what cannot be looked at cannot be written to either
        found = open_to_others(paths.root) or written_by_others(paths.commands)
    return f"a run obeys nobody where anybody could ask: {found}" if found else ""


def _parse_line(line: dict[str, Any]) -> Command | None:
    try:
        args = line["args"]
        if not isinstance(args, dict):
            return None
        checked = cast("dict[str, Any]", args)
        verb = Verb(line["verb"])
        check_args(verb, checked)
        identity = line["id"]
        if not isinstance(identity, (str, int)) or len(str(identity)) > MOST_CHARS:
            return None
        return Command(str(identity), verb, checked, float(line["time"]), str(line.get("sender", "")))
    except (KeyError, TypeError, ValueError, UserError):
        return None


def _parse_setting(text: str) -> dict[str, Any]:
    if found := _LR.fullmatch(text):
        args: dict[str, Any] = {"name": "lr", "op": "mul" if found["op"] else "set"}
        args["value"] = _number("lr", found["value"])
    elif found := _WEIGHT.fullmatch(text):
        relative = found["op"] or found["tight"]
        args = {"name": "weight", "term": found["term"], "op": "mul" if relative else "set"}
        args["value"] = _number("weight", found["value"])
    elif found := _PLAIN.fullmatch(text):
        name = found["name"].lower()
        args = {"name": name, "op": "set", "value": _plain_value(name, found["value"])}
    else:
        raise _not_a_setting(text)
    check_args(Verb.SET, args)
    return args


def _plain_value(name: str, text: str) -> float | int | None:
    if name == "clip" and text.lower() in ("off", "none"):
        return None
    value = _number(name, text)
    return int(value) if name == "epochs" and value.is_integer() else value


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UserError(f"set {name}: {text!r} is not a number", USAGE) from None


def _check_value(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise UserError(f"set {name}: {value!r} is not a finite number", USAGE)
    if name == "epochs" and (not isinstance(value, int) or not 1 <= value <= MOST_EPOCHS):
        raise UserError(f"set epochs: {value} is not a whole number from 1", "e.g. set epochs 30")
    if name in ("lr", "clip") and value <= 0:
        raise UserError(f"set {name}: {value} is not above 0", USAGE)
    if name == "weight" and value < 0:
        raise UserError(f"set weight: {value} is below 0", "0 switches a term off")


def _not_a_setting(text: str) -> UserError:
    name = re.split(r"[\s.=×*]", text, maxsplit=1)[0].lower()
    if name in SETTINGS:
        return UserError(f"cannot understand: set {text}", USAGE)
    return _unknown("setting", name, SETTINGS, USAGE)


def _unknown(what: str, name: str, known: Sequence[str], usage: str) -> UserError:
    near = difflib.get_close_matches(name, known, n=1)
    guess = f"did you mean {near[0]}? " if near else ""
    if not name:
        return UserError(f"which {what}?", usage)
    return UserError(f"unknown {what} {name!r}", f"{guess}{usage}")
