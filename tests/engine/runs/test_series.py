"""What is plotted is what the records say, column by column."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_runs import LAYOUT, records

from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.series import derive_series, may_be_absent, series_names

TWO = RecordLayout(terms=("bce", "aux"), groups=("head",), scalars=("acc",))


def test_every_plotted_column_is_named():
    assert set(series_names(TWO.dtype, TWO)) == {
        *("loss", "lr", "grad_norm", "grad_norm.head", "update_ratio", "num_classes", "data_s", "step_s", "amp_scale"),
        *("epoch", "time", "scalar.acc", "raw.bce", "raw.aux", "weighted.bce", "weighted.aux"),
        *("share.bce", "share.aux", "weight.bce", "weight.aux"),
    }


def test_columns_are_the_fields_of_the_records():
    some = records(5, 30)
    columns = dict(derive_series(some, LAYOUT, start=1.75e9).items())
    np.testing.assert_array_equal(columns["loss"], some["loss"])
    np.testing.assert_array_equal(columns["lr"], some["lr"][:, 0].astype(np.float32))
    np.testing.assert_array_equal(columns["epoch"], some["epoch"])
    assert columns["time"].tolist() == list(range(5, 31))
    assert all(values.dtype == np.float32 and values.shape == (26,) for values in columns.values())


@given(st.lists(st.tuples(*[st.floats(width=32)] * 4), min_size=1, max_size=6))
def test_terms_are_weighted_and_shared_as_by_hand(rows: list[tuple[float, ...]]):
    some = np.zeros(len(rows), TWO.dtype)
    for k, row in enumerate(rows):
        some["term.bce"][k], some["weight.bce"][k], some["term.aux"][k], some["weight.aux"][k] = row
    columns = dict(derive_series(some, TWO, start=0.0).items())
    for k, row in enumerate(rows):
        with np.errstate(all="ignore"):
            first, second = np.float32(row[0]) * np.float32(row[1]), np.float32(row[2]) * np.float32(row[3])
        total = abs(float(first)) + abs(float(second))
        share = abs(float(first)) / total if np.isfinite(total) and total > 0 else np.nan
        np.testing.assert_array_equal(columns["weighted.bce"][k], first)
        np.testing.assert_array_equal(columns["raw.aux"][k], np.float32(row[2]))
        np.testing.assert_array_equal(columns["weight.aux"][k], np.float32(row[3]))
        assert columns["share.bce"][k] == pytest.approx(share, rel=1e-6, nan_ok=True)


def test_seconds_keep_their_milliseconds_over_hours():
    some = records(1, 3)
    some["time"] = 1.75e9 + np.array([0.0, 7200.001, 7200.002])
    time = dict(derive_series(some, LAYOUT, start=1.75e9).items())["time"]
    assert np.diff(time)[1] == pytest.approx(1e-3, abs=5e-4)


def test_what_an_old_run_did_not_record_has_no_column():
    dtype = np.dtype([("step", "<u4"), ("loss", "<f4"), ("term.bce", "<f4")])
    assert series_names(dtype, LAYOUT) == ("loss",)
    assert derive_series(np.ones(3, dtype), LAYOUT, 0.0).values.tolist() == [[1, 1, 1]]


def test_only_what_is_not_always_measured_may_be_absent():
    absent = {name for name in series_names(TWO.dtype, TWO) if may_be_absent(name, TWO)}
    assert absent == {"update_ratio", "num_classes", "amp_scale", "share.bce", "share.aux"}
