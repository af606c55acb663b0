"""Checks merged values against the schema and says what is wrong in one line that names file, line and key.

Knows how pydantic reports, so that nothing else has to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from trainctl.engine.config.fields import dotted_keys, locate, nearest
from trainctl.engine.config.layers import Issue, Merged
from trainctl.engine.config.schema import RunConfig
from trainctl.engine.config.yamlfile import KeyPath, format_value
from trainctl.engine.errors import UserError

Model = TypeVar("Model", bound=BaseModel)


def build_config(merged: Merged) -> RunConfig:
    """The configuration that the merged values make.

    Raises:
        UserError: unknown keys, or values that do not fit.
    """

    def place(path: KeyPath) -> str:
        source = merged.sources.get(path)
        return source.place if source else merged.config_type.__name__

    return build(merged.config_type, merged.nested(), place, merged.issues)


def build(
    model_type: type[Model],
    values: Mapping[str, Any],
    place: Callable[[KeyPath], str],
    issues: Sequence[Issue] = (),
) -> Model:
    """Validate plain data; `place` says where the value at a path was written.

    Raises:
        UserError: for the first of all mistakes, with the number of the others.
    """
    result, found = _validate(model_type, dict(values), place)
    raise_issues([*issues, *found])
    assert result is not None
    return result


def raise_issues(issues: Sequence[Issue]) -> None:
    """Raise the first mistake, if there is one, and count the rest."""
    if not issues:
        return
    first, more = issues[0], len(issues) - 1
    rest = f" (and {more} more)" if more else ""
    if first.hint:
        raise UserError(first.message, first.hint + rest)
    raise UserError(first.message + rest)


def _validate(
    model_type: type[Model], values: dict[str, Any], place: Callable[[KeyPath], str]
) -> tuple[Model | None, list[Issue]]:
    try:
        # Strict, so that text is no number and a number no switch; as JSON, so that a list may become a tuple.
        return model_type.model_validate_json(json.dumps(values), strict=True), []
    except ValidationError as err:
        errors = err.errors(include_url=False)
    if _make_whole(values, errors):
        return _validate(model_type, values, place)
    groups: dict[KeyPath, list[ErrorDetails]] = {}
    for error in errors:
        groups.setdefault(_field_path(model_type, error), []).append(error)
    known = list(dotted_keys(model_type))
    return None, [_issue(place(path), path, group, known) for path, group in groups.items()]


def _make_whole(values: dict[str, Any], errors: Sequence[ErrorDetails]) -> bool:
    """Turn `1e5` into 100000 where a whole number is wanted; whether any value was."""
    changed = False
    for error in errors:
        value = error["input"]
        if error["type"] == "int_type" and isinstance(value, float) and value.is_integer():
            changed = _replace(values, error["loc"], int(value)) or changed
    return changed


def _replace(values: Any, loc: tuple[int | str, ...], value: int) -> bool:
    try:
        for key in loc[:-1]:
            values = values[key]
        if not isinstance(values[loc[-1]], float):
            return False
        values[loc[-1]] = value
    except (KeyError, IndexError, TypeError):
        return False  # inside a union pydantic's path holds names of its own
    return True


def _field_path(model_type: type[BaseModel], error: ErrorDetails) -> KeyPath:
    """The key an error belongs to; what pydantic adds below it (list positions, union members) is dropped."""
    if error["type"] == "extra_forbidden":
        return tuple(map(str, error["loc"]))
    path: KeyPath = ()
    for key in error["loc"]:
        place = locate(model_type, path)
        if not isinstance(key, str) or place is None or place.child(key) is None:
            break
        path = (*path, key)
    return path


def _issue(where: str, path: KeyPath, errors: Sequence[ErrorDetails], known: Sequence[str]) -> Issue:
    first = errors[0]
    key = ".".join(path) or "the configuration"
    if first["type"] == "extra_forbidden":
        near = nearest(key, known)
        return Issue(f"{where}: unknown key {key}", f"did you mean {near}?" if near else "")
    if first["type"] == "missing" and len(first["loc"]) == len(path):
        return Issue(f"{where}: {key} must be given")
    if any(error["type"] in _LENGTH for error in errors):
        return Issue(f"{where}: {key} must be a list of {_length(errors)} values")
    wanted = " or ".join(dict.fromkeys(_wanted(error) for error in errors))
    if first["type"] in ("value_error", "assertion_error"):
        return Issue(f"{where}: {key}: {wanted}")
    value, hint = first["input"], ""
    if any(isinstance(part, int) for part in first["loc"][len(path) :]):
        key = f"each value of {key}"
    if isinstance(value, str) and first["type"] == "literal_error":
        near = nearest(value, [word.strip("'") for word in _expected(first)])
        hint = f"did you mean {near}?" if near else ""
    return Issue(f"{where}: {key} must be {wanted}, got {_shorten(format_value(value))}", hint)


def _wanted(error: ErrorDetails) -> str:
    """What the schema asks for, to follow "must be"."""
    context = error.get("ctx", {})
    match error["type"]:
        case "value_error" | "assertion_error":
            return str(context["error"])
        case "literal_error" | "enum":
            words = [word.strip("'") or "empty" for word in _expected(error)]
            return f"one of {', '.join(words)}" if len(words) > 1 else words[0]
        case "greater_than":
            return f"greater than {context['gt']:g}"
        case "greater_than_equal":
            return f"at least {context['ge']:g}"
        case "less_than":
            return f"less than {context['lt']:g}"
        case "less_than_equal":
            return f"at most {context['le']:g}"
        case kind:
            return _PLAIN.get(kind) or f"valid ({error['msg'][:1].lower()}{error['msg'][1:]})"


_LENGTH = ("too_short", "too_long", "missing")
_PLAIN = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list, e.g. [1, 2]",
    "list_type": "a list, e.g. [1, 2]",
    "dict_type": "a mapping (key: value)",
    "none_required": "null",
}


def _expected(error: ErrorDetails) -> list[str]:
    """The words of a literal, as pydantic lists them: `'a', 'b' or 'c'`."""
    return error.get("ctx", {})["expected"].replace(" or ", ", ").split(", ")


def _length(errors: Sequence[ErrorDetails]) -> int:
    """How many values the list should have: pydantic names a bound, or each position that is missing."""
    bounds = [error.get("ctx", {}).get("max_length") or error.get("ctx", {}).get("min_length") for error in errors]
    missing = [error["loc"][-1] for error in errors if error["type"] == "missing"]
    return max([bound for bound in bounds if bound], default=0) or 1 + max(
        position for position in missing if isinstance(position, int)
    )


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
