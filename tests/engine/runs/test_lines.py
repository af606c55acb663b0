"""JSON lines survive kills, garbage and several writers."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainctl.engine.runs.lines import LineReader, append_line


def test_lines_come_once_and_in_order(tmp_path: Path):
    path = tmp_path / "events.jsonl"
    reader = LineReader(path)
    assert reader.read_new() == []
    append_line(path, {"a": 1})
    append_line(path, {"a": 2})
    assert reader.read_new() == [{"a": 1}, {"a": 2}]
    assert reader.read_new() == []


def test_a_line_torn_at_any_byte_waits_for_its_end(tmp_path: Path):
    path = tmp_path / "events.jsonl"
    append_line(path, {"first": "größer\n\u2028"})
    start = path.stat().st_size
    append_line(path, {"second": "größer\n\u2028"})
    whole = path.read_bytes()
    for cut in range(start, len(whole)):
        path.write_bytes(whole[:cut])
        reader = LineReader(path)
        assert reader.read_new() == [{"first": "größer\n\u2028"}]
        path.write_bytes(whole)
        assert reader.read_new() == [{"second": "größer\n\u2028"}]
        assert (reader.skipped, reader.generation) == (0, 0)


def test_a_line_torn_by_a_kill_takes_no_later_line_with_it(tmp_path: Path):
    path = tmp_path / "events.jsonl"
    append_line(path, {"a": 1})
    with path.open("ab") as file:
        file.write(b'{"a": 2, "b')
    reader = LineReader(path)
    append_line(path, {"a": 3})
    append_line(path, {"a": 4})
    assert reader.read_new() == [{"a": 1}, {"a": 3}, {"a": 4}]
    assert reader.skipped == 1


@given(st.lists(st.binary(max_size=20)))
@settings(max_examples=50, deadline=None)
def test_garbage_never_stops_a_reader(tmp_path_factory: pytest.TempPathFactory, garbage: list[bytes]):
    path = tmp_path_factory.mktemp("lines") / "events.jsonl"
    path.write_bytes(b"\n".join(garbage))
    reader = LineReader(path)
    reader.read_new()
    append_line(path, {"good": True})
    assert reader.read_new()[-1] == {"good": True}


def test_deep_nesting_is_garbage_too(tmp_path: Path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"[" * 100_000 + b"\n")
    reader = LineReader(path)
    assert reader.read_new() == []
    assert reader.skipped == 1


def test_a_file_that_shrank_is_read_again(tmp_path: Path):
    path = tmp_path / "events.jsonl"
    append_line(path, {"a": "long enough"})
    reader = LineReader(path)
    reader.read_new()
    path.write_bytes(b'{"b": 1}\n')
    assert reader.read_new() == [{"b": 1}]
    assert reader.generation == 1


def test_existing_lines_can_be_skipped(tmp_path: Path):
    path = tmp_path / "commands.jsonl"
    append_line(path, {"a": 1})
    reader = LineReader(path)
    reader.skip_existing()
    append_line(path, {"a": 2})
    assert reader.read_new() == [{"a": 2}]


def test_lines_of_several_processes_do_not_mix(tmp_path: Path):
    path = tmp_path / "commands.jsonl"
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=_append_many, args=(path, k)) for k in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(10)
    reader = LineReader(path)
    lines = reader.read_new()
    assert reader.skipped == 0
    assert sorted((line["who"], line["k"]) for line in lines) == [(w, k) for w in range(3) for k in range(100)]


def _append_many(path: Path, who: int) -> None:
    for k in range(100):
        append_line(path, {"who": who, "k": k, "text": "x" * 500})
    os._exit(0)


def test_a_file_that_is_another_one_is_read_from_its_beginning(tmp_path: Path) -> None:
    path, reader = tmp_path / "events.jsonl", LineReader(tmp_path / "events.jsonl")
    append_line(path, {"a": 1})
    assert reader.read_new() == [{"a": 1}]
    append_line(tmp_path / "other", {"b": 1})  # as long
    (tmp_path / "other").rename(path)
    assert (reader.read_new(), reader.generation) == ([{"b": 1}], 1)
    path.unlink()
    assert (reader.read_new(), reader.generation) == ([], 1)
    append_line(path, {"c": 1})  # may well get the number of the one before
    assert (reader.read_new(), reader.generation, reader.skipped) == ([{"c": 1}], 2, 0)


def test_the_mode_of_a_new_file_is_at_most_the_one_asked_for(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        append_line(tmp_path / "a", {}, mode=0o644)
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644
