"""Distributions: true to the values, of any values, read back as they were written, and bounded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from trainctl.engine.runs.atomic import DamagedFileError
from trainctl.engine.runs.validated.histogram import (
    BARS,
    MAX_BYTES,
    MOST_NAMES,
    MOST_VALUES,
    QUANTILES,
    Histogram,
    histogram_of,
    packed_histograms,
    read_histograms,
)
from trainctl.engine.runs.validated.history import HistogramReader
from trainctl.engine.runs.validated.kept import MOST_FILES, KeptFiles, file_of


@given(arrays.arrays(np.float64, st.integers(0, 40), elements=st.floats(width=64)))
def test_every_finite_value_is_in_one_bar_and_the_others_are_counted(values: np.ndarray):
    found = histogram_of(values)
    finite = values[np.isfinite(values)]
    assert found.counts.sum() == len(finite) and (found.counts >= 0).all()
    assert found.num_values == len(values) and found.num_bad == len(values) - len(finite)
    if len(finite):
        assert found.quantiles[0] == finite.min() and found.quantiles[-1] == finite.max()


def test_bars_are_those_of_numpy_and_quantiles_too():
    values = np.random.default_rng(0).normal(3, 2, (50, 20))
    found = histogram_of(values)
    assert found.counts.tolist() == np.histogram(values, BARS)[0].tolist()
    assert found.quantiles == pytest.approx(np.quantile(values, QUANTILES))


def test_of_very_many_values_an_even_part_is_looked_at():
    values = np.arange(3 * MOST_VALUES, dtype=np.float32)
    found = histogram_of(values)
    assert found.num_values == len(values) and found.counts.sum() == MOST_VALUES
    assert found.quantiles[3] == pytest.approx(len(values) / 2, rel=1e-3)


def test_a_file_gives_back_what_was_written_and_is_bounded(tmp_path: Path):
    named = {f"{k} " + "name " * 200: histogram_of(np.arange(k + 1.0)) for k in range(100)}
    path = tmp_path / "1.npz"
    path.write_bytes(packed_histograms(named))
    found = read_histograms(path)
    assert len(found) == MOST_NAMES and path.stat().st_size < MAX_BYTES / 2
    for name, one in list(named.items())[:MOST_NAMES]:
        again = found[name[:200]]
        assert (again.counts == one.counts).all() and again.num_values == one.num_values
        np.testing.assert_array_equal(again.quantiles, one.quantiles)
    assert read_histograms(tmp_path / "none.npz") == {}
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DamagedFileError):
        read_histograms(path)


def some(value: float) -> dict[str, Histogram]:
    return {"p": histogram_of(np.array([value]))}


def test_a_reader_keeps_up_and_holds_no_more_than_the_folder(tmp_path: Path):
    folder = tmp_path / "histograms"
    reader, kept = HistogramReader(folder), KeptFiles(folder)
    assert not reader.poll() and reader.found == {}
    for step in range(1, 121):
        kept.put(step, packed_histograms(some(step)), best=7)
        kept.write_out()
        assert reader.poll()
        before = reader.found
        assert not reader.poll() and reader.found is before
    assert len(reader.found) == MOST_FILES and {7, 120} <= reader.found.keys()
    assert all(one["p"].quantiles[0] == step for step, one in reader.found.items())
    file_of(folder, 121).write_bytes(b"damaged")
    assert reader.poll() and reader.found[121] == {} and 7 in reader.found
