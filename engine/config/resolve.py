"""Resolves what was asked for into one configuration that knows where each of its values came from.

Layers, weakest first: schema default, preset with what it extends, scale overlay, what the task fits to the user's
data, their own preset, files, environment, command line. Knows no task: a table of them is handed in, and says which
class a task's configuration has.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainctl.engine.config.fields import leaves
from trainctl.engine.config.layers import (
    Issue,
    Merged,
    ScaleName,
    Setting,
    environment_assignments,
    read_defaults,
    read_document_layer,
    read_environment,
    read_fit,
    read_overrides,
    read_preset_layers,
    split_override,
)
from trainctl.engine.config.presets import (
    DEFAULT_PRESET,
    About,
    Preset,
    load_preset,
    preset_names,
    read_about,
)
from trainctl.engine.config.schema import RunConfig, Section
from trainctl.engine.config.sources import Source, parse_source
from trainctl.engine.config.validation import build, build_config
from trainctl.engine.config.yamlfile import Document, dump, format_value, parse_value, read_document
from trainctl.engine.errors import UserError


@dataclass(frozen=True)
class TaskTable:
    """What resolving has to know of tasks."""

    built_in: Collection[str]
    """Names of those that have presets."""
    config_type: Callable[[str, bool], type[RunConfig]]
    """Class of a task's configuration, by the task's name and whether the user named it, rather than a file did.
    Raises UserError: no such task, file or class."""


class _Provenance(Section):
    """The part of a run's `config.yaml` that is no configuration."""

    preset: str
    scale: ScaleName
    sources: dict[str, str]


@dataclass(frozen=True)
class Resolved:
    """A configuration and its history."""

    config: RunConfig
    """An instance of the task's configuration class."""
    sources: Mapping[str, Source]
    """Source of every value by its dotted name."""
    preset: str
    """Full name or path of the preset; the task's name where there is none."""
    about: About
    """What the preset says about itself; empty where there is none."""
    scale: ScaleName

    def values(self) -> dict[str, Any]:
        """Every value by its dotted name, as plain data, in the schema's order."""
        return {".".join(path): value for path, value in leaves(self.config).items()}

    @property
    def fit_note(self) -> str:
        """What the task fitted to the user's data, to what, and how to do without; empty where nothing was fitted."""
        fitted = [key for key, source in self.sources.items() if source.kind == "fitted"]
        if not fitted:
            return ""
        values = self.values()
        said = ", ".join(f"{key}={format_value(values[key])}" for key in fitted)
        return f"fitted {self.sources[fitted[0]].where}: {said} (fit_to_data=off keeps the preset's)"

    def to_yaml(self) -> str:
        """The text of a run's `config.yaml`: usable as a preset, and read back exactly by `load_resolved`."""
        parts: dict[str, Any] = self.config.model_dump(mode="json")
        parts["about"] = self.about.model_dump(mode="json", exclude_defaults=True)
        parts["provenance"] = {
            "preset": self.preset,
            "scale": self.scale,
            "sources": {path: str(source) for path, source in self.sources.items()},
        }
        head = f"# {self.preset} at {self.scale} scale; `provenance` says where each value came from.\n"
        return head + dump(parts)


def resolve(
    tasks: TaskTable,
    preset: str | None = None,
    *,
    scale: ScaleName = "full",
    files: Sequence[Path] = (),
    environ: Mapping[str, str] | None = None,
    overrides: Sequence[str] = (),
    task: str | None = None,
    data: Path | None = None,
) -> Resolved:
    """The configuration of a run.

    Args:
        tasks: those there are.
        preset: name or path; none: the task's recommended preset, or `balanced` where no task is named either.
        scale: `small` lays the preset's overrides for a small run over it.
        files: YAML files laid over the preset, in order.
        environ: variables, of which `TRAINCTL__SECTION__KEY` count; none: no environment.
        overrides: `key=value` of the command line, in order.
        task: built-in name, `FILE.py:Class` or `module:Class`.
        data: the user's; at small scale the task may fit to it what neither their files nor the rest of what they said
            sets. None: nothing is fitted, as for what goes on from a run.

    Raises:
        UserError: unknown preset, key, file or task, or a value that does not fit; one line that says where.
    """
    environ = environ or {}
    named = _assigned_task(environ, overrides, task)
    documents = [_read_file(path) for path in files]
    in_files = [name for document in documents if (name := _document_task(document)) is not None]
    wanted = named or (in_files[-1] if in_files else None)
    loaded = _choose_preset(tasks, preset, wanted)
    chain = loaded.chain if loaded else ()
    in_preset = [name for document in chain if (name := _document_task(document)) is not None]
    final_task = wanted or (in_preset[-1] if in_preset else "eyes")

    config_type = tasks.config_type(final_task, final_task == named)
    built_in, own = (loaded.built_in, loaded.own) if loaded else ((), ())
    installed = [*read_defaults(config_type), *read_preset_layers(config_type, built_in, scale)]
    said = [
        *(item for document in own for item in read_preset_layers(config_type, (document,), scale)),
        *(item for document in documents for item in read_document_layer(config_type, document, "file")),
        *read_environment(config_type, environ),
        *([Setting(("task",), task, Source("command line", f"--task {task}"))] if task is not None else ()),
        *read_overrides(config_type, overrides),
    ]
    name, about = (loaded.name, loaded.about) if loaded else (final_task, About())
    resolved = _finish(_merged(config_type, [*installed, *said]), name, about, scale)
    return resolved if data is None or scale != "small" else _fitted(resolved, installed, said, data)


def _fitted(
    resolved: Resolved, installed: Sequence[Setting | Issue], said: Sequence[Setting | Issue], data: Path
) -> Resolved:
    """The same with what its task fits to the data laid between what is installed and what the user said."""
    keys = {".".join(item.path) for item in said if isinstance(item, Setting)}
    fit = None
    if resolved.config.fit_to_data != "off":
        fit = resolved.config.fitted_to(data, lambda key: key not in keys)
    if fit is None:
        return resolved
    config_type = type(resolved.config)
    merged = _merged(config_type, [*installed, *read_fit(config_type, fit), *said])
    return _finish(merged, resolved.preset, resolved.about, resolved.scale)


def _merged(config_type: type[RunConfig], settings: Iterable[Setting | Issue]) -> Merged:
    merged = Merged(config_type)
    merged.apply(settings)
    return merged


def with_overrides(resolved: Resolved, overrides: Sequence[str]) -> Resolved:
    """The same configuration with further `key=value` of a command line, e.g. on a resume.

    Raises:
        UserError: as `resolve`; also a change of the task.
    """
    named = _assigned_task({}, overrides, None)
    if named is not None and absolute_task(named) != resolved.config.task:
        raise UserError("command line: the task of a run cannot change", "start a new run")
    merged = Merged(type(resolved.config))
    for path, value in leaves(resolved.config).items():
        merged.apply([Setting(path, value, resolved.sources.get(".".join(path), Source("default")))])
    merged.apply(read_overrides(merged.config_type, overrides))
    return _finish(merged, resolved.preset, resolved.about, resolved.scale)


def load_resolved(tasks: TaskTable, path: Path) -> Resolved:
    """Read back what `Resolved.to_yaml` wrote.

    Raises:
        UserError: not a run's `config.yaml`, or its values do not fit this version's options.
    """
    document = read_document(path)
    task = _document_task(document)
    history: Any = document.values.get("provenance")
    if task is None or not isinstance(history, dict):
        raise UserError(f"{path} is not the config.yaml of a run", "start a run from it with --preset")
    provenance = build(_Provenance, history, lambda below: document.at(("provenance", *below)))
    merged = Merged(tasks.config_type(task, False))
    merged.apply(read_document_layer(merged.config_type, document, "file"))
    read = _finish(merged, provenance.preset, read_about(document), provenance.scale)
    try:
        written = {key: parse_source(text) for key, text in provenance.sources.items()}
    except ValueError as err:
        raise UserError(f"{document.at(('provenance', 'sources'))}: {err}") from None
    sources = {key: written.get(key, Source("default")) for key in read.sources}
    return Resolved(read.config, sources, read.preset, read.about, read.scale)


def absolute_task(name: str) -> str:
    """`FILE.py:Class` with the file's whole path, so that it means the same from another folder; others as they are."""
    where, _, class_name = name.rpartition(":")
    return f"{Path(where).resolve()}:{class_name}" if where.endswith(".py") else name


def diff(a: Resolved, b: Resolved) -> list[tuple[str, Any, Any]]:
    """Dotted name and both values wherever two configurations differ; none stands for a key one of them lacks."""
    values_a, values_b = a.values(), b.values()
    paths = [*values_a, *(path for path in values_b if path not in values_a)]
    pairs = ((path, values_a.get(path), values_b.get(path)) for path in paths)
    return [(path, left, right) for path, left, right in pairs if left != right]


def _finish(merged: Merged, preset: str, about: About, scale: ScaleName) -> Resolved:
    config = build_config(merged)
    config = config.model_copy(update={"task": absolute_task(config.task)})
    sources = {".".join(path): merged.sources.get(path, Source("default")) for path in leaves(config)}
    return Resolved(config, sources, preset, about, scale)


def _choose_preset(tasks: TaskTable, preset: str | None, task: str | None) -> Preset | None:
    """The preset to start from; none: a task's own defaults."""
    if preset is not None:
        return load_preset(preset, task)
    if task is None:
        return load_preset(DEFAULT_PRESET)
    if task not in tasks.built_in:
        return None
    loaded = (load_preset(name) for name in preset_names(task))
    return next((candidate for candidate in loaded if candidate.about.recommended), None)


def _assigned_task(environ: Mapping[str, str], overrides: Sequence[str], task: str | None) -> str | None:
    """The task that the environment or the command line names; the strongest one."""

    def mentions() -> Iterator[str | None]:
        yield from (text for key, text in map(split_override, reversed(overrides)) if key == "task")
        yield task
        yield from (text for _, key, text in environment_assignments(environ) if key == "task")

    return next((str(parse_value(text)) for text in mentions() if text), None)


def _document_task(document: Document) -> str | None:
    value = document.values.get("task")
    if value is not None and not isinstance(value, str):
        raise UserError(f"{document.at(('task',))}: task must be text")
    return value


def _read_file(path: Path) -> Document:
    """A file laid over the preset. One that extends something would lose half of itself that way."""
    document = read_document(path)
    for key in ("extends", "scales"):
        if key in document.values:
            where = document.at((key,))
            raise UserError(f"{where}: {key} only counts in a preset", f"use --preset {path}")
    return document
