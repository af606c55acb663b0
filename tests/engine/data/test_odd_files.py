"""Whatever lies in a folder of data: a picture is read as it was meant, the rest is named, nothing is waited for."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hostile_files import bounded
from PIL import Image

from trainctl.engine.data.csv_table import read_csv
from trainctl.engine.data.eyes.load import load_eyes
from trainctl.engine.data.eyes.options import EyesData
from trainctl.engine.data.image_files import images_below, others_words
from trainctl.engine.data.images import (
    UnreadableImageError,
    cut_image,
    decode_image,
    image_size,
    problem_words,
    whole_image,
)
from trainctl.engine.data.weld.arrays import read_arrays
from trainctl.engine.errors import UserError
from trainctl.engine.tasks.recognise import recognise_task

SPECIAL: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a folder": Path.mkdir,
    "a link to itself": lambda path: path.symlink_to(path.name),
}


def ramp(dtype: str, top: float) -> np.ndarray:
    """8×8 pixels from 0 to `top`."""
    return np.linspace(0, top, 64).reshape(8, 8).astype(dtype)


@pytest.mark.parametrize(
    ("dtype", "top", "brightest"),
    [
        ("f4", 1.0, 255),
        ("f4", 255.0, 255),
        ("f4", 65_535.0, 255),
        ("f4", 0.5, 128),
        ("u2", 65_535, 255),
        ("u2", 200, 0),  # 16 bits by its own word, and nearly black
        ("i4", 65_535, 255),
        ("i4", 200, 200),
        ("u1", 255, 255),
    ],
)
def test_brightness_is_read_as_it_was_meant(tmp_path: Path, dtype: str, top: float, brightest: int) -> None:
    Image.fromarray(ramp(dtype, top)).save(tmp_path / "a.tif")
    pixels_CHW = decode_image(tmp_path / "a.tif", 8, 8)
    assert pixels_CHW.shape == (1, 8, 8)
    assert (int(pixels_CHW.min()), int(pixels_CHW.max())) == (0, brightest)
    assert np.all(np.diff(pixels_CHW.reshape(-1).astype(int)) >= 0)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.full((8, 8), np.nan, np.float32), "not all finite"),
        (np.full((8, 8), np.inf, np.float32), "not all finite"),
        (np.full((8, 8), -0.5, np.float32), "no brightness"),
        (np.full((8, 8), 2**24, np.int32), "no brightness"),
        (np.full((8, 8), -3, np.int32), "no brightness"),
    ],
)
def test_values_that_are_no_brightness_are_refused(tmp_path: Path, values: np.ndarray, why: str) -> None:
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(UnreadableImageError, match=why):
        decode_image(tmp_path / "a.tif", 8, 8)


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (200, 1)])
def test_a_placeholder_is_no_picture(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size).save(tmp_path / "a.png")
    for read in (lambda: decode_image(tmp_path / "a.png", 8, 8), lambda: image_size(tmp_path / "a.png")):
        with pytest.raises(UnreadableImageError, match=rf"{size[0]}×{size[1]} pixels are no picture"):
            read()


def declared(width: int, height: int) -> bytes:
    """A PGM file that says it has so many pixels, and has few."""
    return f"P5 {width} {height} 255\n".encode() + bytes(100)


@pytest.mark.parametrize("side", [100_000, 13_400])
def test_a_huge_picture_is_refused_in_words(tmp_path: Path, side: int) -> None:
    (tmp_path / "a.pgm").write_bytes(declared(side, side))
    with pytest.raises(UnreadableImageError, match="more than 179 million pixels"):
        cut_image(tmp_path / "a.pgm", 8, 8)


def test_a_large_picture_brings_no_warning_of_a_library(tmp_path: Path) -> None:
    (tmp_path / "a.pgm").write_bytes(declared(12_000, 12_000))
    words = "import sys; from pathlib import Path; from trainctl.engine.data.images import image_size\n"
    words += "print(image_size(Path(sys.argv[1])))"
    done = subprocess.run(
        [sys.executable, "-c", words, str(tmp_path / "a.pgm")], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("(12000, 12000)\n", "")


@pytest.mark.parametrize("kind", SPECIAL)
def test_what_is_no_file_is_said_at_once(tmp_path: Path, kind: str) -> None:
    for name in ("a.png", "a.csv", "a.npz"):
        SPECIAL[kind](tmp_path / name)
    for read in (lambda: decode_image(tmp_path / "a.png", 8, 8), lambda: image_size(tmp_path / "a.png")):
        with pytest.raises(UnreadableImageError):
            read()
    with pytest.raises(UnreadableImageError):
        whole_image(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"cannot read .*a\.csv as CSV"):
        read_csv(tmp_path / "a.csv", ["path"])
    with pytest.raises(UserError, match=r"cannot read .*a\.npz as \.npz"):
        read_arrays(tmp_path / "a.npz")
    assert recognise_task(tmp_path / "a.csv") is None or kind == "a folder"


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_pipe_in_place_of_a_table_is_said_at_once(tmp_path: Path, suffix: str) -> None:
    os.mkfifo(tmp_path / f"eyes{suffix}")
    with pytest.raises(UserError, match="it is a pipe, not a file"):
        load_eyes(EyesData(), 0, tmp_path / f"eyes{suffix}")


def write_eyes(root: Path) -> Path:
    for name in ("open", "closed"):
        (root / name).mkdir(parents=True)
        for k in range(6):
            pixels = np.random.default_rng(k).integers(0, 256, (8, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{k}.png")
    return root


def test_a_folder_that_contains_itself_comes_to_an_end(tmp_path: Path) -> None:
    root = write_eyes(tmp_path / "eyes")
    (root / "open" / "again").symlink_to(root / "open")
    (root / "open" / "up").symlink_to(root.parent)
    (root / "closed" / "circle").symlink_to("circle")
    found = images_below(root / "closed")
    assert len(found.images) == 6 and [path.name for path in found.others] == ["circle"]
    assert len(images_below(root / "open").images) == 6, "what leads up would make closed eyes open ones"


def test_what_is_passed_over_is_counted_and_named(tmp_path: Path) -> None:
    root = write_eyes(tmp_path / "eyes")
    for name in ("a.heic", "b.heic", "c.HEIC", "notes.txt", "README"):
        (root / "open" / name).write_text("x")
    splits = load_eyes(EyesData(image_size=(8, 16), leak_check=False), 0, root)
    note = next(note for note in splits.notes if "left alone" in note)
    assert note.startswith("5 files are no images by their name: 3 .heic, 1")
    assert "open/README, open/a.heic, open/b.heic, …" in note


def test_a_folder_of_nothing_else_says_what_it_holds(tmp_path: Path) -> None:
    root = write_eyes(tmp_path / "eyes")
    for path in (root / "open").iterdir():
        path.rename(path.with_suffix(".heic"))
    with pytest.raises(UserError, match=r"holds no image, but 6 files are no images by their name: 6 \.heic"):
        load_eyes(EyesData(), 0, root)


def test_jpeg_2000_is_an_image(tmp_path: Path) -> None:
    content = io.BytesIO()
    Image.fromarray(ramp("u1", 255)).save(content, "JPEG2000")
    (tmp_path / "a.jp2").write_bytes(content.getvalue())
    assert [path.name for path in images_below(tmp_path).images] == ["a.jp2"]
    assert decode_image(tmp_path / "a.jp2", 8, 8).shape == (1, 8, 8)


def test_several_corrupt_files_are_named(tmp_path: Path) -> None:
    root = write_eyes(tmp_path / "eyes")
    for name in ("open/0.png", "open/1.png", "closed/0.png", "closed/2.png"):
        (root / name).write_text("not an image")
    with pytest.raises(UserError) as refused:
        load_eyes(EyesData(image_size=(8, 16)), 0, root)
    assert "4 of 12 images that cannot be decoded: " in str(refused.value)
    assert str(refused.value).count("(not an image)") == 3 and ", …" in str(refused.value)


def test_nothing_passed_over_is_nothing_said(tmp_path: Path) -> None:
    assert others_words(tmp_path, []) == ""
    assert problem_words(["a"], {0: "why"}) == "a (why)"


@pytest.mark.few(5)
@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "bmp", "tif", "webp", "ppm", "jp2"])
@pytest.mark.parametrize("size", [100 << 20, 1 << 40])
def test_a_picture_of_nothing_but_a_beginning_is_done_with_soon(tmp_path: Path, ending: str, size: int) -> None:
    """Some decoders look for the next marker a byte at a time."""
    file = tmp_path / f"a.{ending}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)).save(file)
    file.write_bytes(file.read_bytes()[:100])
    os.truncate(file, size)
    with bounded(3.0):
        for read in (lambda: decode_image(file, 8, 16), lambda: image_size(file)):
            with contextlib.suppress(UnreadableImageError):
                read()
    if ending in ("jpg", "gif") and size == 100 << 20:
        with pytest.raises(UnreadableImageError, match="no end of what belongs to no picture"):
            decode_image(file, 8, 16)
    if size == 1 << 40:
        with pytest.raises(UnreadableImageError, match="larger than 536 MB"):
            decode_image(file, 8, 16)
