"""Which options a configuration has, with their values: what a fix may set. Plain data; knows no task and no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Union, cast, get_args, get_origin

if TYPE_CHECKING:
    from pydantic import BaseModel

FREE = frozenset(
    {
        "loss_weights",
        "optimizer.arguments",
        "optimizer.lrs",
        "schedule.arguments",
        "weighting.delay",
        "weighting.ramp",
    }
)
"""Options that take entries of any name."""
UNIONS = (Union, type(int | str))


@dataclass(frozen=True)
class Settings:
    """The options of a configuration."""

    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """By dotted path; empty: they are not known."""
    words: Mapping[str, tuple[Any, ...]] = field(default_factory=dict[str, "tuple[Any, ...]"], compare=False)
    """What an option may be that takes words of a list; of a recorded configuration they are not known."""

    def get(self, path: str) -> Any:
        """The value of an option; None: there is none of that name, or it is none."""
        return self.values.get(path)

    def takes(self, path: str, value: Any) -> bool:
        """Whether there is such an option, as far as can be told without the schema for that value."""
        if path.rpartition(".")[0] in FREE:
            return True
        if path not in self.values and path not in FREE:
            return False
        return path not in self.words or value in self.words[path]

    def would_change(self, settings: Mapping[str, Any]) -> bool:
        """Whether all these options are there, and one of them has another value."""
        if not all(self.takes(path, value) for path, value in settings.items()):
            return False
        return any(path not in self.values or self.values[path] != value for path, value in settings.items())


def settings_of(values: Mapping[str, Any], config_type: type[BaseModel] | None = None) -> Settings:
    """The options of a configuration as plain data, by its schema where that is known."""
    words = {} if config_type is None else dict(_words(config_type))
    return Settings(dict(_flat(values)), words)


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        path = f"{above}{name}"
        if isinstance(value, Mapping) and value:
            yield from _flat(cast("Mapping[str, Any]", value), f"{path}.")
        elif path != "provenance":
            yield path, value


def _words(config_type: type[BaseModel], above: str = "") -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The allowed values of every option that takes words of a list, and nothing else but none."""
    from pydantic import BaseModel

    for name, info in config_type.model_fields.items():
        path, annotation = f"{above}{name}", info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _words(annotation, f"{path}.")
            continue
        parts = get_args(annotation) if get_origin(annotation) in UNIONS else (annotation,)
        if all(get_origin(part) is Literal or part is type(None) for part in parts):
            yield path, tuple(word for part in parts for word in (get_args(part) or (None,)))
