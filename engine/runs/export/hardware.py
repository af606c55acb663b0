"""Samples of hardware and time as rows of one table. Knows no file format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from trainctl.engine.runs.atomic import DamagedFileError
from trainctl.engine.runs.hardware.samples import HardwareReader, HardwareSample
from trainctl.engine.runs.layout import RunPaths

Row = Mapping[str, float | int]


def hardware_samples(paths: RunPaths) -> list[HardwareSample]:
    """The samples of a run; none where it has none."""
    try:
        return HardwareReader(paths).read_all()
    except DamagedFileError:
        return []


def hardware_row(sample: HardwareSample) -> Row:
    """A sample as one row: what it is of, then every figure that is known."""
    at = {"time": sample.time, "step": sample.step, "seconds": sample.seconds, "cores": sample.cores}
    return {**at, **sample.figures}


def hardware_columns(samples: Sequence[HardwareSample]) -> list[str]:
    """Names of all columns, in the order of first appearance."""
    rows: Iterable[Row] = map(hardware_row, samples)
    return list(dict.fromkeys(name for row in rows for name in row))
