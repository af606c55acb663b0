"""Finds and reads presets: the files under `presets/<task>/<name>.yaml`, and the user's own.

Knows their names, what they extend and what they say about themselves; not what their options mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from trainctl.engine.config.fields import nearest
from trainctl.engine.config.schema import PositiveInt, Section
from trainctl.engine.config.validation import build
from trainctl.engine.config.yamlfile import Document, KeyPath, parse_document, read_document
from trainctl.engine.errors import UserError

DEFAULT_PRESET = "eyes/balanced"
"""What a run uses when nothing is said, and what `balanced` alone means."""

_SUFFIXES = (".yaml", ".yml")


# fmt: off
Figure = Literal[
    "epochs_to_reference_loss", "fluctuation", "largest_rise", "gradient_fluctuation", "seconds",
    "final_loss", "final_validation_loss", "final_metric", "best_metric", "final_term",
    "epoch_loss", "epoch_validation_loss", "epoch_metric", "epoch_term",
]
# fmt: on
"""What a promise can be about; `docs/compare.md` defines each."""
Bounds = tuple[float | None, float | None]
"""From, to; null: no bound on that side."""


class Promised(Section):
    """A promise of a document in figures, which `trainctl compare --promised` holds against what was measured."""

    figure: Figure
    """What it is about."""
    name: str = ""
    """Which metric or loss term. Empty: the monitored metric; of `epochs_to_reference_loss`, `fluctuation` and
    `largest_rise`, the whole loss."""
    at: PositiveInt | None = None
    """Epoch of an `epoch_...` figure."""
    change: Bounds | None = None
    """Improvement on the reference in percent; negative: worse."""
    value: Bounds | None = None
    """The figure itself."""
    both_sides: bool = False
    """Whether a `value` better than promised breaks the promise as well."""
    against: str = ""
    """The preset that `change` is relative to; empty: the first of the comparison."""
    section: str = ""
    """Where the document says so."""
    text: str = ""
    """In the document's terms."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        bounds = self.change if self.change is not None else self.value
        if (self.change is None) == (self.value is None) or bounds is None:
            raise ValueError(f"{self.figure}: a promise has either change or value")
        low, high = bounds
        if not all(bound is None or math.isfinite(bound) for bound in bounds):
            raise ValueError(f"{self.figure}: a bound is a finite number, or null for none")
        if (low is None and high is None) or (low is not None and high is not None and low > high):
            raise ValueError(f"{self.figure}: bounds are [from, to] with from <= to, null for no bound")
        if (self.at is None) == self.figure.startswith("epoch_"):
            raise ValueError(f"{self.figure}: at is the epoch of an epoch_ figure, and of no other")
        if self.figure.endswith("_term") and not self.name:
            raise ValueError(f"{self.figure}: name says which loss term")
        if self.both_sides and self.value is None:
            raise ValueError(f"{self.figure}: both_sides is about a value")
        return self


class About(Section):
    """What a preset says about itself."""

    source: str = ""
    """The document the values come from."""
    section: str = ""
    """Its section."""
    summary: str = ""
    """One line for lists."""
    promises: tuple[str, ...] = ()
    """What the document promises, in its own terms."""
    promised: tuple[Promised, ...] = ()
    """What it promises in figures."""
    expected: dict[str, tuple[tuple[float, float], ...]] = Field(default_factory=dict)
    """Curves of the document, drawn faint behind the run: (epoch, value) by name, `loss` or `val_loss`."""
    recommended: bool = False
    """Whether it is the one to start with."""
    goes_wrong: str = ""
    """What goes wrong with it and why; empty where nothing is known to."""
    findings: tuple[str, ...] = ()
    """Codes that `diagnose` is expected to report."""


@dataclass(frozen=True)
class Preset:
    """One preset with the presets it extends."""

    name: str
    """`task/name`, or the path of the user's file."""
    built_in: tuple[Document, ...]
    """The installed files among its own and those it extends, the most basic one first."""
    own: tuple[Document, ...]
    """The user's files among them, the most basic one first; they extend the installed ones."""
    about: About

    @property
    def chain(self) -> tuple[Document, ...]:
        """All its files, the most basic one first."""
        return (*self.built_in, *self.own)

    @property
    def document(self) -> Document:
        """The preset's own file."""
        return self.chain[-1]


def preset_names(task: str | None = None) -> list[str]:
    """Full names of the presets that are installed, in order; only those of one task if it is given."""
    names: list[str] = []
    for folder in files("trainctl.presets").iterdir():
        if folder.is_dir() and (task is None or folder.name == task):
            found = [entry.name for entry in folder.iterdir() if entry.name.endswith(".yaml")]
            names += [f"{folder.name}/{name.removesuffix('.yaml')}" for name in found]
    return sorted(names)


def find_preset(name: str, task: str | None = None) -> str:
    """The full name of a preset given by its full name, a bare name or a path.

    A bare name is looked up in `task` first. `balanced` alone means `eyes/balanced`.

    Raises:
        UserError: no such preset, or several.
    """
    known = preset_names()
    if name in known or _is_path(name):
        return name
    same = [full for full in known if full.endswith(f"/{name}")]
    if f"{task}/{name}" in same:
        return f"{task}/{name}"
    if len(same) == 1:
        return same[0]
    if DEFAULT_PRESET in same:
        return DEFAULT_PRESET
    if same:
        raise UserError(f"preset {name!r} is ambiguous", f"say which one: {', '.join(same)}")
    bare = {full.rpartition("/")[2]: full for full in known}
    near = nearest(name, [*known, *bare])
    hint = f"did you mean {near}?" if near else f"there are: {', '.join(known)}"
    raise UserError(f"unknown preset {name!r}", hint)


def load_preset(name: str, task: str | None = None) -> Preset:
    """Read a preset and everything it extends.

    Raises:
        UserError: as `find_preset`, a file that cannot be read, presets that extend each other in a circle, or
            an `about` with unknown keys.
    """
    full = find_preset(name, task)
    chain = [_read(full)]
    seen = [full]
    while "extends" in chain[-1].values:
        below = _extended(chain[-1], seen[-1])
        if below in seen:
            circle = " extends ".join([*seen[seen.index(below) :], below])
            raise UserError(f"{chain[-1].at(('extends',))}: presets extend each other: {circle}")
        chain.append(_read(below))
        seen.append(below)
    files_by_origin = [(_is_path(name), document) for name, document in zip(seen, chain, strict=True)][::-1]
    built_in = tuple(document for is_own, document in files_by_origin if not is_own)
    own = tuple(document for is_own, document in files_by_origin if is_own)
    return Preset(full, built_in, own, read_about(chain[0]))


def read_about(document: Document) -> About:
    """What a preset's file says about itself. Not inherited: it would be untrue of the file that extends.

    Raises:
        UserError: unknown keys or wrong types.
    """
    values: Any = document.values.get("about") or {}
    if not isinstance(values, dict):
        raise UserError(f"{document.at(('about',))}: about must be a mapping (key: value)")

    def place(path: KeyPath) -> str:
        return document.at(("about", *path))

    return build(About, values, place)


def _is_path(name: str) -> bool:
    # By its ending alone: a file that happens to be called `balanced` must not replace the preset.
    return name.endswith(_SUFFIXES)


def _read(name: str) -> Document:
    if _is_path(name):
        return read_document(Path(name))
    file = files("trainctl.presets").joinpath(f"{name}.yaml")
    return parse_document(file.read_text(encoding="utf-8"), f"presets/{name}.yaml")


def _extended(document: Document, name: str) -> str:
    """Full name or path of what a preset extends; a path is relative to the file that names it."""
    value = document.values["extends"]
    where = document.at(("extends",))
    if not isinstance(value, str):
        raise UserError(f"{where}: extends must be the name of a preset")
    if value.endswith(_SUFFIXES):
        path = Path(name).parent / value
        if not path.is_file():
            raise UserError(f"{where}: file not found: {path}")
        return str(path)
    try:
        return find_preset(value, None if _is_path(name) else name.partition("/")[0])
    except UserError as err:
        raise UserError(f"{where}: {err.message}", err.hint) from None
