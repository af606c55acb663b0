"""Decodes many image files at once into one uint8 tensor. Knows no labels, no splits, no formats of data sets."""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

Source = Path | bytes
"""A file, or its content."""

CHUNK = 64
"""Images a thread decodes before it asks for more."""

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".pgm", ".ppm"})
"""Names that are taken for images in a folder, in lower case."""


class UnreadableImageError(Exception):
    """One image that cannot be decoded; the text says why."""


def decode_images(
    sources: Iterable[tuple[int, Source]],
    images_NCHW: Tensor,
    progress: Callable[[int, int], None] | None = None,
) -> dict[int, str]:
    """Decode every source into its row of `images_NCHW`, resized to its height and width, grey as RGB.

    Args:
        sources: row and file (or content) of each image, in any order.
        images_NCHW: uint8, shape (N, 3, H, W), filled in place.
        progress: called with the number of images done, and N.

    Returns:
        Why a row could not be decoded, by row; empty when all could.
    """
    rows_NCHW = images_NCHW.numpy()
    problems: dict[int, str] = {}
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
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
            pending.append(pool.submit(_decode_chunk, chunk, rows_NCHW))
            if len(pending) > 2 * threads:  # bounds the encoded bytes that wait in memory
                finish()
        while pending:
            finish()
    return dict(sorted(problems.items()))


def _chunks(sources: Iterable[tuple[int, Source]]) -> Iterator[list[tuple[int, Source]]]:
    iterator = iter(sources)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


def _decode_chunk(chunk: list[tuple[int, Source]], rows_NCHW: NDArray[np.uint8]) -> tuple[int, dict[int, str]]:
    """Decode a few images into their rows: how many, and which could not."""
    problems: dict[int, str] = {}
    for row, source in chunk:
        try:
            rows_NCHW[row] = decode_image(source, rows_NCHW.shape[2], rows_NCHW.shape[3])
        except UnreadableImageError as error:
            problems[row] = str(error)
    return len(chunk), problems


def decode_image(source: Source, height: int, width: int) -> NDArray[np.uint8]:
    """One image as uint8 RGB (3, H, W), or (1, H, W) for a grey one, resized bilinearly with antialiasing.

    Raises:
        UnreadableImageError: says why.
    """
    from PIL import Image, UnidentifiedImageError

    content = source if isinstance(source, bytes) else _read(source)
    if not content:
        raise UnreadableImageError("empty file")
    try:
        with Image.open(io.BytesIO(content)) as opened:
            opened.draft(opened.mode, (width, height))  # a large JPEG is decoded at a fraction of its size
            image = _upright_8_bit(opened)
            if image.size != (width, height):
                image = image.resize((width, height), Image.Resampling.BILINEAR)
            pixels = np.asarray(image, dtype=np.uint8)
    except UnidentifiedImageError as error:
        raise UnreadableImageError("not an image") from error
    except Exception as error:  # decoders raise whatever they stumble over in a damaged file
        raise UnreadableImageError(str(error).split("\n")[0] or type(error).__name__) from error
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _upright_8_bit(opened: Image) -> Image:
    """The image in mode L or RGB, turned as its camera says."""
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(opened) if "exif" in opened.info else opened
    if image.mode.startswith("I"):  # 16 bits, in some formats announced as 32
        values = np.asarray(image)
        image = Image.fromarray((values >> (8 if values.max() > 255 else 0)).astype(np.uint8))
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def _read(file: Path) -> bytes:
    """The content of a file; what prevents reading it in two words."""
    try:
        return file.read_bytes()
    except FileNotFoundError as error:
        raise UnreadableImageError("no such file") from error
    except PermissionError as error:
        raise UnreadableImageError("permission denied") from error
    except (OSError, ValueError) as error:
        raise UnreadableImageError(str(error)) from error
