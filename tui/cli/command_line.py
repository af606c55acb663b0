"""A command whose options are the fields of a dataclass, so that many options are one argument.

Knows neither an option nor a command.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, get_type_hints

OptionsT = TypeVar("OptionsT")
ResultT = TypeVar("ResultT")


def takes(
    kind: type[OptionsT], *, first: Sequence[str] = ()
) -> Callable[[Callable[[OptionsT], ResultT]], Callable[..., ResultT]]:
    """Turn a function of one object into a command that typer gives every field of it by name.

    Args:
        kind: a dataclass whose fields are annotated for typer, as the parameters of a command are.
        first: fields that the help names first, in this order; the others follow as they are declared.
    """
    annotations = get_type_hints(kind, include_extras=True)
    fields = {field.name: field for field in dataclasses.fields(kind)}  # pyright: ignore[reportArgumentType]
    names = dict.fromkeys((*first, *fields))

    def decorate(function: Callable[[OptionsT], ResultT]) -> Callable[..., ResultT]:
        def command(**values: Any) -> ResultT:
            return function(kind(**values))

        command.__doc__ = function.__doc__
        # typer reads the signature for order and defaults, the annotations for what is not in it.
        command.__annotations__ = {name: annotations[name] for name in names}
        parameters = [_parameter(fields[name], annotations[name]) for name in names]
        command.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]
        return command

    return decorate


def _parameter(field: dataclasses.Field[Any], annotation: Any) -> inspect.Parameter:
    has_default = field.default is not dataclasses.MISSING
    default = field.default if has_default else inspect.Parameter.empty
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
