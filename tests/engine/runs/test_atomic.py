"""Small files are replaced whole, hold strict JSON, and a full disk is one clear line."""

from __future__ import annotations

import errno
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainctl.engine.errors import UserError
from trainctl.engine.runs.atomic import (
    DamagedFileError,
    DiskError,
    disk_errors,
    read_json,
    to_json,
    write_all,
    write_atomic,
    write_json_atomic,
)
from trainctl.engine.runs.states import SCHEMA, RunState

plain_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def refuse_constants(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def without_nonfinite(value: Any) -> Any:
    """The same with None for what JSON has no word for."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [without_nonfinite(inner) for inner in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {name: without_nonfinite(inner) for name, inner in cast("dict[str, Any]", value).items()}
    return value


@given(plain_values)
def test_what_is_written_is_strict_json_of_the_same_value(value: object):
    assert json.loads(to_json(value), parse_constant=refuse_constants) == without_nonfinite(value)


def test_nan_and_infinity_become_null_at_any_depth():
    value = {"a": [float("nan"), {"b": float("inf")}], "c": np.float32("nan"), "d": np.array([1.0, -np.inf])}
    assert json.loads(to_json(value)) == {"a": [None, {"b": None}], "c": None, "d": [1.0, None]}


def test_numpy_scalars_enums_paths_and_dataclasses_become_plain():
    @dataclass
    class Point:
        x: int

    value = [np.int64(3), np.float32(0.5), np.bool_(True), RunState.RUNNING, Path("a/b"), Point(1), (1, 2)]
    assert json.loads(to_json(value)) == [3, 0.5, True, "running", "a/b", {"x": 1}, [1, 2]]


def test_something_that_is_no_data_is_refused():
    with pytest.raises(ValueError, match="object"):
        to_json(object())


def test_a_failed_write_leaves_the_old_content_and_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "status.json"
    write_atomic(path, b"old")

    def full(descriptor: int, data: bytes):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(UserError, match=r"disk full: cannot write .*status\.json \(\d+ MB free\)"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, bytes(data[:3])))
    write_atomic(tmp_path / "file", b"0123456789")
    assert (tmp_path / "file").read_bytes() == b"0123456789"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "disk full"),
        (errno.EDQUOT, "disk quota"),
        (errno.EROFS, "read-only file system"),
        (errno.EACCES, "no permission"),
        (errno.EFBIG, "file too large"),
        (errno.ENOENT, "its folder is gone"),
        (errno.ENOTDIR, "is a file"),
    ],
)
def test_what_the_disk_refuses_is_one_clear_line(tmp_path: Path, code: int, words: str):
    with pytest.raises(UserError, match=words) as caught, disk_errors(tmp_path / "steps.bin"):
        raise OSError(code, os.strerror(code))
    assert "steps.bin" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("number", "is_lasting"), [(errno.EIO, False), (errno.ESTALE, False), (errno.ENOSPC, True)])
def test_every_error_of_the_disk_is_one_line_that_knows_whether_it_may_pass(
    tmp_path: Path, number: int, is_lasting: bool
):
    with pytest.raises(DiskError, match=r"cannot write .*") as caught, disk_errors(tmp_path):
        raise OSError(number, "odd")
    assert caught.value.is_lasting is is_lasting
    assert "\n" not in str(caught.value)


def test_a_missing_folder_is_said(tmp_path: Path):
    with pytest.raises(UserError, match="its folder is gone"):
        write_json_atomic(tmp_path / "gone" / "status.json", {})


def test_a_file_that_is_not_there_yet_reads_as_none(tmp_path: Path):
    assert read_json(tmp_path / "meta.json") is None


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b'{"schema": "x"}'])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes):
    (tmp_path / "meta.json").write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"meta\.json"):
        read_json(tmp_path / "meta.json")


def test_a_newer_schema_is_refused_with_both_versions(tmp_path: Path):
    write_json_atomic(tmp_path / "meta.json", {"schema": SCHEMA + 1})
    with pytest.raises(UserError, match=f"schema {SCHEMA + 1}, this trainctl reads up to {SCHEMA}"):
        read_json(tmp_path / "meta.json")


def test_write_all_hands_over_everything():
    read_end, write_end = os.pipe()
    write_all(write_end, b"abc")
    os.close(write_end)
    assert os.read(read_end, 10) == b"abc"
    os.close(read_end)


def test_text_that_no_file_can_hold_is_mended(tmp_path: Path) -> None:
    name = b"\xff data".decode(errors="surrogateescape")
    write_json_atomic(tmp_path / "a.json", {name: [name, Path(name)]})
    assert read_json(tmp_path / "a.json") == {"\ufffd data": ["\ufffd data", "\ufffd data"]}


@pytest.mark.parametrize("innermost", [1, "\ud800"])
def test_what_is_nested_too_deeply_is_no_json_either_way(tmp_path: Path, innermost: object) -> None:
    value: object = innermost
    for _ in range(800):
        value = [value]
    with pytest.raises(ValueError, match="nested too deeply"):
        to_json(value)
    text = json.dumps({"a": value})
    (tmp_path / "a.json").write_text(text)
    try:
        assert json.dumps(read_json(tmp_path / "a.json")) == text.replace("ud800", "ufffd")
    except DamagedFileError as err:
        assert "nested too deeply" in str(err)  # how deep Python can follow differs between its versions
