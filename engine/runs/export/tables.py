"""What an export writes, before it has a format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainctl.engine.runs.export.columns import Column, flat_columns
from trainctl.engine.runs.export.validations import ValidationRow
from trainctl.engine.runs.hardware.samples import HardwareSample
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.store import StoredRecords


@dataclass(frozen=True)
class Tables:
    """Steps, validations and samples of the hardware of one run."""

    records: StoredRecords
    """Shape (n,), n > 0; read when they are asked for."""
    layout: RecordLayout
    validations: list[ValidationRow]
    hardware: Sequence[HardwareSample] = ()

    @property
    def columns(self) -> list[Column]:
        """Columns of the steps."""
        return flat_columns(self.records.dtype, self.layout)
