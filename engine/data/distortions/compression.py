"""Lossy codecs: JPEG 2000 and JPEG, each picture through Pillow's encoder and back, pictures in threads.

KADID-10k types 9 and 10 (Lin, Hosu and Saupe 2019). Pictures are float32 sRGB in [0, 1]; every operation returns a new
tensor of the same shape. Knows nothing of levels and scores.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, features
from torch import Tensor

from trainctl.engine.data.distortions.table import REFERENCE_AREA
from trainctl.engine.errors import UserError

Pixels = NDArray[np.uint8]
"""One picture, shape (H, W, 3)."""

REFERENCE_SIZE = (384, 512)
"""Height and width of a KADID-10k picture."""

SMALLEST_BAND = 8
"""Pixels of the coarsest wavelet band's shorter side, at least; smaller bands are not halved again."""

RESOLUTIONS = 6
"""Wavelet resolutions of a picture that is large enough for them: the default of OpenJPEG."""


def jpeg(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Baseline JPEG of quality `strength` (1 … 100), chroma at half resolution. KADID-10k type 10."""
    del generator  # Nothing is random here.
    return _through(images_NCHW, partial(_encode_jpeg, quality=round(strength)))


def jpeg2000(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """JPEG 2000 with the irreversible 9/7 wavelet, at compression ratio `strength`. KADID-10k type 9.

    The ratio is of raw bytes (3 a pixel) to coded bytes. A codestream also carries markers and packet headers, some
    160 bytes here whatever the picture: next to nothing beside the 36,864 bytes of a 512 × 384 picture at ratio 16,
    but a 64 × 64 picture at ratio 400 would have 31 bytes in all. So the ratio is that of a picture of KADID-10k's
    size: its coefficients get what headers leave of raw / ratio, and the coefficients of a smaller or larger picture
    get as many bits per pixel, their own headers on top. At 64 × 64 the error is then close to what the same content
    has as part of a 512 × 384 picture. OpenJPEG spends some 20 bytes on coefficients at least, so pictures below
    about 32 × 32 cannot tell the highest ratios apart.

    Raises:
        UserError: Pillow was built without OpenJPEG.
    """
    del generator  # Nothing is random here.
    if not features.check("jpg_2000"):
        raise UserError(
            "distortion 9 needs JPEG 2000, and this build of Pillow has no OpenJPEG",
            "install Pillow from its wheels (pip install --force-reinstall pillow), or build it with libopenjp2",
        )
    raw, headers = 3 * REFERENCE_AREA, _empty_bytes(*REFERENCE_SIZE)
    height, width = images_NCHW.shape[2:]
    share = height * width / REFERENCE_AREA
    budget = max(1.0, raw / strength - headers) * share + _empty_bytes(height, width)
    return _through(images_NCHW, partial(_encode_jpeg2000, ratio=raw * share / budget))


def _through(images_NCHW: Tensor, encode: Callable[[Pixels], bytes]) -> Tensor:
    """Every picture rounded to 8 bits, encoded and decoded."""
    pixels_NHWC = images_NCHW.mul(255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()

    def there_and_back(pixels: Pixels) -> Pixels:
        with Image.open(io.BytesIO(encode(pixels))) as picture:
            return np.asarray(picture.convert("RGB"))

    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        decoded = torch.from_numpy(np.stack(list(pool.map(there_and_back, pixels_NHWC))))
    return decoded.permute(0, 3, 1, 2).to(images_NCHW.device, images_NCHW.dtype).div(255).contiguous()


def _encode_jpeg(pixels: Pixels, quality: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def _encode_jpeg2000(pixels: Pixels, ratio: float) -> bytes:
    """A bare codestream (no JP2 boxes, which would be 85 bytes more) of at most raw / `ratio` bytes."""
    halvings = int(np.log2(max(1, min(pixels.shape[:2]) / SMALLEST_BAND)))
    stream = io.BytesIO()
    Image.fromarray(pixels).save(
        stream,
        "JPEG2000",
        no_jp2=True,
        irreversible=True,
        num_resolutions=min(RESOLUTIONS, halvings + 1),
        quality_mode="rates",
        quality_layers=[ratio],
    )
    return stream.getvalue()


@cache
def _empty_bytes(height: int, width: int) -> int:
    """Length of a codestream in which no coefficient is coded: markers and empty packets."""
    return len(_encode_jpeg2000(np.full((height, width, 3), 128, np.uint8), ratio=1))
