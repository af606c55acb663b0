"""What a sweep varies: reads `space.yaml` and holds it against the configuration that is varied.

Knows no sampler: a parameter is a range or a list of choices of one option.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast, get_args, get_origin

from trainctl.engine.errors import UserError

if TYPE_CHECKING:
    from trainctl.engine.config.resolve import Resolved
    from trainctl.engine.config.yamlfile import Document

RANGE = ("low", "high", "log", "step", "int")
CHOICES = "choices"
FORMAT = "write {low: 1e-4, high: 1e-2, log: true}, {low: 16, high: 128, step: 16} or {choices: [a, b]}"
NO_PARAMETERS = ("task", "train.monitor", "train.monitor_mode")
"""Options that decide what is measured."""
MOST_VALUES = 10_000
"""Of a grid along one parameter."""


@dataclass(frozen=True)
class Parameter:
    """One option and the values it may take."""

    key: str
    """Dotted name, as with `--set`."""
    low: float = 0.0
    high: float = 0.0
    """The last value, both included; a whole number of steps above `low` where there are steps."""
    log: bool = False
    """Drawn evenly in its logarithm."""
    step: float | None = None
    whole: bool = False
    """Whole numbers only."""
    choices: tuple[Any, ...] = ()
    """Empty: it is a range."""

    def grid(self) -> list[Any]:
        """Every value it may take.

        Raises:
            UserError: a range without steps, or far too many of them.
        """
        if self.choices:
            return list(self.choices)
        step = self.step or (1 if self.whole and not self.log else None)
        if step is None:
            raise UserError(f"--sampler grid: {self.key} is a range without steps", "give it step or choices")
        count = math.floor((self.high - self.low) / step + 1e-9) + 1
        if count > MOST_VALUES:
            raise UserError(f"--sampler grid: {self.key} has {count:,} values", "give it a larger step, or choices")
        values = [self.low + k * step for k in range(count)]
        return [round(value) for value in values] if self.whole else values

    def as_json(self) -> dict[str, Any]:
        """Plain data, as the file has it."""
        if self.choices:
            return {CHOICES: list(self.choices)}
        step = {} if self.step is None else {"step": self.step}
        return {"low": self.low, "high": self.high, "log": self.log, "int": self.whole, **step}


@dataclass(frozen=True)
class Space:
    """What is varied."""

    parameters: tuple[Parameter, ...]
    text: str = ""
    """The file as it is; empty where it was not read from one."""

    def as_json(self) -> dict[str, Any]:
        """Plain data by key."""
        return {parameter.key: parameter.as_json() for parameter in self.parameters}


def parse_space(data: Mapping[str, Mapping[str, Any]]) -> Space:
    """Read back what `Space.as_json` gave.

    Raises:
        KeyError, TypeError: it is something else.
    """
    return Space(
        tuple(
            Parameter(key, choices=tuple(of[CHOICES]))
            if CHOICES in of
            else Parameter(key, of["low"], of["high"], of["log"], of.get("step"), of["int"])
            for key, of in data.items()
        )
    )


def overrides_of(params: Mapping[str, Any]) -> tuple[str, ...]:
    """Values as `key=value` of a command line."""
    from trainctl.engine.config.yamlfile import format_value

    return tuple(f"{key}={format_value(value)}" for key, value in params.items())


def read_space(path: Path, resolved: Resolved, said: Sequence[str]) -> Space:
    """Read the file, and check every bound and choice against the configuration.

    Args:
        path: the YAML file.
        resolved: what is varied.
        said: keys that the command line sets.

    Raises:
        UserError: not such a file, an unknown key, a value that does not fit; names the line.
    """
    from trainctl.engine.config.yamlfile import read_document

    document = read_document(path)
    if not document.values:
        raise UserError(f"{path}: names no option to vary", f"e.g. optimizer.lr: ...; {FORMAT}")
    parameters = [_read(document, key, value, resolved) for key, value in document.values.items()]
    for parameter in parameters:
        if parameter.key in said:
            where = document.at((parameter.key,))
            raise UserError(f"{where}: {parameter.key} is set on the command line as well", "leave out one of them")
    return Space(tuple(parameters), document.text)


def _read(document: Document, key: str, value: Any, resolved: Resolved) -> Parameter:
    where = document.at((key,))
    _check_key(key, where, resolved)
    if not isinstance(value, dict):
        raise UserError(f"{where}: {key} says no range and no choices", FORMAT)
    entries = cast("dict[str, Any]", value)
    unknown = next((name for name in entries if name not in (*RANGE, CHOICES)), None)
    if unknown is not None:
        near = f"a parameter has {', '.join(RANGE)} or {CHOICES}"
        raise UserError(f"{document.at((key, unknown))}: unknown key {key}: {unknown}", near)
    if CHOICES in entries:
        parameter = _choices(key, entries, where)
        extremes: Sequence[Any] = parameter.choices
    else:
        parameter = _range(key, entries, where, wants_whole=_wants_whole(key, entries, resolved))
        extremes = (parameter.low, parameter.high)
    for extreme in extremes:
        _check_fits(resolved, key, extreme, where)
    return parameter


def _check_key(key: str, where: str, resolved: Resolved) -> None:
    from trainctl.engine.config.fields import locate, nearest_key

    if key in NO_PARAMETERS:
        raise UserError(f"{where}: {key} decides what is measured, and cannot be varied", "leave it out")
    config_type = type(resolved.config)
    place = locate(config_type, key.split("."))
    if place is None:
        near = nearest_key(config_type, key)
        raise UserError(f"{where}: unknown key {key}", f"did you mean {near}?" if near else "keys are as with --set")
    if place.section is not None:
        names = ", ".join(place.section.model_fields)
        raise UserError(f"{where}: {key} is a section", f"vary an option of it: {key}.NAME; it has: {names}")


def _check_fits(resolved: Resolved, key: str, value: Any, where: str) -> None:
    from trainctl.engine.tasks.configured import with_overrides

    try:
        with_overrides(resolved, overrides_of({key: value}))
    except UserError as err:
        raise UserError(f"{where}: {err.message.removeprefix('command line: ')}", err.hint) from None


def _choices(key: str, entries: Mapping[str, Any], where: str) -> Parameter:
    extra = next((name for name in entries if name != CHOICES), None)
    if extra is not None:
        raise UserError(f"{where}: {key} has both {CHOICES} and {extra}", "leave out one of them")
    values = entries[CHOICES]
    if not isinstance(values, list) or not values:
        raise UserError(f"{where}: {key}: choices must be a list of values", "e.g. {choices: [adamw, sgd]}")
    choices: list[Any] = []
    for value in cast("list[Any]", values):
        if value in choices:
            raise UserError(f"{where}: {key}: {value} is among its choices twice", "name each once")
        choices.append(value)
    return Parameter(key, choices=tuple(choices))


def _range(key: str, entries: Mapping[str, Any], where: str, *, wants_whole: bool) -> Parameter:
    low, high = (_number(key, name, entries, where) for name in ("low", "high"))
    step = None if entries.get("step") is None else _number(key, "step", entries, where)
    log, whole = (_switch(key, name, entries, where) for name in ("log", "int"))
    if low > high:
        raise UserError(f"{where}: {key}: low {low:g} is above high {high:g}", "exchange them")
    if log and low <= 0:
        raise UserError(f"{where}: {key}: a logarithm has no {low:g}", "let low be above 0, or leave out log")
    if log and step is not None:
        raise UserError(f"{where}: {key} has both log and step", "leave out one of them")
    if step is not None and not 0 < step <= max(high - low, 0):
        raise UserError(f"{where}: {key}: step {step:g} is not between 0 and {high - low:g}", "let it fit the range")
    bounds = [value for value in (low, high, step) if value is not None]
    if whole and not all(value == int(value) for value in bounds):
        raise UserError(f"{where}: {key} is to be whole, and its bounds are not", "let low, high and step be whole")
    whole = whole or ("int" not in entries and wants_whole and all(value == int(value) for value in bounds))
    if step is not None:
        high = low + math.floor((high - low) / step + 1e-9) * step
    if whole:
        low, high, step = int(low), int(high), None if step is None else int(step)
    return Parameter(key, low, high, log, step, whole)


def _number(key: str, name: str, entries: Mapping[str, Any], where: str) -> float:
    value = entries.get(name)
    if value is None:
        raise UserError(f"{where}: {key} lacks {name}", FORMAT)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UserError(f"{where}: {key}: {name} must be a number, got {value}", FORMAT)
    return value


def _switch(key: str, name: str, entries: Mapping[str, Any], where: str) -> bool:
    value = entries.get(name, False)
    if not isinstance(value, bool):
        raise UserError(f"{where}: {key}: {name} must be true or false, got {value}", FORMAT)
    return value


def _wants_whole(key: str, entries: Mapping[str, Any], resolved: Resolved) -> bool:
    """Whether the option takes whole numbers only; where the schema does not tell, whether its bounds are such."""
    from trainctl.engine.config.fields import locate

    place = locate(type(resolved.config), key.split("."))
    if place is None or place.is_open or place.field is None:
        return all(isinstance(entries.get(name), int) for name in ("low", "high"))
    kinds = _kinds(place.field.annotation)
    return int in kinds and float not in kinds


def _kinds(annotation: Any) -> set[Any]:
    """The plain types that a type is made of."""
    if get_origin(annotation) is Literal:
        return set()
    parts = get_args(annotation)[:1] if get_origin(annotation) is Annotated else get_args(annotation)
    return {annotation} if not parts else {kind for part in parts for kind in _kinds(part)}
