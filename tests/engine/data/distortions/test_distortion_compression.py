"""JPEG and JPEG 2000: what Pillow gives for one picture, ratios that small pictures can hold, order of the levels."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image, features
from sklearn.datasets import load_sample_image
from torch import Tensor

from trainctl.engine.data.distortions import compression
from trainctl.engine.data.distortions.compression import jpeg, jpeg2000
from trainctl.engine.data.distortions.table import DISTORTIONS
from trainctl.engine.errors import UserError

needs_openjpeg = pytest.mark.skipif(not features.check("jpg_2000"), reason="Pillow without OpenJPEG")
RATIOS, QUALITIES = DISTORTIONS[8].strengths, DISTORTIONS[9].strengths


@cache
def _photo() -> Tensor:
    """A photograph as (1, 3, 427, 640) in [0, 1]."""
    pixels = np.array(load_sample_image("china.jpg"))
    return torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0).float() / 255


def _tiles(size: int, count: int = 12) -> Tensor:
    """Square crops from the part of the photograph that has detail, (count, 3, size, size)."""
    tiles = _photo()[0, :, 160:, :].unfold(1, size, size).unfold(2, size, size)
    return tiles.permute(1, 2, 0, 3, 4).reshape(-1, 3, size, size)[:count].contiguous()


def _psnr(images: Tensor, others: Tensor) -> float:
    return float(-10 * (images - others).square().mean().log10())


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("quality", QUALITIES)
def test_jpeg_is_what_pillow_makes_of_each_picture_alone(quality: float) -> None:
    images = _tiles(48, count=3)
    result = jpeg(images, quality, _generator())
    for image, coded in zip(images, result, strict=True):
        stream = io.BytesIO()
        pixels = np.round(image.numpy().transpose(1, 2, 0) * 255).astype(np.uint8)
        Image.fromarray(pixels).save(stream, format="JPEG", quality=int(quality))
        expected = np.array(Image.open(io.BytesIO(stream.getvalue())))
        assert np.array_equal(np.round(coded.numpy().transpose(1, 2, 0) * 255).astype(np.uint8), expected)


@pytest.mark.parametrize("size", [16, 64])
def test_jpeg_gets_worse_with_every_level(size: int) -> None:
    images = _tiles(size)
    quality = [_psnr(images, jpeg(images, strength, _generator())) for strength in QUALITIES]
    assert all(better > worse for better, worse in pairwise(quality))


@needs_openjpeg
@pytest.mark.parametrize("size", [32, 64, 128])
def test_jpeg2000_gets_worse_with_every_level(size: int) -> None:
    images = _tiles(size, count=8)
    quality = [_psnr(images, jpeg2000(images, strength, _generator())) for strength in RATIOS]
    assert all(better > worse for better, worse in pairwise(quality))


@needs_openjpeg
def test_jpeg2000_never_gets_better_with_the_level_on_tiny_pictures() -> None:
    images = _tiles(16)
    quality = [_psnr(images, jpeg2000(images, strength, _generator())) for strength in RATIOS]
    assert all(better >= worse for better, worse in pairwise(quality))
    assert quality[0] > quality[-1] + 3


@needs_openjpeg
@pytest.mark.parametrize("ratio", RATIOS)
def test_small_pictures_lose_about_as_much_as_one_of_full_size(ratio: float) -> None:
    # Error of the same content coded as one 512 × 384 picture, with the plain ratio, and as 48 crops of 64 × 64.
    whole = _photo()[:, :, :384, :512].contiguous()
    stream = io.BytesIO()
    pixels = (whole[0] * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(
        stream, "JPEG2000", no_jp2=True, irreversible=True, quality_mode="rates", quality_layers=[ratio]
    )
    decoded = torch.from_numpy(np.array(Image.open(stream))).permute(2, 0, 1)[None].float() / 255
    crops = whole[0].unfold(1, 64, 64).unfold(2, 64, 64).permute(1, 2, 0, 3, 4).reshape(48, 3, 64, 64).contiguous()
    difference = _psnr(whole, decoded) - _psnr(crops, jpeg2000(crops, ratio, _generator()))
    assert 0 < difference < 3


@needs_openjpeg
def test_a_picture_of_full_size_gets_the_plain_ratio() -> None:
    ratio, seen = 32.0, []
    encode = compression._encode_jpeg2000

    def spy(pixels: np.ndarray, ratio: float) -> bytes:
        seen.append(ratio)
        return encode(pixels, ratio)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compression, "_encode_jpeg2000", spy)
        jpeg2000(_photo()[:, :, :384, :512], ratio, _generator())
    assert seen[-1] == pytest.approx(ratio)
    assert len(encode(np.array(load_sample_image("china.jpg"))[:384, :512], ratio)) == pytest.approx(18432, rel=0.01)


def test_without_openjpeg_the_user_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "check", {"jpg_2000": False}.get)
    with pytest.raises(UserError, match="Pillow"):
        jpeg2000(_tiles(16), 16, _generator())


@needs_openjpeg
@pytest.mark.parametrize("codec", [jpeg, jpeg2000])
def test_a_picture_is_coded_the_same_whatever_its_batch(
    codec: Callable[[Tensor, float, torch.Generator], Tensor],
) -> None:
    images = _tiles(32, count=5)
    before = images.clone()
    together = codec(images, 24, _generator())
    assert torch.equal(images, before)
    assert together.shape == images.shape and together.dtype == torch.float32
    assert together.min() >= 0 and together.max() <= 1
    assert torch.equal(together[3:4], codec(images[3:4], 24, _generator()))
    assert codec(_photo()[:, :, 50:67, 20:50], 24, _generator()).shape == (1, 3, 17, 30)
