"""Layers of values laid over each other: what one file, environment or command line sets, and the merged result.

Collects mistakes instead of stopping at the first. Knows keys, not whether a value fits its field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from trainctl.engine.config.fields import Place, locate, nearest_key
from trainctl.engine.config.fitting import Fit
from trainctl.engine.config.schema import RunConfig
from trainctl.engine.config.sources import Kind, Source
from trainctl.engine.config.yamlfile import Document, KeyPath, format_value, parse_value
from trainctl.engine.errors import UserError

ENVIRONMENT_PREFIX = "TRAINCTL__"

ScaleName = Literal["small", "full"]

NOT_OPTIONS = ("extends", "about", "scales", "provenance")
"""Keys at the top of a file that describe it and are no options of a run."""


@dataclass(frozen=True)
class Issue:
    """One mistake, ready to be printed."""

    message: str
    hint: str = ""


@dataclass(frozen=True)
class Setting:
    """One value at one path, from one source."""

    path: KeyPath
    value: Any
    source: Source


@dataclass
class Merged:
    """The values so far; later settings replace earlier ones, entries of mapping fields add up."""

    config_type: type[RunConfig]
    values: dict[KeyPath, Any] = field(default_factory=dict[KeyPath, Any])
    sources: dict[KeyPath, Source] = field(default_factory=dict[KeyPath, Source])
    issues: list[Issue] = field(default_factory=list[Issue])

    def apply(self, settings: Iterable[Setting | Issue]) -> None:
        """Lay a layer over what is there."""
        for item in settings:
            if isinstance(item, Issue):
                self.issues.append(item)
            else:
                self._set(item)

    def _set(self, setting: Setting) -> None:
        place = locate(self.config_type, setting.path)
        assert place is not None
        if place.is_mapping and not setting.value:
            self._clear(place.path)
        if place.is_open:  # what was a value may become a mapping, and the other way round
            self._clear(place.path)
            for length in range(1, len(place.path)):
                self._forget(place.path[:length])
        if place.is_entry:
            self.values.setdefault(setting.path[:-1], {})
        if place.is_entry and setting.value is None:
            self.values.pop(setting.path, None)
            self.sources[setting.path[:-1]] = setting.source
            return
        self.values[setting.path] = {} if place.is_mapping else setting.value
        self.sources[setting.path] = setting.source

    def _clear(self, above: KeyPath) -> None:
        for path in [path for path in self.values if path[: len(above)] == above]:
            self._forget(path)

    def _forget(self, path: KeyPath) -> None:
        self.values.pop(path, None)
        self.sources.pop(path, None)

    def nested(self) -> dict[str, Any]:
        """The values as nested mappings."""
        root: dict[str, Any] = {}
        for path, value in sorted(self.values.items(), key=lambda item: len(item[0])):
            node = root
            for key in path[:-1]:
                node = node.setdefault(key, {})
            node[path[-1]] = value
        return root


def read_defaults(config_type: type[RunConfig]) -> Iterator[Setting | Issue]:
    """The schema's own values. A field without a default yields nothing."""
    values = config_type.model_construct().model_dump(mode="json", warnings=False)
    return _Reader(config_type, lambda _: Source("default")).children(_root(config_type), values)


def read_document_layer(
    config_type: type[RunConfig], document: Document, kind: Kind, below: KeyPath = ()
) -> Iterator[Setting | Issue]:
    """What a file sets; `below`: only the part under this key (a scale's overrides)."""
    values: Any = document.values
    for key in below:
        values = values.get(key, {}) if isinstance(values, Mapping) else values
    if not isinstance(values, Mapping | None):
        return iter([Issue(f"{document.at(below)}: {'.'.join(below)} must be a mapping of options")])
    if not below:
        values = {key: value for key, value in (values or {}).items() if key not in NOT_OPTIONS}
    reader = _Reader(config_type, lambda path: Source(kind, document.at((*below, *path))))
    return reader.children(_root(config_type), values or {})


def read_preset_layers(
    config_type: type[RunConfig], documents: Sequence[Document], scale: ScaleName
) -> Iterator[Setting | Issue]:
    """What files of presets set, the most basic one first, then what they say of the scale."""
    for document in documents:
        yield from read_document_layer(config_type, document, "preset")
    for document in documents:
        _check_scales(document)
        if scale == "small":
            yield from read_document_layer(config_type, document, "scale", ("scales", "small"))


def _check_scales(document: Document) -> None:
    scales: Any = document.values.get("scales") or {}
    if not isinstance(scales, dict):
        raise UserError(f"{document.at(('scales',))}: scales must be a mapping (small: ...)")
    for name in scales:
        if name != "small":
            raise UserError(f"{document.at(('scales', name))}: unknown scale {name}", "there is: small")


def read_environment(config_type: type[RunConfig], environ: Mapping[str, str]) -> Iterator[Setting | Issue]:
    """What `TRAINCTL__SECTION__KEY=value` variables set; an empty one counts as not there."""
    for name, key, text in environment_assignments(environ):
        source = Source("environment", name)
        yield from _Reader(config_type, lambda _, source=source: source).assignment(key, text)


def environment_assignments(environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Variable, dotted key and text of each of our variables, sorted by name."""
    for name in sorted(environ):
        if name.upper().startswith(ENVIRONMENT_PREFIX) and environ[name] != "":
            key = name[len(ENVIRONMENT_PREFIX) :].lower().replace("__", ".")
            yield name, key, environ[name]


def read_overrides(config_type: type[RunConfig], overrides: Sequence[str]) -> Iterator[Setting | Issue]:
    """What `key=value` arguments set, in order."""
    for written in overrides:
        key, text = split_override(written)
        source = Source("command line", written)
        yield from _Reader(config_type, lambda _, source=source: source).assignment(key, text)


def read_fit(config_type: type[RunConfig], fit: Fit) -> Iterator[Setting | Issue]:
    """What the task fitted to the user's data."""
    reader = _Reader(config_type, lambda _: Source("fitted", f"to {fit.to}"))
    for key, value in fit.values.items():
        yield from reader.assignment(key, format_value(value))


def split_override(written: str) -> tuple[str, str]:
    """Key and text of `key=value`.

    Raises:
        UserError: there is no `=` or no key.
    """
    key, equals, text = written.partition("=")
    if not equals or not key.strip():
        raise UserError(f"{written!r} is not KEY=VALUE", "write e.g. optimizer.lr=3e-4")
    return key.strip(), text


def _root(config_type: type[RunConfig]) -> Place:
    return Place((), section=config_type)


class _Reader:
    """Splits plain data into settings, along the schema."""

    def __init__(self, config_type: type[RunConfig], source_at: Callable[[KeyPath], Source]) -> None:
        self._config_type = config_type
        self._source_at = source_at

    def assignment(self, key: str, text: str) -> Iterator[Setting | Issue]:
        """What one `key=value` sets."""
        keys = tuple(key.split("."))
        place = locate(self._config_type, keys)
        if place is None:
            yield self._unknown(keys)
            return
        value = parse_value(text)
        if place.is_text and value is not None and not isinstance(value, str):
            value = text  # `runtime.device=0`, or a regular expression in brackets, is meant as text
        yield from self.at(place, value)

    def children(self, place: Place, values: Mapping[str, Any]) -> Iterator[Setting | Issue]:
        """What a mapping below a section or mapping field sets."""
        for key, value in values.items():
            child = place.child(key)
            if child is None:
                yield self._unknown((*place.path, key))
            else:
                yield from self.at(child, value)

    def at(self, place: Place, value: Any) -> Iterator[Setting | Issue]:
        """What a value at a place sets."""
        if place.section is None and not place.is_mapping and not place.has_below(value):
            yield Setting(place.path, value, self._source_at(place.path))
        elif isinstance(value, Mapping) and (value or place.section is not None):
            yield from self.children(place, value)
        elif not value and place.is_mapping and not isinstance(value, bool | int | float | str):
            yield Setting(place.path, {}, self._source_at(place.path))
        elif value is not None:  # a section whose lines are all commented out reads as null
            key, where = ".".join(place.path), self._source_at(place.path).place
            yield Issue(f"{where}: {key} must be a mapping (key: value), got {format_value(value)}")

    def _unknown(self, path: KeyPath) -> Issue:
        key = ".".join(path)
        message = f"{self._source_at(path).place}: unknown key {key}"
        near = nearest_key(self._config_type, key)
        if near is not None:
            return Issue(message, f"did you mean {near}?")
        place = locate(self._config_type, path[:-1])
        if place is None or place.section is None:
            place = _root(self._config_type)
        assert place.section is not None
        names = ", ".join(place.section.model_fields)
        return Issue(message, f"{'.'.join(place.path) or 'a configuration'} has: {names}")
