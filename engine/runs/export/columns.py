"""Step records as plain columns: vectors taken apart and named. Knows no file format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.store import Records, StoredRecords

BLOCK = 16_384
"""Records handled at once by an export: a few megabytes, whatever the length of the run."""

NOT_MEASURED = frozenset({"clip", "update_ratio", "amp_scale", "num_classes"})
"""Fields in which NaN says that there was nothing to measure, not that the run is ill."""


@dataclass(frozen=True)
class Column:
    """One column of the flat table of steps."""

    name: str
    """The field, with `[k]` for the entry of a vector and `.NAME` for a class count."""
    field: str
    index: int | None = None
    """Entry of a vector field; none: the field is a scalar."""

    def values(self, records: Records) -> NDArray[Any]:
        """The column of some records, shape (n,)."""
        return records[self.field] if self.index is None else records[self.field][:, self.index]


def flat_columns(dtype: np.dtype[np.void], layout: RecordLayout) -> list[Column]:
    """Every column of the records, in the order of their fields: `lr[0]`, `classes.open`."""
    out: list[Column] = []
    for name in dtype.names or ():
        if name in layout.unmeasured:
            continue
        shape = dtype[name].shape
        if not shape:
            out.append(Column(name, name))
            continue
        assert len(shape) == 1, f"field {name} has {len(shape)} dimensions"
        labels = _labels(name, shape[0], layout)
        out.extend(Column(label, name, index) for index, label in enumerate(labels))
    return out


def _labels(field: str, size: int, layout: RecordLayout) -> list[str]:
    if field == "classes" and len(layout.classes) == size:
        return [f"classes.{name}" for name in layout.classes]
    if field == "lr" and len(set(layout.lr_names)) == size:
        return [f"lr.{name}" for name in layout.lr_names]
    return [f"{field}[{index}]" for index in range(size)]


def blocks(records: Records | StoredRecords, size: int = BLOCK) -> Iterator[Records]:
    """The records in portions of `size`."""
    for first in range(0, len(records), size):
        yield records[first : first + size]


def shortest(values: NDArray[Any]) -> NDArray[Any]:
    """32-bit floats as the 64-bit ones with the fewest digits that round to them: 0.1, not 0.10000000149011612."""
    return values.astype("U16").astype(np.float64) if values.dtype == np.float32 else values
