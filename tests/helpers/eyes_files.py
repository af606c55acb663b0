"""Writes small sets of eye images for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from trainctl.engine.data.eyes.options import EyesData


def options(seed: int = 42, **data: object) -> tuple[EyesData, int]:
    """Options of small images, which `data` overrides, and a seed."""
    return EyesData.model_validate({"image_size": (8, 16), **data}), seed


def picture(seed: int, size: tuple[int, int] = (8, 16)) -> Image.Image:
    """A random RGB image of (height, width)."""
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def write_images(folder: Path, count: int, seed: int = 0, person: str = "") -> list[Path]:
    """PNG files `<person>_<k>.png` in a new folder."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{person or 'eye'}_{k}.png" for k in range(count)]
    for k, path in enumerate(paths):
        picture(1000 * seed + k).save(path)
    return paths


def write_classes(root: Path, count: int = 10, seed: int = 0) -> Path:
    """Folders `open` and `closed` with `count` images each."""
    write_images(root / "closed", count, seed=2 * seed + 1)
    write_images(root / "open", count, seed=2 * seed + 2)
    return root
