"""Archives of arrays from elsewhere: what they declare is held against the limit before anything is unpacked."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainctl.engine.data.npz import is_npz, read_npz
from trainctl.engine.data.weld import arrays
from trainctl.engine.data.weld.load import load_weld
from trainctl.engine.data.weld.options import WeldData
from trainctl.engine.errors import UserError

MOST = 1 << 20


def npy(dtype: str, shape: tuple[int, ...], content: bytes = b"") -> bytes:
    """An array as NumPy writes it, whose header may say anything."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})  # pyright: ignore[reportArgumentType]
    return stream.getvalue() + content


def archive(file: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as written:
        for name, content in members.items():
            written.writestr(f"{name}.npy", content)
    return file


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=">f4").reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array(["a", "bc"]),
        np.array(3),
        np.zeros((0, 4)),
        np.array([True, False]),
    ],
)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_saves_is_read_as_it_was(tmp_path: Path, array: Any, save: Any) -> None:
    save(tmp_path / "a.npz", x=array, other=np.ones(3))
    found = read_npz(tmp_path / "a.npz", ["x", "y"], MOST)
    assert found.names == ("x", "other") and list(found.arrays) == ["x"]
    assert found.arrays["x"].dtype == array.dtype
    np.testing.assert_array_equal(found.arrays["x"], array)


@pytest.mark.parametrize("dtype", ["<f4", "|i1", "<U4", "|S1"])
def test_an_archive_that_unpacks_to_more_than_the_limit_is_refused_unread(tmp_path: Path, dtype: str) -> None:
    count = (50 << 20) // np.dtype(dtype).itemsize
    file = archive(tmp_path / "bomb.npz", x=npy(dtype, (count,), bytes(50 << 20)))
    assert file.stat().st_size < 1 << 20
    tracemalloc.start()
    with pytest.raises(UserError, match=rf"{file} unpacks to 52\.4 MB, the limit is 1\.0 MB; .*fewer") as caught:
        read_npz(file, ["x"], MOST)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20 and "\n" not in str(caught.value)
    assert read_npz(file, ["y"], MOST).arrays == {}  # what nobody asks for is not unpacked


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (npy("<f4", (1 << 40,)), "x.npz unpacks to 4,398.0 GB, the limit is 1.0 MB"),
        (npy("<f4", (1 << 62, 1 << 62)), "GB, the limit is 1.0 MB"),
        (npy("<f4", (100,), b"\0" * 16), "x has 16 bytes, its shape 100 says 400"),
        (npy("<f4", (-4,), b""), "its shape -4 says -16"),
        (npy("|O", (4,), b"\0" * 32), "x holds Python objects"),
        (npy("|V8", (1,), b"\0" * 8), "x holds values of type"),
        (npy("|S0", (1 << 60,)), "x holds values of type"),
        (npy("<M8[s]", (1,), b"\0" * 8), "x holds values of type"),
        (b"\x93NUMPY\x03\0\xff\xff\xff\xff", "cannot read"),
        (b"", "cannot read"),
        (b"cos\nsystem\n(S'true'\ntR.", "cannot read"),
    ],
)
def test_a_header_that_lies_is_refused_in_a_line(tmp_path: Path, content: bytes, said: str) -> None:
    file = archive(tmp_path / "x.npz", x=content)
    with pytest.raises(UserError) as caught:
        read_npz(file, ["x"], MOST)
    assert said in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "ran",)

    np.savez(tmp_path / "x.npz", x=np.array([Evil()], dtype=object))
    with pytest.raises(UserError, match="x holds Python objects"):
        read_npz(tmp_path / "x.npz", ["x"], MOST)
    assert not (tmp_path / "ran").exists()


def test_a_damaged_value_is_found_by_its_checksum(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.arange(64.0))
    content = bytearray((tmp_path / "x.npz").read_bytes())
    content[300] ^= 1
    (tmp_path / "x.npz").write_bytes(bytes(content))
    with pytest.raises(UserError, match=r"cannot read .*x\.npz as \.npz: BadZipFile"):
        read_npz(tmp_path / "x.npz", ["x"], MOST)


def test_an_archive_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.ones(2))
    (tmp_path / "x.npz").rename(tmp_path / "x.csv")
    (tmp_path / "y.npz").write_text("CATEGORY")
    assert is_npz(tmp_path / "x.csv") and not is_npz(tmp_path / "y.npz") and not is_npz(tmp_path / "gone")


def test_samples_that_would_not_fit_into_memory_are_refused_before_they_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "SET_BYTES", 1 << 20)
    num = 1000
    np.savez_compressed(tmp_path / "w.npz", label=np.zeros(num, np.int8), sensor=np.zeros((num, 1, 6), np.int8))
    with pytest.raises(UserError, match=r"1,000 samples of .*w\.npz take 50\.2 MB in memory, the limit is 1\.0 MB"):
        load_weld(WeldData(), 0, tmp_path / "w.npz", val_batch_size=4)
    np.savez_compressed(tmp_path / "w.npz", label=np.zeros(num), sensor=np.zeros((num, 256, 6)))
    with pytest.raises(UserError, match=r"w\.npz unpacks to 12\.3 MB, the limit is 1\.0 MB"):
        load_weld(WeldData(), 0, tmp_path / "w.npz", val_batch_size=4)


def test_the_file_of_one_sample_has_a_limit_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "SAMPLE_BYTES", 4 << 20)
    for name, rows in (("a", 4), ("b", 2000)):
        np.savez_compressed(tmp_path / f"{name}.npz", video=np.zeros((rows, 1024), np.float32))
    (tmp_path / "manifest.csv").write_text("CATEGORY,SUBDIRS,SPLIT\nGood,a,TRAIN\nGood,b,TEST\n")
    with pytest.raises(UserError, match=r"b\.npz unpacks to 8\.2 MB, the limit is 4\.2 MB"):
        load_weld(WeldData(), 0, tmp_path, val_batch_size=4)
