"""What one step record holds: a NumPy structured type, described in `steps.json`.

All fields are little-endian and of fixed width, so record k of a run lies at byte k * itemsize.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, cast, get_args

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.runs.states import SCHEMA
from trainctl.engine.runs.term_kinds import TermKind

Records = NDArray[np.void]
"""Step records, shape (number of steps,), of the layout's structured type."""

MAX_CLASSES = 256
"""With more classes than this a record holds only how many distinct ones the batch had."""

FIELD_TYPES = ("<u4", "<u8", "<i4", "<i8", "<f4", "<f8")
"""What a field of a record may be."""
MAX_FIELDS, MAX_ENTRIES = 1 << 16, 1 << 16
"""Of a record, and of a field."""


@dataclass(frozen=True)
class RecordLayout:
    """Names of the variable parts of a step record, in order."""

    terms: tuple[str, ...]
    """Loss terms: fields `term.<name>` (raw) and `weight.<name>`."""
    groups: tuple[str, ...] = ()
    """Module groups: fields `grad_norm.<name>` (before clipping)."""
    lr_groups: int = 1
    """Parameter groups of the optimiser: field `lr` has this many entries."""
    lr_names: tuple[str, ...] = ()
    """Named group that each of them belongs to; empty: they are not named."""
    classes: tuple[str, ...] = ()
    """Class names: field `classes` counts the samples of each in the step's batch."""
    scalars: tuple[str, ...] = ()
    """Further scalars of the task: fields `scalar.<name>`."""
    sparse: tuple[str, ...] = ()
    """Those of them that are not measured at every step: NaN says so."""
    kinds: Mapping[str, TermKind] = field(default_factory=dict[str, TermKind])
    """What a term is, where its task says so."""
    frozen: tuple[str, ...] = ()
    """Module groups without a trainable parameter (shown as frozen)."""
    unmeasured: tuple[str, ...] = ()
    """Fields that a log of another tool has no figures for: NaN (a count: 0) in every record, and never a column."""

    @property
    def dtype(self) -> np.dtype[np.void]:
        """The record's type: host-side fields, then what came from the device."""
        fields: list[tuple[Any, ...]] = [
            ("step", "<u4"),  # optimiser step, 1 for the first
            ("epoch", "<u4"),  # 1 for the first
            ("time", "<f8"),  # seconds since 1970 at the end of the step
            ("data_s", "<f4"),  # getting and augmenting the batch
            ("step_s", "<f4"),  # the whole step, `data_s` included
            ("lr", "<f8", (self.lr_groups,)),
            ("batch_size", "<u4"),  # samples, accumulation included
            ("clip", "<f4"),  # clip norm in force; NaN: not clipped
            ("loss", "<f4"),  # weighted sum of the terms
            *((f"term.{name}", "<f4") for name in self.terms),
            *((f"weight.{name}", "<f4") for name in self.terms),
            ("grad_norm", "<f4"),  # total, before clipping
            *((f"grad_norm.{name}", "<f4") for name in self.groups),
            ("nonfinite", "<f4"),  # parameters tensors whose gradient is not finite
            ("update_ratio", "<f4"),  # |change of the weights| / |weights|; NaN: not measured at this step
            ("amp_scale", "<f4"),  # gradient scaler; NaN: none
            ("num_classes", "<f4"),  # distinct classes in the batch; NaN: no classes
            *((f"scalar.{name}", "<f4") for name in self.scalars),
        ]
        if 0 < len(self.classes) <= MAX_CLASSES:
            fields.append(("classes", "<u4", (len(self.classes),)))
        return np.dtype(fields)

    def to_json(self) -> dict[str, Any]:
        """The content of `steps.json`."""
        dtype = self.dtype  # made anew each time it is asked for
        described = [[name, dtype[name].base.str, list(dtype[name].shape)] for name in dtype.names or ()]
        return {
            "schema": SCHEMA,
            "itemsize": dtype.itemsize,
            "fields": described,
            "terms": list(self.terms),
            "groups": list(self.groups),
            "lr_groups": self.lr_groups,
            "lr_names": list(self.lr_names),
            "classes": list(self.classes),
            "scalars": list(self.scalars),
            "sparse": list(self.sparse),
            "kinds": dict(self.kinds),
            "frozen": list(self.frozen),
            "unmeasured": list(self.unmeasured),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> RecordLayout:
        """The layout written by `to_json`. The caller has checked the schema version."""
        return cls(
            terms=_names(data["terms"]),
            groups=_names(data["groups"]),
            lr_groups=int(data["lr_groups"]),
            lr_names=_names(data.get("lr_names", ())),
            classes=_names(data["classes"]),
            scalars=_names(data["scalars"]),
            sparse=_names(data.get("sparse", ())),
            kinds=_kinds(data.get("kinds", {})),
            frozen=_names(data.get("frozen", ())),
            unmeasured=_names(data.get("unmeasured", ())),
        )


def _names(values: Any) -> tuple[str, ...]:
    if not isinstance(values, (list, tuple)) or not all(isinstance(value, str) for value in cast("list[Any]", values)):
        raise ValueError(f"{str(values)[:40]!r} is no list of names")
    return tuple(cast("list[str]", values))


def _kinds(values: Any) -> dict[str, TermKind]:
    known = get_args(TermKind)
    items = cast("Mapping[Any, Any]", values).items() if isinstance(values, Mapping) else ()
    return {name: kind for name, kind in items if isinstance(name, str) and kind in known}


def dtype_from_json(data: dict[str, Any]) -> np.dtype[np.void]:
    """The records' type from the fields in `steps.json`, so that old runs stay readable when fields are added.

    Raises:
        KeyError, TypeError, ValueError: not a description of a record.
    """
    fields = [_field(*entry) for entry in data["fields"]]
    if not 0 < len(fields) <= MAX_FIELDS:
        raise ValueError(f"it has {len(fields)} fields")
    dtype: np.dtype[np.void] = np.dtype(fields)
    if dtype.itemsize != data["itemsize"]:
        raise ValueError(f"fields have {dtype.itemsize} bytes, itemsize says {data['itemsize']}")
    return dtype


def fitting(layout: RecordLayout, dtype: np.dtype[np.void]) -> RecordLayout:
    """The layout without the parts that its records have no fields for, as those of another version may not."""
    fields = dtype.names or ()
    has_classes = "classes" not in fields or dtype["classes"].shape == (len(layout.classes),)
    return replace(
        layout,
        terms=tuple(name for name in layout.terms if f"term.{name}" in fields and f"weight.{name}" in fields),
        groups=tuple(name for name in layout.groups if f"grad_norm.{name}" in fields),
        scalars=tuple(name for name in layout.scalars if f"scalar.{name}" in fields),
        classes=layout.classes if has_classes else (),
    )


def _field(name: Any, code: Any, shape: Any) -> tuple[Any, ...]:
    """One field of a record. Numbers of fixed width and nothing else: an object would be a pointer from the file.

    Raises:
        ValueError: another type or shape.
    """
    if not isinstance(name, str) or code not in FIELD_TYPES:
        raise ValueError(f"field {name!r} is of type {code!r}")
    sizes: list[Any] = list(shape)
    if len(sizes) > 1 or not all(type(size) is int and 0 < size <= MAX_ENTRIES for size in sizes):
        raise ValueError(f"field {name} has shape {sizes}")
    return (name, code, tuple(sizes)) if sizes else (name, code)


def converted(records: Records, dtype: np.dtype[np.void]) -> Records:
    """Records in the columns of another version; NaN (a count: 0) in those that are written no more."""
    if records.dtype == dtype:
        return records
    kept = np.zeros(len(records), dtype)
    for name in dtype.names or ():
        if name in (records.dtype.names or ()):
            kept[name] = records[name]
        elif dtype[name].base.kind == "f":
            kept[name] = np.nan
    return kept


class RecordSink(Protocol):
    """Where step records go."""

    def append(self, records: Records) -> None:
        """Keep whole records, shape (k,). Raises UserError: the disk refuses."""
        ...

    def close(self) -> None:
        """Nothing more comes; again is harmless."""
        ...
