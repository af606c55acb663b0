"""What keys a configuration has: finding one by its dotted name, its documentation, the nearest known key.

Looks at schema classes only; knows no values and no files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from trainctl.engine.config.schema import RunConfig
from trainctl.engine.config.yamlfile import KeyPath

OTHER_NAMES = {
    "learning_rate": "optimizer.lr",
    "wd": "optimizer.weight_decay",
    "optim": "optimizer",
    "scheduler": "schedule",
    "lr_scheduler": "schedule",
    "num_epochs": "train.epochs",
    "max_epochs": "train.epochs",
    "steps": "train.max_steps",
    "bs": "train.batch_size",
    "gradient_accumulation_steps": "train.accumulation",
    "accumulation_steps": "train.accumulation",
    "warmup": "schedule.warmup_epochs",
    "warmup_steps": "schedule.warmup_epochs",
    "max_grad_norm": "clip.grad_norm",
    "clip_grad_norm": "clip.grad_norm",
    "gradient_clip_val": "clip.grad_norm",
    "ema_decay": "ema.decay",
    "use_amp": "precision.amp",
    "mixed_precision": "precision.amp",
    "random_seed": "seed",
    "arch_variant": "model.arch",
    "architecture": "model.arch",
    "head_variant": "model.head",
    "label_smoothing": "loss.smoothing",
}
"""What other tools call a key, so that a suggestion can be made where the spelling alone does not help."""

_NEAR = 0.65


@dataclass(frozen=True)
class Place:
    """Where a dotted key leads in a schema: a section, a field, or an entry of a mapping field."""

    path: KeyPath
    section: type[BaseModel] | None = None
    """Set for a section (and the root); the other two are for fields."""
    field: FieldInfo | None = None
    is_entry: bool = False
    """The path names an entry of a mapping field such as `loss_weights`."""
    is_open: bool = False
    """The schema says nothing of what is here or below, see `OpenConfig`."""

    @property
    def is_mapping(self) -> bool:
        """A field that is a mapping as a whole."""
        return self.field is not None and not self.is_entry and get_origin(self.field.annotation) is dict

    @property
    def is_text(self) -> bool:
        """A field whose value can be any text."""
        return self.field is not None and not self.is_entry and _mentions(self.field.annotation, str)

    def has_below(self, value: Any) -> bool:
        """Whether the entries of `value`, which stands here, have places of their own."""
        is_free = self.is_mapping or (self.is_open and isinstance(value, Mapping))
        return self.section is not None or (is_free and bool(value))

    def child(self, key: str) -> Place | None:
        """The place one key further down, none if there is no such key."""
        if self.is_open:
            return Place((*self.path, key), is_open=True)
        if self.is_mapping:
            return Place((*self.path, key), field=self.field, is_entry=True)
        field = None if self.section is None else self.section.model_fields.get(key)
        path = (*self.path, key)
        if field is None:
            is_open = self.section is not None and self.section.model_config.get("extra") == "allow"
            return Place(path, is_open=True) if is_open else None
        below = field.annotation
        if isinstance(below, type) and issubclass(below, BaseModel):
            return Place(path, section=below)
        return Place(path, field=field)


def locate(config_type: type[BaseModel], keys: Sequence[str]) -> Place | None:
    """The place of a key; what follows a mapping field is one entry, dots included."""
    place = Place((), section=config_type)
    for position, key in enumerate(keys):
        if place.is_mapping:
            return place.child(".".join(keys[position:]))
        below = place.child(key)
        if below is None:
            return None
        place = below
    return place


def dotted_keys(config_type: type[BaseModel], prefix: KeyPath = ()) -> Iterator[str]:
    """Every section and field of a schema by its dotted name, in order."""
    for name in config_type.model_fields:
        place = Place(prefix, section=config_type).child(name)
        assert place is not None
        yield ".".join(place.path)
        if place.section is not None:
            yield from dotted_keys(place.section, place.path)


def leaves(config: BaseModel) -> dict[KeyPath, Any]:
    """Every value of a configuration by its path, as JSON has it (tuples are lists), in the schema's order.

    A mapping field yields its entries, or itself when it is empty.
    """
    return dict(walk_values(Place((), section=type(config)), config.model_dump(mode="json")))


def walk_values(place: Place, value: Any) -> Iterator[tuple[KeyPath, Any]]:
    """The values below a place, given the plain data that stands there."""
    if not place.has_below(value):
        yield place.path, value
        return
    for key, below in value.items():
        child = place.child(key)
        assert child is not None
        yield from walk_values(child, below)


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The most similar candidate, none if nothing is similar."""
    scored = [(_ratio(word.lower(), candidate.lower()), candidate) for candidate in candidates]
    best = max(scored, default=(0.0, ""), key=lambda item: item[0])
    return best[1] if best[0] >= _NEAR else None


def nearest_key(config_type: type[RunConfig], key: str) -> str | None:
    """The dotted key that was probably meant: similar as a whole, or by its last word in another section."""
    known = list(dotted_keys(config_type))
    candidates = [(name, name) for name in known]
    for other, name in OTHER_NAMES.items():
        if name in known:
            section, dot, _ = name.rpartition(".")
            candidates.append((f"{section}{dot}{other}", name))
    scored = [(_similarity(key.lower(), spelling), name) for spelling, name in candidates]
    score, name = max(scored, key=lambda item: item[0])
    return name if score >= _NEAR else None


def _similarity(written: str, known: str) -> float:
    # The last word decides: keys of one section look alike as a whole only because they share its name.
    section_a, _, last_a = written.rpartition(".")
    section_b, _, last_b = known.rpartition(".")
    by_parts = 0.75 * _ratio(last_a, last_b) + 0.25 * _ratio(section_a, section_b)
    joined = _ratio(written.replace(".", "_"), known.replace(".", "_"))
    return max(by_parts, joined if "." not in written and joined > 0.9 else 0.0)


def _ratio(a: str, b: str) -> float:
    return SequenceMatcher(None, a, b).ratio()


def _mentions(annotation: Any, wanted: type) -> bool:
    """Whether a type is `wanted`, or a union with it."""
    if annotation is wanted:
        return True
    return get_origin(annotation) is not dict and any(
        part is wanted for part in get_args(annotation) if get_origin(annotation) not in (list, tuple)
    )
