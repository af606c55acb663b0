"""No record is lost, doubled or half shown, whoever writes and whatever is cut off."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_runs import LAYOUT, new_run, records

from trainctl.engine.errors import UserError
from trainctl.engine.runs.atomic import write_json_atomic
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.record import RecordLayout, dtype_from_json
from trainctl.engine.runs.states import SCHEMA
from trainctl.engine.runs.store import StepReader, StepWriter


def write(paths: RunPaths, *blocks: np.ndarray, keep: int | None = None) -> StepWriter:
    writer = StepWriter(paths, LAYOUT, keep)
    for block in blocks:
        writer.append(block)
    writer.close()
    return writer


def assert_same(got: np.ndarray, wanted: np.ndarray) -> None:
    assert got.dtype == wanted.dtype
    assert got.tobytes() == wanted.tobytes()


def test_what_was_written_is_read_back(tmp_path: Path):
    paths = new_run(tmp_path)
    write(paths, records(1, 3), records(4, 9))
    reader = StepReader(paths)
    assert reader.layout == LAYOUT
    assert_same(reader.all(), records(1, 9))
    assert_same(reader.read_new(), records(1, 9))
    assert len(reader.read_new()) == 0


def test_a_run_that_has_not_written_yet_is_empty(tmp_path: Path):
    reader = StepReader(new_run(tmp_path))
    assert reader.layout is None
    assert reader.dtype is None
    assert len(reader.all()) == len(reader.read_new()) == 0


@given(st.lists(st.integers(0, 7), max_size=8), st.lists(st.integers(0, 8), max_size=8))
@settings(max_examples=25, deadline=None)
def test_reading_in_any_portions_gives_every_record_once(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[int], limits: list[int]
):
    paths = new_run(tmp_path_factory.mktemp("store"))
    writer, reader = StepWriter(paths, LAYOUT), StepReader(paths)
    seen, last = [], 0
    for size, limit in zip(blocks, limits + [1] * len(blocks), strict=False):
        writer.append(records(last + 1, last + size))
        last += size
        seen.append(reader.read_new(limit))
        assert len(seen[-1]) <= limit
    seen.append(reader.read_new())
    writer.close()
    assert_same(np.concatenate(seen), records(1, last))
    assert reader.generation == 0


def test_a_record_torn_at_any_byte_is_ignored_until_it_is_whole(tmp_path: Path):
    paths = new_run(tmp_path)
    write(paths, records(1, 3))
    whole = paths.steps.read_bytes()
    size = LAYOUT.dtype.itemsize
    for cut in range(2 * size, 3 * size):
        paths.steps.write_bytes(whole[:cut])
        reader = StepReader(paths)
        assert_same(reader.read_new(), records(1, 2))
        assert_same(reader.all(), records(1, 2))
        paths.steps.write_bytes(whole)
        assert_same(reader.read_new(), records(3, 3))
        assert reader.generation == 0


def test_a_second_writer_does_not_overwrite_a_run(tmp_path: Path):
    paths = new_run(tmp_path)
    write(paths, records(1, 3))
    with pytest.raises(UserError, match="already holds a run"):
        StepWriter(paths, LAYOUT)
    assert_same(StepReader(paths).all(), records(1, 3))


@pytest.mark.parametrize("torn", [0, 1, LAYOUT.dtype.itemsize - 1])
@pytest.mark.parametrize("keep", [0, 4, 9, 100])
def test_a_resume_keeps_the_steps_up_to_the_checkpoint(tmp_path: Path, keep: int, torn: int):
    paths = new_run(tmp_path)
    write(paths, records(1, 9))
    with paths.steps.open("ab") as file:
        file.write(b"x" * torn)
    writer = write(paths, records(keep + 1, keep + 2), keep=keep)
    kept = min(keep, 9)
    assert writer.dropped == 9 - kept
    assert_same(StepReader(paths).all(), np.concatenate([records(1, kept), records(keep + 1, keep + 2)]))
    assert sorted(file.name for file in paths.root.iterdir()) == ["steps.bin", "steps.json"]


def test_a_view_taken_before_a_resume_stays_readable(tmp_path: Path):
    paths = new_run(tmp_path)
    write(paths, records(1, 2000))
    view = StepReader(paths).stored()
    write(paths, keep=1)
    assert paths.steps.stat().st_size == LAYOUT.dtype.itemsize
    assert_same(view[:], records(1, 2000))


def test_a_reader_notices_a_resume_and_starts_over(tmp_path: Path):
    paths = new_run(tmp_path)
    write(paths, records(1, 9))
    reader = StepReader(paths)
    reader.read_new()
    write(paths, keep=5)
    assert_same(reader.read_new(), records(1, 5))
    assert reader.generation == 1


def test_a_reader_notices_a_resume_that_has_already_grown_past_it(tmp_path: Path):
    paths = new_run(tmp_path)
    write(paths, records(1, 9))
    reader = StepReader(paths)
    reader.read_new()
    write(paths, records(6, 20, time_offset=100.0), keep=5)
    assert_same(reader.read_new(), np.concatenate([records(1, 5), records(6, 20, time_offset=100.0)]))
    assert reader.generation == 1


def test_a_reader_behind_the_checkpoint_goes_on_without_starting_over(tmp_path: Path):
    paths = new_run(tmp_path)
    write(paths, records(1, 9))
    reader = StepReader(paths)
    reader.read_new(limit=4)
    write(paths, records(6, 7, time_offset=100.0), keep=5)
    assert [record["step"] for record in reader.read_new()] == [5, 6, 7]
    assert reader.generation == 0


def test_a_deleted_file_is_an_empty_run(tmp_path: Path):
    paths = new_run(tmp_path)
    write(paths, records(1, 9))
    reader = StepReader(paths)
    reader.read_new()
    paths.steps.unlink()
    assert len(reader.read_new()) == len(reader.all()) == 0
    assert reader.generation == 1


def test_reading_can_start_in_the_middle(tmp_path: Path):
    paths = new_run(tmp_path)
    write(paths, records(1, 9))
    reader = StepReader(paths)
    reader.skip_to(7)
    assert_same(reader.read_new(), records(8, 9))
    reader.skip_to(100)
    assert reader.position == 9


def test_a_resume_with_another_layout_is_refused_and_names_what_differs(tmp_path: Path):
    paths = new_run(tmp_path)
    write(paths, records(1, 9))
    with pytest.raises(UserError, match="another terms"):
        StepWriter(paths, RecordLayout(("focal",), LAYOUT.groups, 2, LAYOUT.classes, LAYOUT.scalars), keep=5)
    assert_same(StepReader(paths).all(), records(1, 9))


def test_records_are_read_by_the_fields_in_the_file_not_by_ours(tmp_path: Path):
    paths = new_run(tmp_path)
    old = np.dtype([("step", "<u4"), ("loss", "<f8"), ("retired", "<f4", (2,))])
    described = {**LAYOUT.to_json(), "itemsize": old.itemsize}
    described["fields"] = [["step", "<u4", []], ["loss", "<f8", []], ["retired", "<f4", [2]]]
    write_json_atomic(paths.steps_layout, described)
    data = np.zeros(2, old)
    data["step"], data["retired"] = [1, 2], 0.5
    paths.steps.write_bytes(data.tobytes())
    assert_same(StepReader(paths).all(), data)


def test_a_newer_schema_is_refused(tmp_path: Path):
    paths = new_run(tmp_path)
    write_json_atomic(paths.steps_layout, {**LAYOUT.to_json(), "schema": SCHEMA + 1})
    with pytest.raises(UserError, match="newer"):
        StepReader(paths).read_new()


@pytest.mark.parametrize("change", [{"fields": 3}, {"itemsize": 1}, {"fields": [["a", "nonsense", []]]}])
def test_a_damaged_description_is_named(tmp_path: Path, change: dict[str, Any]):
    paths = new_run(tmp_path)
    write_json_atomic(paths.steps_layout, {**LAYOUT.to_json(), **change})
    with pytest.raises(UserError, match=r"cannot read .*steps\.json"):
        StepReader(paths).all()


@given(
    st.lists(st.text("abc_", min_size=1, max_size=3), max_size=3, unique=True),
    st.integers(1, 3),
    st.integers(0, 300),
)
@settings(max_examples=25)
def test_every_layout_survives_its_description(terms: list[str], lr_groups: int, num_classes: int):
    layout = RecordLayout(tuple(terms), ("a",), lr_groups, tuple(f"c{k}" for k in range(num_classes)))
    described = json.loads(json.dumps(layout.to_json()))
    assert dtype_from_json(described) == layout.dtype
    assert RecordLayout.from_json(described) == layout


def test_a_full_disk_is_said_and_leaves_only_whole_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    paths = new_run(tmp_path)
    writer = StepWriter(paths, LAYOUT)
    writer.append(records(1, 2))
    real = os.write
    calls = []

    def half_then_full(descriptor: int, data: bytes):
        calls.append(len(data))
        if len(calls) == 1:
            return real(descriptor, bytes(data[: len(data) // 2]))
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half_then_full)
        with pytest.raises(UserError, match=r"disk full: cannot write .*steps\.bin"):
            writer.append(records(3, 5))
    writer.append(records(3, 3))
    writer.close()
    writer.close()
    assert len(calls) == 2
    assert_same(StepReader(paths).all(), records(1, 3))


def test_a_kill_after_append_loses_nothing(tmp_path: Path):
    paths = new_run(tmp_path)
    child = multiprocessing.get_context("fork").Process(target=_append_and_die, args=(paths,))
    child.start()
    child.join(10)
    assert child.exitcode == 9
    assert_same(StepReader(paths).all(), records(1, 40))


def _append_and_die(paths: RunPaths) -> None:
    writer = StepWriter(paths, LAYOUT)
    writer.append(records(1, 40))
    os._exit(9)


def test_reading_while_another_process_writes_gives_the_same_records(tmp_path: Path):
    paths = new_run(tmp_path)
    child = multiprocessing.get_context("fork").Process(target=_append_many, args=(paths,))
    child.start()
    reader, seen = StepReader(paths), []
    deadline = time.monotonic() + 20
    while sum(map(len, seen)) < 3000 and time.monotonic() < deadline:
        seen.append(reader.read_new())
        seen[-1:] = [seen[-1]] if len(seen[-1]) else []
    child.join(10)
    assert_same(np.concatenate(seen), records(1, 3000))
    assert reader.generation == 0


def _append_many(paths: RunPaths) -> None:
    writer = StepWriter(paths, LAYOUT)
    for first in range(1, 3001, 10):
        writer.append(records(first, first + 9))
    os._exit(0)


def test_ten_million_records_open_without_being_read(tmp_path: Path):
    paths = new_run(tmp_path)
    write(paths)
    count = 10_000_000
    last = records(count, count)
    with paths.steps.open("r+b") as file:  # sparse: takes no room on the disk
        file.truncate(count * LAYOUT.dtype.itemsize)
        file.seek((count - 1) * LAYOUT.dtype.itemsize)
        file.write(last.tobytes())
    # Not by the clock, which tells of the machine: it takes half a millisecond, and a second where all is read.
    began = time.thread_time()
    view = StepReader(paths).stored()
    reader = StepReader(paths)
    reader.skip_to(count - 1)
    assert_same(reader.read_new(), last)
    assert len(view) == count
    assert view[-1]["step"] == count
    assert view.find("time", 1.0) == count - 1  # by halving, all before being empty
    assert time.thread_time() - began < 0.2
