"""What is plotted of a run: named columns derived from step records. Knows no file and no screen.

The overview file and whoever draws a run take their columns from here, so that they agree to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.runs.record import RecordLayout, Records

Floats = NDArray[np.float32]

PLAIN = ("loss", "grad_norm", "update_ratio", "num_classes", "data_s", "step_s", "amp_scale", "epoch")
"""Fields that are plotted under their own name."""
PREFIXES = ("grad_norm.", "scalar.")
"""Beginnings of the names of further such fields."""


def may_be_absent(name: str, layout: RecordLayout) -> bool:
    """Whether NaN in a column says that there was nothing to measure, not that the run is ill."""
    is_sparse = name.startswith("scalar.") and name.removeprefix("scalar.") in layout.sparse
    return is_sparse or name in ("update_ratio", "amp_scale", "num_classes") or name.startswith("share.")


def series_names(dtype: np.dtype[np.void], layout: RecordLayout) -> tuple[str, ...]:
    """The columns that records of this type give, in order.

    `loss`, `lr` (of the first parameter group), `lr.<name>` of each that is named, `grad_norm`, `grad_norm.<group>`,
    `update_ratio`, `num_classes`, `data_s`, `step_s`, `amp_scale`, `epoch`, `scalar.<name>`; for each loss term
    `raw.<term>`, `weight.<term>`, `weighted.<term>` (raw times weight) and `share.<term>` (its part of the sum of the
    weighted terms' magnitudes, NaN where that is 0 or not finite); `time` (seconds since the first record of the run).
    A field the records lack, or that nobody measured, has no column.
    """
    fields = _measured(dtype, layout)
    names = [name for name in fields if name in PLAIN or name.startswith(PREFIXES)]
    names += [name for name in ("lr", "time") if name in fields]
    names += [f"lr.{name}" for name in _named_rates(fields, layout)]
    names += [f"raw.{term}" for term in _terms(fields, layout)]
    weighted = _weighted(fields, layout)
    return (*names, *(f"{kind}.{term}" for kind in ("weight", "weighted", "share") for term in weighted))


@dataclass(frozen=True)
class SeriesBlock:
    """Plotted columns of consecutive steps.

    `values` is float32 of shape (C, n), a row for each of the C names. The seconds of `time` are then good to 8 ms
    after a day and to a quarter of a second after a month.
    """

    names: tuple[str, ...]
    values: Floats

    def __len__(self) -> int:
        return self.values.shape[1]

    def items(self) -> Iterator[tuple[str, Floats]]:
        """Name and values, shape (n,), of each column."""
        yield from zip(self.names, self.values, strict=True)


def derive_series(records: Records, layout: RecordLayout, start: float) -> SeriesBlock:
    """The plotted columns of some records, shape (n,).

    Args:
        records: consecutive records.
        layout: what they hold.
        start: time of the run's first record, seconds since 1970.
    """
    names = series_names(records.dtype, layout)
    block = SeriesBlock(names, np.empty((len(names), len(records)), np.float32))
    fields = _measured(records.dtype, layout)
    rows, rates = dict(block.items()), _named_rates(fields, layout)
    with np.errstate(all="ignore"):  # a value that overflows float32 is data here: it shows as infinite
        for name, row in rows.items():
            if name == "lr":
                row[:] = records["lr"][:, 0]
            elif name.startswith("lr."):
                row[:] = records["lr"][:, rates[name.removeprefix("lr.")]]
            elif name == "time":
                row[:] = records["time"] - start
            elif name in PLAIN or name.startswith(PREFIXES):
                row[:] = records[name]
        for term in _terms(fields, layout):
            rows[f"raw.{term}"][:] = records[f"term.{term}"]
        _fill_weighted(rows, records, _weighted(fields, layout))
    return block


def _measured(dtype: np.dtype[np.void], layout: RecordLayout) -> tuple[str, ...]:
    """Fields that hold figures."""
    return tuple(name for name in dtype.names or () if name not in layout.unmeasured)


def _named_rates(fields: tuple[str, ...], layout: RecordLayout) -> dict[str, int]:
    """Where the learning rate of each named group stands in `lr`: at the first parameter group of its name."""
    if "lr" not in fields or len(layout.lr_names) != layout.lr_groups:
        return {}
    return {name: layout.lr_names.index(name) for name in dict.fromkeys(layout.lr_names)}


def _terms(fields: tuple[str, ...], layout: RecordLayout) -> list[str]:
    known = {*fields, *layout.unmeasured}
    return [term for term in layout.terms if f"term.{term}" in fields and f"weight.{term}" in known]


def _weighted(fields: tuple[str, ...], layout: RecordLayout) -> list[str]:
    """Terms of which the weight is known too."""
    return [term for term in _terms(fields, layout) if f"weight.{term}" in fields]


def _fill_weighted(rows: dict[str, Floats], records: Records, terms: list[str]) -> None:
    total = np.zeros(len(records))
    for term in terms:
        rows[f"weight.{term}"][:] = records[f"weight.{term}"]
        np.multiply(rows[f"raw.{term}"], records[f"weight.{term}"], out=rows[f"weighted.{term}"])
        total += np.abs(rows[f"weighted.{term}"])
    total[~np.isfinite(total) | (total == 0)] = np.nan
    for term in terms:
        np.divide(np.abs(rows[f"weighted.{term}"]), total, out=rows[f"share.{term}"], casting="same_kind")
