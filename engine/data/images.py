"""Decodes many image files at once into one uint8 tensor. Knows no labels, no splits, no formats of data sets."""

from __future__ import annotations

import io
import math
import os
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.data.image_files import named
from trainctl.engine.files import open_regular, read_limited

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

Source = Path | bytes
"""A file, or its content."""

CHUNK = 64
"""Images a thread decodes before it asks for more."""

MAX_BYTES = 512 << 20
"""Of an image file."""
LEAST_SIDE = 2
"""Pixels: what is smaller is a placeholder, no picture."""
MOST_READS = 1_000_000
"""How often a decoder may ask for bytes: some look for the next marker a byte at a time, through anything."""
MOST_PIXELS = 179_000_000
"""Pixels: 13,000 × 13,000 and some; decoded they take half a gigabyte."""

DENIED = "permission denied"
"""Why a file that may not be read cannot be decoded."""
ORIENTATION, SIDEWAYS = 0x0112, frozenset({5, 6, 7, 8})
"""EXIF tag of how a camera was held, and its values that exchange height and width."""


class UnreadableImageError(Exception):
    """One image that cannot be decoded; the text says why."""


class _Counted:
    """A file that gives up on a decoder which reads on and on."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._num_reads = stream, 0

    def read(self, size: int = -1) -> bytes:
        """As the file's own."""
        self._num_reads += 1
        if self._num_reads > MOST_READS:
            raise UnreadableImageError("no end of what belongs to no picture")
        return self._stream.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


Decode = Callable[[Source, int, int], NDArray[np.uint8]]
"""Makes one image of a height and a width of a source, as `decode_image` and `cut_image` do."""


def decode_images(
    sources: Iterable[tuple[int, Source]],
    images_NCHW: Tensor,
    progress: Callable[[int, int], None] | None = None,
    decode: Decode | None = None,
) -> dict[int, str]:
    """Decode every source into its row of `images_NCHW`, resized to its height and width, grey as RGB.

    Args:
        sources: row and file (or content) of each image, in any order.
        images_NCHW: uint8, shape (N, 3, H, W), filled in place.
        progress: called with the number of images done, and N.
        decode: what makes a row of a source; none: `decode_image`, which resizes.

    Returns:
        Why a row could not be decoded, by row; empty when all could.
    """
    rows_NCHW = images_NCHW.numpy()
    problems: dict[int, str] = {}
    threads = num_threads()
    done = 0
    with ThreadPoolExecutor(threads) as pool:
        pending: deque[Future[tuple[int, dict[int, str]]]] = deque()

        def finish() -> None:
            nonlocal done
            count, found = pending.popleft().result()
            problems.update(found)
            done += count
            if progress is not None:
                progress(done, len(rows_NCHW))

        for chunk in _chunks(sources):
            pending.append(pool.submit(_decode_chunk, chunk, rows_NCHW, decode or decode_image))
            if len(pending) > 2 * threads:  # bounds the encoded bytes that wait in memory
                finish()
        while pending:
            finish()
    return dict(sorted(problems.items()))


def problem_words(names: Sequence[object], problems: Mapping[int, str]) -> str:
    """The first few files that cannot be decoded, each with why."""
    return named([f"{names[row]} ({reason})" for row, reason in problems.items()])


def remedy(problems: Iterable[str]) -> str:
    """What to do about files that cannot be decoded, by why they cannot."""
    denied = {reason == DENIED for reason in problems}
    if denied == {True}:
        return "make them readable"
    return "repair them, make them readable or remove them" if len(denied) > 1 else "repair or remove them"


def num_threads() -> int:
    """Threads that decode: as many as this process has cores."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _chunks(sources: Iterable[tuple[int, Source]]) -> Iterator[list[tuple[int, Source]]]:
    iterator = iter(sources)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


def _decode_chunk(
    chunk: list[tuple[int, Source]], rows_NCHW: NDArray[np.uint8], decode: Decode
) -> tuple[int, dict[int, str]]:
    """Decode a few images into their rows: how many, and which could not."""
    problems: dict[int, str] = {}
    for row, source in chunk:
        try:
            rows_NCHW[row] = decode(source, rows_NCHW.shape[2], rows_NCHW.shape[3])
        except UnreadableImageError as error:
            problems[row] = str(error)
    return len(chunk), problems


def decode_image(source: Source, height: int, width: int) -> NDArray[np.uint8]:
    """One image as uint8 RGB (3, H, W), or (1, H, W) for a grey one, resized bilinearly with antialiasing.

    Raises:
        UnreadableImageError: says why.
    """

    def resized(opened: Image) -> Image:
        from PIL.Image import Resampling

        opened.draft(opened.mode, (width, height))  # a large JPEG is decoded at a fraction of its size
        image = _upright_8_bit(opened)
        return image if image.size == (width, height) else image.resize((width, height), Resampling.BILINEAR)

    return _decode(source, resized)


def cut_image(source: Source, height: int, width: int) -> NDArray[np.uint8]:
    """The middle of an image at its own resolution, uint8 RGB (3, H, W), or (1, H, W) for a grey one.

    Raises:
        UnreadableImageError: says why, e.g. that the image is smaller than that.
    """

    def middle(opened: Image) -> Image:
        image = _upright_8_bit(opened)
        left, top = (image.width - width) // 2, (image.height - height) // 2
        if left < 0 or top < 0:
            raise UnreadableImageError(f"{image.width}×{image.height} pixels are fewer than {width}×{height}")
        return image.crop((left, top, left + width, top + height))

    return _decode(source, middle)


def whole_image(source: Source) -> NDArray[np.uint8]:
    """One image at its own resolution, uint8 RGB (3, H, W).

    Raises:
        UnreadableImageError: says why.
    """
    pixels = _decode(source, _upright_8_bit)
    return np.repeat(pixels, 3, axis=0) if len(pixels) == 1 else pixels


def image_size(source: Source) -> tuple[int, int]:
    """Height and width of an image as it will be decoded, from its header alone.

    Raises:
        UnreadableImageError: says why.
    """
    from PIL import Image

    with _opening():
        stream = io.BytesIO(source) if isinstance(source, bytes) else open_regular(source)
    with stream, _understanding(), Image.open(cast("BinaryIO", _Counted(stream))) as opened:
        _check_size(opened)
        width, height = opened.size
        is_turned = "exif" in opened.info and opened.getexif().get(ORIENTATION, 1) in SIDEWAYS
    return (width, height) if is_turned else (height, width)


def _decode(source: Source, finish: Callable[[Image], Image]) -> NDArray[np.uint8]:
    """Open a source and give the pixels of what `finish` makes of it, channels first.

    Raises:
        UnreadableImageError: says why.
    """
    from PIL import Image

    content = source if isinstance(source, bytes) else _read(source)
    if not content:
        raise UnreadableImageError("empty file")
    with _understanding(), Image.open(cast("BinaryIO", _Counted(io.BytesIO(content)))) as opened:
        _check_size(opened)
        pixels = np.asarray(finish(opened), dtype=np.uint8)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


@contextmanager
def _understanding() -> Generator[None]:
    """Whatever a decoder says becomes one line.

    Raises:
        UnreadableImageError: in place of what was raised.
    """
    from PIL import Image, UnidentifiedImageError

    _quiet_pillow()
    try:
        yield
    except UnreadableImageError:
        raise
    except UnidentifiedImageError as error:
        raise UnreadableImageError("not an image") from error
    except Image.DecompressionBombError as error:
        raise UnreadableImageError(f"more than {MOST_PIXELS // 1_000_000} million pixels") from error
    except Exception as error:  # decoders raise whatever they stumble over in a damaged file
        raise UnreadableImageError(str(error).split("\n")[0] or type(error).__name__) from error


@cache
def _quiet_pillow() -> None:
    """Pillow warns on standard error of a large picture or a damaged tag; what is of no use is refused in our words."""
    from PIL import Image

    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    warnings.filterwarnings("ignore", module=r"PIL\.")


def _check_size(opened: Image) -> None:
    width, height = opened.size
    if min(width, height) < LEAST_SIDE:
        raise UnreadableImageError(f"{width}×{height} pixels are no picture")
    if width * height > MOST_PIXELS:
        raise UnreadableImageError(f"{width}×{height}: more than {MOST_PIXELS // 1_000_000} million pixels")


def _upright_8_bit(opened: Image) -> Image:
    """The image in mode L or RGB, turned as its camera says."""
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(opened) if "exif" in opened.info else opened
    if image.mode == "F" or image.mode.startswith("I"):
        image = Image.fromarray(_to_8_bit(np.asarray(image), is_16_bit=image.mode.startswith("I;16")))
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def _to_8_bit(values: NDArray[Any], *, is_16_bit: bool) -> NDArray[np.uint8]:
    """Brightness in 0 … 255, from the smallest of the usual ranges that holds the values: 1, 255 or 65,535.

    Whole numbers of 32 bits and floats do not say which is meant; what says 16 bits is taken by its word.

    Raises:
        UnreadableImageError: values below 0, above 65,535, or not finite.
    """
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise UnreadableImageError("its values are not all finite")
    if low < 0 or high > 65_535:
        raise UnreadableImageError(f"its values from {low:g} to {high:g} are no brightness")
    if values.dtype.kind == "f":
        scale = 255.0 if high <= 1 else 1.0 if high <= 255 else 1 / 257
        return np.rint(values * scale).astype(np.uint8)
    return (values >> (8 if is_16_bit or high > 255 else 0)).astype(np.uint8)


def _read(file: Path) -> bytes:
    """The content of a file; what prevents reading it in a few words."""
    with _opening():
        return read_limited(file, MAX_BYTES)


@contextmanager
def _opening() -> Generator[None]:
    """What prevents reading a file becomes a few words."""
    try:
        yield
    except FileNotFoundError as error:
        raise UnreadableImageError("no such file") from error
    except PermissionError as error:
        raise UnreadableImageError(DENIED) from error
    except UnicodeEncodeError as error:
        raise UnreadableImageError("its name cannot be a file's") from error
    except (OSError, ValueError) as error:
        raise UnreadableImageError(getattr(error, "strerror", None) or str(error)) from error
