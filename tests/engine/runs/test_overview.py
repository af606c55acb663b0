"""The overview says of every block what its records say, whatever happened to the files."""

from __future__ import annotations

import itertools
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sample_runs import LAYOUT, new_run, records

from trainctl.engine.runs import overview as overview_module
from trainctl.engine.runs.blocks import BLOCK, Overview, block_dtype, sum_up
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.overview import MAX_BLOCKS, OverviewReader
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.series import derive_series, may_be_absent
from trainctl.engine.runs.store import StepReader, StepWriter, drop_after

SMALL = RecordLayout(terms=("a", "b"))
FLOATS = hnp.arrays(np.float32, (2 * BLOCK, 4), elements=st.floats(width=32), fill=st.just(np.float32(1.5)))


def write(paths: RunPaths, *parts: np.ndarray, keep: int | None = None) -> None:
    writer = StepWriter(paths, LAYOUT, keep)
    for part in parts:
        writer.append(part)
    writer.close()


def read(paths: RunPaths) -> Overview:
    """The overview as a reader sees it, with what it makes itself."""
    reader = OverviewReader(paths, LAYOUT, LAYOUT.dtype)
    while not reader.is_complete:
        reader.advance()
    reader.close()
    return reader.overview()


def in_file(paths: RunPaths) -> int:
    """Whole blocks in the file."""
    size = paths.overview.stat().st_size if paths.overview.exists() else 0
    return size // block_dtype(len(read(paths).names)).itemsize


def assert_right(paths: RunPaths) -> None:
    """What is read is what all the records give, summed up at once."""
    everything = StepReader(paths).all()
    whole = everything[: len(everything) // BLOCK * BLOCK]
    found = read(paths)
    assert found.blocks.tobytes() == sum_up(whole, LAYOUT, float(everything["time"][0])).tobytes()
    assert (found.count, found.first_step, found.start) == (len(whole), everything["step"][0], everything["time"][0])


@given(FLOATS)
@settings(deadline=None, max_examples=40)
def test_blocks_are_what_a_slow_reading_gives(values: np.ndarray):
    some = np.zeros(2 * BLOCK, SMALL.dtype)
    some["step"], some["time"] = np.arange(1, 2 * BLOCK + 1), np.arange(2 * BLOCK)
    for field, column in zip(("loss", "update_ratio", "term.a", "weight.b"), values.T, strict=True):
        some[field] = column
    some["weight.a"] = some["term.b"] = 1.0
    blocks = sum_up(some, SMALL, start=0.0)
    assert blocks["step"].tolist() == [BLOCK, 2 * BLOCK] and blocks["time"].tolist() == [BLOCK - 1, 2 * BLOCK - 1]
    for k, (name, samples) in enumerate(derive_series(some, SMALL, 0.0).items()):
        for block, part in zip(blocks, samples.reshape(2, BLOCK).tolist(), strict=True):
            finite = [value for value in part if np.isfinite(value)]
            wrong = [value for value in part if np.isinf(value) or (np.isnan(value) and not may_be_absent(name, SMALL))]
            assert block["bad"][k] == len(wrong)
            if finite:
                assert (block["lo"][k], block["hi"][k]) == (min(finite), max(finite))
                scale = max(map(abs, finite)) * 1e-6
                assert block["mean"][k] == pytest.approx(sum(finite) / len(finite), rel=1e-6, abs=scale + 1e-40)
            else:
                assert all(np.isnan(block[part][k]) for part in ("lo", "hi", "mean"))


@given(st.lists(st.integers(0, 700), max_size=8))
@settings(max_examples=25, deadline=None)
def test_the_file_does_not_depend_on_how_records_are_appended(
    tmp_path_factory: pytest.TempPathFactory, portions: list[int]
):
    paths = new_run(tmp_path_factory.mktemp("overview"))
    total = sum(portions)
    ends = np.cumsum([0, *portions])
    write(paths, *(records(a + 1, b) for a, b in itertools.pairwise(ends)))
    if total:
        assert_right(paths)
        assert in_file(paths) == total // BLOCK


def test_a_short_run_has_no_overview_file(tmp_path: Path):
    paths = new_run(tmp_path)
    write(paths, records(1, BLOCK - 1))
    assert sorted(file.name for file in paths.root.iterdir()) == ["steps.bin", "steps.json"]
    assert read(paths).count == 0


@pytest.mark.parametrize("keep", [0, 100, 2 * BLOCK - 1, 2 * BLOCK, 3 * BLOCK + 7, 5000])
@pytest.mark.parametrize("more", [0, 40, 3 * BLOCK])
def test_a_resume_drops_the_blocks_behind_the_checkpoint(tmp_path: Path, keep: int, more: int):
    paths = new_run(tmp_path)
    write(paths, records(1, 4 * BLOCK + 9))
    drop_after(paths, keep)
    if keep:
        assert_right(paths)  # between the resume and its first record the old blocks are still in the file
    first = min(keep, 4 * BLOCK + 9) + 1
    again = records(first, first + more, time_offset=1e4)
    again["loss"] = -5.0
    write(paths, again, keep=keep)
    assert_right(paths)
    assert in_file(paths) == (first + more) // BLOCK


def test_blocks_of_records_that_were_replaced_are_not_believed(tmp_path: Path):
    paths = new_run(tmp_path)
    write(paths, records(1, 4 * BLOCK))
    stale = paths.overview.read_bytes()
    changed = records(2 * BLOCK + 5, 5 * BLOCK, time_offset=1e4)
    changed["loss"] = 7.0
    write(paths, changed, keep=2 * BLOCK + 4)
    paths.overview.write_bytes(stale)  # as a version that knows no overview would leave it
    assert_right(paths)
    write(paths, keep=5 * BLOCK)
    assert in_file(paths) == 5
    assert_right(paths)


@pytest.mark.parametrize("torn", [1, 100, -1])
def test_a_torn_block_is_ignored_and_made_again(tmp_path: Path, torn: int):
    paths = new_run(tmp_path)
    write(paths, records(1, 4 * BLOCK))
    whole = paths.overview.read_bytes()
    size = len(whole) // 4
    paths.overview.write_bytes(whole[: 2 * size + torn % size])
    assert_right(paths)
    write(paths, keep=4 * BLOCK)
    assert paths.overview.read_bytes() == whole


def damage_layout(paths: RunPaths) -> None:
    paths.overview_layout.write_text("{")


def other_columns(paths: RunPaths) -> None:
    paths.overview_layout.write_text(paths.overview_layout.read_text().replace('"loss"', '"lost"'))


def remove(paths: RunPaths) -> None:
    paths.overview.unlink()
    paths.overview_layout.unlink()


@pytest.mark.parametrize("spoil", [damage_layout, other_columns, remove])
def test_an_overview_that_is_of_no_use_is_made_again(tmp_path: Path, spoil: Callable[[RunPaths], None]):
    paths = new_run(tmp_path)
    write(paths, records(1, 4 * BLOCK))
    whole = paths.overview.read_bytes()
    spoil(paths)
    before = sorted(path.name for path in paths.root.iterdir())
    assert_right(paths)
    assert sorted(path.name for path in paths.root.iterdir()) == before, "a reader writes nothing"
    write(paths, keep=4 * BLOCK)
    assert paths.overview.read_bytes() == whole
    assert_right(paths)


def test_a_writer_makes_up_for_a_long_lag_in_small_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    paths = new_run(tmp_path)
    write(paths, records(1, 5 * BLOCK))
    remove(paths)
    monkeypatch.setattr(overview_module, "MAX_BLOCKS", 2)
    monkeypatch.setattr(overview_module, "PORTION", 1)
    writer = StepWriter(paths, LAYOUT, keep=5 * BLOCK)
    sizes = []
    for step in range(5 * BLOCK + 1, 5 * BLOCK + 5):
        writer.append(records(step, step))
        sizes.append(in_file(paths))
    assert sizes == [2, 4, 5, 5]
    writer.close()
    assert_right(paths)


def test_a_reader_makes_what_is_missing_in_portions(tmp_path: Path):
    paths = new_run(tmp_path)
    write(paths, records(1, (MAX_BLOCKS + 1) * BLOCK))
    remove(paths)
    reader = OverviewReader(paths, LAYOUT, LAYOUT.dtype)
    assert reader.overview().count == 0 and not reader.is_complete
    reader.advance()
    assert reader.overview().count == MAX_BLOCKS * BLOCK and not reader.is_complete
    reader.advance()
    assert reader.is_complete


def test_a_kill_leaves_blocks_that_fit(tmp_path: Path):
    paths = new_run(tmp_path)
    child = multiprocessing.get_context("fork").Process(target=_append_and_die, args=(paths,))
    child.start()
    child.join(10)
    assert child.exitcode == 9
    assert in_file(paths) == 4
    assert_right(paths)


def _append_and_die(paths: RunPaths) -> None:
    writer = StepWriter(paths, LAYOUT)
    writer.append(records(1, 4 * BLOCK + 3))
    os._exit(9)


def test_an_overview_that_cannot_be_written_does_not_end_the_run(tmp_path: Path):
    paths = new_run(tmp_path)
    paths.overview.mkdir()  # in the way
    write(paths, records(1, 5 * BLOCK))
    assert len(StepReader(paths).all()) == 5 * BLOCK
    paths.overview.rmdir()
    assert_right(paths)


def test_the_first_block_with_a_bad_sample_is_found(tmp_path: Path):
    paths = new_run(tmp_path)
    some = records(1, 3 * BLOCK)
    some["loss"][[BLOCK + 3, 2 * BLOCK]] = np.nan
    some["update_ratio"] = np.nan
    write(paths, some)
    found = read(paths)
    assert found.first_bad("loss") == 1
    assert found.first_bad("grad_norm") is None
    assert found.first_bad("update_ratio") is None, "not measured is not bad"
    assert found.first_bad("no such column") is None
